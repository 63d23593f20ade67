"""The memory that steps use, and that they do not free."""

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/statm")
_N_TRACED = 20  # runs; tracing is slow


@dataclass(frozen=True)
class Growth:
    """Bytes of memory over a number of steps.

    traced    the most that Python and NumPy had at one time, minus what they had before
    resident  the growth of the resident memory of the process; None if the system does not report it
    """

    n_steps: int
    traced: int
    resident: int | None

    def to_json(self) -> dict[str, int | None]:
        """By name, in bytes."""
        return {"n_steps": self.n_steps, "traced_bytes": self.traced, "resident_bytes": self.resident}


def growth(begin: Callable[[], object], steps: Callable[[], object], nothing: Callable[[], object], n: int, of: int) -> Growth:
    """Memory over `n` runs of `steps`, each of `of` steps.

    begin    called before each run; its memory does not count
    nothing  a run like `steps`, but without steps; the memory that Python needs for it is subtracted
    """
    begin()
    steps()
    gc.collect()
    before = _resident()
    for _ in range(n):
        begin()
        steps()
    after = _resident()
    traced = max(_peak(begin, steps) for _ in range(min(n, _N_TRACED))) - _peak(begin, nothing)
    return Growth(n * of, max(traced, 0), None if before is None or after is None else after - before)


def _peak(begin: Callable[[], object], run: Callable[[], object]) -> int:
    """The most bytes that Python and NumPy have during a run, minus what they had before."""
    tracemalloc.start()
    try:
        begin()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _resident() -> int | None:
    """Bytes of resident memory of this process; None on another system than Linux."""
    try:
        import resource

        return int(_STATUS.read_text().split()[1]) * resource.getpagesize()
    except (OSError, ImportError):
        return None
