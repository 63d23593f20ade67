"""How much memory steps allocate: none."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from numba.core.runtime import _nrt_python, rtsys
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.case import Case
from benchmarks.turns import PLAYBACK
from streamrnn import Stream
from streamrnn.command.measuring.latency import times_of
from streamrnn.command.measuring.memory import growth

CASE = Case("lstm", 1, 40)
TURN = 1000  # steps


@pytest.fixture
def nrt_statistics() -> Iterator[Any]:
    """Numba's own count of what compiled code allocates."""
    _nrt_python.memsys_enable_stats()
    yield rtsys.get_allocation_stats
    _nrt_python.memsys_disable_stats()


@pytest.mark.benchmark(timer=PLAYBACK)
def test_memory(benchmark: BenchmarkFixture, n_calls: int, nrt_statistics: Any) -> None:
    stream = Stream(CASE.model())
    step, rows = stream.step, list(CASE.signal(TURN))

    def steps() -> None:
        for x in rows:
            step(x)

    def nothing() -> None:
        for _ in rows:
            pass

    def references() -> int:
        return sum(sys.getrefcount(row) for row in rows)

    before, n_references = nrt_statistics(), references()
    n_runs = -(-n_calls // TURN)
    print(f"{CASE}: memory over {n_runs * TURN} steps", file=sys.stderr, flush=True)
    found = growth(lambda: None, steps, nothing, n_runs, TURN)
    after = nrt_statistics()
    benchmark.group = f"{CASE}, memory"
    benchmark.extra_info.update(
        what="memory",
        contender="streamrnn step",
        nrt_allocations=after.alloc - before.alloc,
        references=references() - n_references,
        **found.to_json(),
    )
    PLAYBACK.report(benchmark, [time / TURN / 1e9 for time in times_of([steps])])
