"""The tail: raw times of single calls, LSTM of 40 units, minus the time of reading the clock.

One slow call in a thousand does not change a mean or a median, but it can miss a deadline.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.case import Case
from benchmarks.contender import missing
from benchmarks.graph import onnx_bytes
from benchmarks.turns import PLAYBACK
from streamrnn import Stream
from streamrnn.command.measuring.latency import Times, clock_cost, latency_of, raw_times
from streamrnn.command.measuring.loop import N_ROWS

CASE = Case("lstm", 1, 40)
TURN = 1000  # calls
WARM = 16  # calls before those of a turn, because the caches are full of the other contender's data


def _streamrnn() -> Callable[[Any], object]:
    return Stream(CASE.model()).step


def _onnxruntime() -> Callable[[Any], object]:
    from streamrnn_converters.reference_runs.session import session_of

    run = session_of(onnx_bytes(CASE.model())).run
    h = c = np.zeros((1, 1, CASE.hidden), np.float32)

    def step(x: Any) -> object:
        nonlocal h, c
        y, h, c = run(None, {"X": x, "h": h, "c": c})
        return y

    return step


CONTENDERS = {"streamrnn step": (_streamrnn, (1,)), "onnxruntime run": (_onnxruntime, (1, 1, 1))}


@pytest.fixture(scope="module")
def clock() -> float:
    return clock_cost()


@pytest.fixture(scope="module")
def times(clock: float, n_calls: int) -> dict[str, list[Times]]:
    calls = {}
    for name, (build, shape) in CONTENDERS.items():
        if not missing(name):
            rows = list(CASE.signal(N_ROWS).reshape(-1, *shape))
            calls[name] = build(), [rows[index % N_ROWS] for index in range(TURN + WARM)]
    print(f"{CASE}: {n_calls} single calls", file=sys.stderr, flush=True)
    found: dict[str, list[Times]] = {name: [] for name in calls}
    for _ in range(-(-n_calls // TURN)):
        for name, (call, rows) in calls.items():
            found[name].append(np.maximum(raw_times(call, rows)[WARM:] - clock, 0))
    return found


@pytest.mark.benchmark(timer=PLAYBACK)
@pytest.mark.parametrize("contender", CONTENDERS)
def test_tail(benchmark: BenchmarkFixture, contender: str, times: dict[str, list[Times]], clock: float) -> None:
    """pytest-benchmark gets the median of every turn; extra_info has the percentiles of all calls."""
    if reason := missing(contender):
        pytest.skip(reason)
    turns = times[contender]
    benchmark.group = f"{CASE}, single calls"
    benchmark.extra_info.update(what="tail", contender=contender, n_calls=TURN * len(turns), clock_ns=clock, **CASE._asdict())
    benchmark.extra_info.update(latency_of(np.concatenate(turns)).to_json())
    PLAYBACK.report(benchmark, [float(np.median(turn)) / 1e9 for turn in turns])
