"""Single steps, batch 1, float32: from Python, in a compiled loop, and with other engines; beside the load roofline."""

from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import roofline, with_onnxruntime, with_streamrnn, with_torch
from benchmarks.case import Case
from benchmarks.contender import missing
from benchmarks.turns import PLAYBACK, Times, checked, take_turns
from streamrnn import Stream
from streamrnn.command.measuring.loop import N_ROWS
from streamrnn.plan import plan_of

CONTENDERS: dict[str, Any] = {
    "streamrnn step": with_streamrnn.step,
    "streamrnn loop": with_streamrnn.loop,
    "onnxruntime run": with_onnxruntime.run,
    "onnxruntime IO binding": with_onnxruntime.io_binding,
    "torch cell": with_torch.cell,
}
READERS = roofline.readers()


@pytest.fixture(scope="module")
def times(case: Case, n_rounds: int) -> Times:
    model = case.model()

    def expected(n_steps: int) -> Any:
        return Stream(model).process(np.tile(case.signal(N_ROWS), (n_steps // N_ROWS, 1)))[-1]

    contenders = {name: checked(build(case, model), expected) for name, build in CONTENDERS.items() if not missing(name)}
    return take_turns(contenders | {name: build(case) for name, build in READERS.items()}, n_rounds, f"{case}: step by step")


@pytest.mark.benchmark(timer=PLAYBACK)
@pytest.mark.parametrize("contender", [*CONTENDERS, *READERS])
def test_step(benchmark: BenchmarkFixture, case: Case, contender: str, times: Times) -> None:
    if reason := missing(contender):
        pytest.skip(reason)
    benchmark.group = f"{case}, step"
    benchmark.extra_info.update(what="step", contender=contender, weight_bytes=case.weight_bytes, **case._asdict())
    if contender == "streamrnn step":
        width = plan_of(case.model()).widths[0]
        benchmark.extra_info.update(lanes=width.lanes, blocks=width.blocks)
    PLAYBACK.report(benchmark, times[contender])
