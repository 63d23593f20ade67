"""What steps leave in memory, and how much they take meanwhile."""

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/statm")
_N_TRACED = 20  # runs; to trace is slow


@dataclass(frozen=True)
class Growth:
    """Bytes of memory, over some number of steps.

    traced    that Python and NumPy had at most at a time, beyond what they had before
    resident  by which the process has grown; None where the system does not tell
    """

    n_steps: int
    traced: int
    resident: int | None

    def to_json(self) -> dict[str, int | None]:
        """By name, in bytes."""
        return {"n_steps": self.n_steps, "traced_bytes": self.traced, "resident_bytes": self.resident}


def growth(begin: Callable[[], object], steps: Callable[[], object], nothing: Callable[[], object], n: int, of: int) -> Growth:
    """Memory over `n` runs of `steps`, each of which takes `of` steps.

    begin    what goes before each run, and does not count
    nothing  a run that is like `steps` but for the steps: what Python needs for that does not count
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
    """Bytes that Python and NumPy have at most during a run, beyond what they had before."""
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
    """Bytes of this process that are in memory, where Linux tells."""
    try:
        import resource

        return int(_STATUS.read_text().split()[1]) * resource.getpagesize()
    except (OSError, ImportError):
        return None
