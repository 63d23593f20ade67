"""What a step costs, one LSTM layer, batch 1, float32: streamrnn beside onnxruntime, which carries h and c through its feeds.

A sample is 1000 steps, so a time in µs reads as ns per step. Before each sample every other contender of its group takes its
turn, unmeasured: all of them meet the machine, its clock and its caches in the same moods.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import streamrnn
from streamrnn.gates import reorder

Run = Callable[[], object]
Signal = NDArray[np.float32]

N_STEPS = 1000
ROUNDS = 40
SIZES = [(1, 8), (1, 32), (1, 64), (64, 64)]
HAS_ONNXRUNTIME = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))
SKIP = pytest.mark.skipif(not HAS_ONNXRUNTIME, reason="onnxruntime is not installed: pip install 'streamrnn[convert]'")


def lstm(inputs: int, hidden: int) -> streamrnn.LSTM:
    """A layer with weights like torch's initial ones: U(-1/√H, 1/√H)."""
    rng = np.random.default_rng([inputs, hidden])
    shapes = [(4, hidden, inputs), (4, hidden, hidden), (4, hidden)]
    return streamrnn.LSTM(*((rng.uniform(-1, 1, shape) / np.sqrt(hidden)).astype(np.float32) for shape in shapes))


def onnxruntime_session(layer: streamrnn.LSTM) -> Any:
    """The layer as an ONNX graph (X, h, c) -> (Y, h, c) in a session of one thread."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    hidden = layer.hidden_size
    weights = {
        "W": reorder(layer.input_weights, "lstm", "streamrnn", "onnx").reshape(1, 4 * hidden, -1),
        "R": reorder(layer.recurrent_weights, "lstm", "streamrnn", "onnx").reshape(1, 4 * hidden, -1),
        "B": np.append(reorder(np.asarray(layer.bias), "lstm", "streamrnn", "onnx"), np.zeros(4 * hidden, np.float32))[None],
    }
    node = helper.make_node("LSTM", ["X", *weights, "", "h", "c"], ["Y", "h_next", "c_next"], hidden_size=hidden)
    shapes = {"X": ["T", 1, layer.input_size], "h": [1, 1, hidden], "c": [1, 1, hidden]}
    graph = helper.make_graph(
        [node],
        "lstm",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output],
        [numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def contenders(layer: streamrnn.LSTM, signal: Signal, cut: int) -> dict[str, Run]:
    """For each contender, what passes the whole signal through the layer in pieces of `cut` steps and returns the last h."""
    stream = streamrnn.Stream(streamrnn.Model([layer]))

    def streamrnn_steps() -> Signal:
        stream.reset()
        for x in signal:
            y = stream.step(x)
        return y

    def streamrnn_chunk() -> Signal:
        stream.reset()
        return stream.process(signal)[-1]

    runs: dict[str, Run] = {"streamrnn": streamrnn_steps if cut == 1 else streamrnn_chunk}
    if not HAS_ONNXRUNTIME:
        return runs
    run = onnxruntime_session(layer).run
    pieces = signal.reshape(-1, cut, 1, layer.input_size)
    zeros = np.zeros((1, 1, layer.hidden_size), np.float32)

    def onnxruntime_runs() -> Signal:
        h = c = zeros
        for x in pieces:
            _, h, c = run(None, {"X": x, "h": h, "c": c})
        return h[0, 0]

    return runs | {"onnxruntime": onnxruntime_runs}


@pytest.mark.parametrize("contender", ["streamrnn", pytest.param("onnxruntime", marks=SKIP)])
@pytest.mark.parametrize("cut", [1, N_STEPS], ids=["step by step", "one chunk"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"I={size[0]} H={size[1]}")
def test_lstm(benchmark: BenchmarkFixture, size: tuple[int, int], cut: int, contender: str) -> None:
    layer = lstm(*size)
    signal = np.random.default_rng(0).uniform(-1, 1, (N_STEPS, layer.input_size)).astype(np.float32)
    runs = contenders(layer, signal, cut)
    others = [run for name, run in runs.items() if name != contender]

    def take_turns() -> None:
        for run in others:
            run()

    benchmark.group = f"LSTM I={size[0]} H={size[1]}, {N_STEPS} steps, {'step by step' if cut == 1 else 'one chunk'}"
    last = benchmark.pedantic(runs[contender], setup=take_turns, rounds=ROUNDS, warmup_rounds=2)
    for run in others:
        np.testing.assert_allclose(run(), last, atol=1e-5)
