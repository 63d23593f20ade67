"""A tick of many streams, float32: a pool, a random third of it, a loop of streams, batches of others; beside the FMA peak."""

from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import with_numpy, with_onnxruntime, with_streamrnn, with_torch
from benchmarks.contender import Contender, missing
from benchmarks.crowd import Crowd
from benchmarks.peak import peak
from benchmarks.turns import PLAYBACK, Times, checked, take_turns
from streamrnn import Stream

CONTENDERS: dict[str, Any] = {
    "streamrnn pool": with_streamrnn.pool,
    "streamrnn pool on two threads": with_streamrnn.pool_on_two_threads,
    "streamrnn loop of streams": with_streamrnn.loop_of_streams,
    "onnxruntime batch": with_onnxruntime.batch,
    "torch batch": with_torch.batch,
    "NumPy batch": with_numpy.batch,
}
UNCHECKED: dict[str, Any] = {
    "streamrnn third of the pool": with_streamrnn.third_of_pool,
    "peak": lambda crowd, model: peak(crowd),
}


@pytest.fixture(scope="module")
def times(crowd: Crowd, n_rounds: int) -> Times:
    model = crowd.case.model()

    def expected(n_steps: int) -> Any:
        n_ticks = n_steps // crowd.n_streams
        return np.stack([Stream(model).process(np.tile(row, (n_ticks, 1)))[-1] for row in crowd.inputs()])

    contenders: dict[str, Contender] = {
        name: checked(build(crowd, model), expected) for name, build in CONTENDERS.items() if not missing(name)
    }
    return take_turns(
        contenders | {name: build(crowd, model) for name, build in UNCHECKED.items()}, n_rounds, f"{crowd}: ticks"
    )


@pytest.mark.benchmark(timer=PLAYBACK)
@pytest.mark.parametrize("contender", [*CONTENDERS, *UNCHECKED])
def test_pool(benchmark: BenchmarkFixture, crowd: Crowd, contender: str, times: Times) -> None:
    if reason := missing(contender):
        pytest.skip(reason)
    what = f"pool of {crowd.n_streams}"
    benchmark.group = f"{crowd.case}, {what}"
    operations = crowd.n_operations // crowd.n_streams
    benchmark.extra_info.update(what=what, contender=contender, operations=operations, **crowd.case._asdict())
    PLAYBACK.report(benchmark, times[contender])
