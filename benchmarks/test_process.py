"""1000 steps in one call, batch 1, float32: `process`, onnxruntime's `run`, torch's layer."""

from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import with_onnxruntime, with_streamrnn, with_torch
from benchmarks.case import Case
from benchmarks.contender import missing
from benchmarks.turns import PLAYBACK, Times, checked, take_turns
from streamrnn import Stream

N_STEPS = 1000
CONTENDERS: dict[str, Any] = {
    "streamrnn process": with_streamrnn.chunk,
    "onnxruntime one call": with_onnxruntime.one_call,
    "torch layer": with_torch.layer,
}


@pytest.fixture(scope="module")
def times(case: Case, n_rounds: int) -> Times:
    model = case.model()
    expected = Stream(model).process(case.signal(N_STEPS))[-1]
    contenders = {
        name: checked(build(case, model, N_STEPS), lambda _: expected)
        for name, build in CONTENDERS.items()
        if not missing(name)
    }
    long = case.weight_bytes > 1_000_000  # a run takes tens of milliseconds
    return take_turns(contenders, max(1, n_rounds // 4) if long else n_rounds, f"{case}: {N_STEPS} steps at once")


@pytest.mark.benchmark(timer=PLAYBACK)
@pytest.mark.parametrize("contender", CONTENDERS)
def test_process(benchmark: BenchmarkFixture, case: Case, contender: str, times: Times) -> None:
    if reason := missing(contender):
        pytest.skip(reason)
    benchmark.group = f"{case}, process"
    benchmark.extra_info.update(what="process", contender=contender, n_steps=N_STEPS, **case._asdict())
    PLAYBACK.report(benchmark, times[contender])
