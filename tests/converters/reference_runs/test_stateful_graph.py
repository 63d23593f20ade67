"""Graphs with their states laid open: run in parts, they give what they give in one run."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'streamrnn[convert]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="runs graphs by onnxruntime, which is not installed")

from streamrnn_converters.reference_runs.stateful_graph import stateful_graph  # noqa: E402
from tests.converters.onnx.cell_graphs import H, I  # noqa: E402
from tests.converters.onnx.loop_graphs import looped, scanned  # noqa: E402
from tests.converters.onnx.onnx_graphs import random_node, recurrent_model  # noqa: E402

GRAPHS = {
    "lstm": lambda: recurrent_model(random_node(np.random.default_rng(0), "LSTM", I, H, batch=2), batch=2).SerializeToString(),
    "gru": lambda: recurrent_model(random_node(np.random.default_rng(0), "GRU", I, H, batch=2), batch=2).SerializeToString(),
    "scan": scanned,
    "loop": looped,
    "loop-that-counts": lambda: looped(how="counted"),
}
N_STEPS = 12


@pytest.mark.parametrize("name", GRAPHS)
def test_a_signal_in_parts_gives_the_same_as_in_one_run(name: str) -> None:
    data = GRAPHS[name]()
    copy = stateful_graph(data)
    assert len(copy.states) == (2 if name == "lstm" else 1)
    whole, first, following = (
        onnxruntime.InferenceSession(each, providers=["CPUExecutionProvider"]) for each in (data, copy.first, copy.next)
    )
    source, y = whole.get_inputs()[0].name, whole.get_outputs()[0].name
    x = np.random.default_rng(1).normal(size=(N_STEPS, 2, I)).astype(np.float32)
    (expected,) = whole.run([y], {source: x})
    found, states = [], {}
    for begin in range(0, N_STEPS, 4):
        session = following if begin else first
        names = [y, *(state.output for state in copy.states)]
        part, *ends = session.run(names, {source: x[begin : begin + 4], **states})
        found.append(part)
        states = {state.input: end for state, end in zip(copy.states, ends, strict=True)}
    assert np.abs(np.concatenate(found) - expected).max() <= 1e-6
