"""The calm law (allocation-free) over a million steps: Numba allocates nothing, no reference is kept, no page is added."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from streamrnn import Stream
from tests.models import model, signal

N_STEPS = {"compiled": 1_000_000, "plain": 20_000}
MEBIBYTE = 1 << 20


@pytest.fixture
def nrt_statistics() -> Iterator[Any]:
    """Numba's count of what compiled code allocates and frees."""
    _nrt_python.memsys_enable_stats()
    yield rtsys.get_allocation_stats
    _nrt_python.memsys_disable_stats()


def resident() -> int:
    """Bytes of this process that are in memory."""
    import resource

    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_the_runtime_of_numba_would_be_seen_to_allocate(nrt_statistics: Any) -> None:
    import numba

    @numba.njit
    def allocate(n: int) -> float:
        return np.empty(n).size

    before = nrt_statistics()
    allocate(1000)
    assert nrt_statistics().alloc > before.alloc


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the resident memory is read from /proc, which is Linux's")
def test_a_million_steps_allocate_nothing_and_keep_nothing(door: str, nrt_statistics: Any) -> None:
    stream = Stream(model("lstm", hidden=8))
    step, rows, out = stream.step, list(signal(1000)), np.zeros(8, np.float32)
    held = [*rows, out, np.dtype(np.float32), None, stream]

    def references() -> list[int]:
        return [sys.getrefcount(thing) for thing in held]

    def steps(n_steps: int) -> None:
        for _ in range(n_steps // 2000):
            for x in rows:
                step(x)
            for x in rows:
                step(x, out)

    steps(10_000)
    runtime, counts, memory = nrt_statistics(), references(), resident()
    steps(N_STEPS[door])
    grown = resident() - memory
    assert nrt_statistics() == runtime
    assert grown <= MEBIBYTE
    late = references()
    assert late[: len(rows) + 1] == counts[: len(rows) + 1]
    assert all(abs(now - before) < 50 for now, before in zip(late, counts, strict=True))  # None and the dtype are everyone's
