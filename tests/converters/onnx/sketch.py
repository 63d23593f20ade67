"""Graphs made by hand, and their comparison with onnxruntime.

Axes are written as letters: T time, B batch, F features, L layers, 1 always one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamrnn import ConversionError, Stream
from streamrnn_converters import from_onnx
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import Imported
from tests.converters.onnx.onnx_graphs import random_node

#: A graph, and the letters of its axes.
Drawing = tuple[bytes, str, str]
N_STEPS, N_SIGNALS, INPUTS, HIDDEN = 7, 2, 3, 4
TOLERANCE = 5e-6
LETTERS = {"time": "T", "batch": "B", "feature": "F", "one": "1", "layer": "L"}
SIZES = {"T": N_STEPS, "B": N_SIGNALS, "F": INPUTS, "1": 1}


class Sketch:
    """A graph in the making. Its input is x; axes whose letters are in `open_axes` have no declared size."""

    def __init__(self, axes: str = "TBF", open_axes: str = "TB", opset: int = 18) -> None:
        self.axes, self.opset = axes, opset
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs = [self.info("x", [letter if letter in open_axes else SIZES[letter] for letter in axes])]
        self.outputs: list[str] = []
        self.rng = np.random.default_rng(5)

    @staticmethod
    def info(name: str, sizes: Sequence[Any] | None, dtype: int = TensorProto.FLOAT) -> Any:
        return helper.make_tensor_value_info(name, dtype, sizes)

    def add(self, op: str, *inputs: Any, n: int = 1, name: str = "", **attributes: Any) -> Any:
        """A node; arrays and numbers among its inputs become constants. Its output, or a list of them where n > 1."""
        named = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        count = sum(node.op_type == op for node in self.nodes)
        name = name or f"my_{op}{count or ''}"
        outputs = [f"{name}.{index}" for index in range(n)]
        self.nodes.append(helper.make_node(op, named, outputs, name, **attributes))
        return outputs if n > 1 else outputs[0]

    def constant(self, value: Any) -> str:
        array = np.asarray(value)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def draw(self, *shape: int) -> NDArray[np.float32]:
        return self.rng.uniform(-0.6, 0.6, shape).astype(np.float32)

    def rnn(self, x: str, op: str = "GRU", inputs: int = INPUTS, n: int = 0, **states: str) -> Any:
        """Y, Y_h (and Y_c) of a node, time first."""
        tensors = random_node(self.rng, op, inputs, HIDDEN).tensors
        given = [tensors["W"], tensors["R"], tensors["B"], "", *states.values()]
        n = n or (3 if op == "LSTM" else 2)
        return self.add(op, x, *(given if states else given[:3]), n=n, hidden_size=HIDDEN)

    def squeezed(self, value: str, *axes: int) -> str:
        return str(self.add("Squeeze", value, list(axes)))

    def model(self) -> Any:
        graph = helper.make_graph(
            self.nodes, "sketch", self.inputs, [self.info(name, None) for name in self.outputs], self.constants
        )
        version = helper.make_opsetid("", self.opset)
        return helper.make_model(graph, opset_imports=[version], ir_version=10, producer_name="hand")

    def bytes(self, *outputs: str) -> bytes:
        self.outputs = list(outputs)
        return self.model().SerializeToString()  # type: ignore[no-any-return]


def letters(axes: Sequence[str]) -> str:
    return "".join(LETTERS[axis] for axis in axes)


def arranged(array: NDArray[Any], have: str, want: str) -> NDArray[Any]:
    """An array with axes `have`, its axes in the order of `want`; of the time that is not wanted the last step."""
    for axis in [axis for axis in have if axis not in want]:
        array, have = np.take(array, -1, have.index(axis)), have.replace(axis, "")
    array = array.transpose([have.index(axis) for axis in want if axis != "1"])
    return np.expand_dims(array, [place for place, axis in enumerate(want) if axis == "1"])


def assert_streams_what_onnxruntime_gives(data: bytes, axes_in: str, *axes_out: str) -> Imported:
    """The import has axes where they are said to be, and a stream of each signal gives what the graph gives."""
    imported = read_onnx(data)
    assert letters(imported.input.axes) == axes_in
    assert [letters(output.axes) for output in imported.outputs] == list(axes_out)
    n_steps, n_signals = N_STEPS if "T" in axes_in else 1, N_SIGNALS if "B" in axes_in else 1
    x = np.random.default_rng(1).normal(size=(n_steps, n_signals, imported.model.input_size)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": arranged(x, "TBF", axes_in)})

    signals, states = [], []
    for signal in range(n_signals):
        stream = Stream(imported.model)
        half = n_steps // 2
        steps = [stream.step(row) for row in x[:half, signal]]
        signals.append(np.concatenate([*(step[None] for step in steps), stream.process(x[half:, signal])]))
        states.append(stream.states)
    for output, given in zip(imported.outputs, expected, strict=True):
        reference = output.apart(given, n_signals)
        if output.states:
            ours = np.array([[own[layer][name] for own in states] for layer, name in output.states])
            ours = arranged(ours, "LBF", letters(output.axes))
        else:
            ours = arranged(np.stack(signals, 1), "TBF", letters(output.axes))
        assert ours.shape == reference.shape
        assert np.abs(ours - reference).max() <= TOLERANCE
    return imported


def refusal(data: bytes) -> str:
    with pytest.raises(ConversionError) as refused:
        from_onnx(data)
    return str(refused.value)


def good_file() -> bytes:
    g = Sketch()
    y = g.rnn("x")[0]
    return g.bytes(g.add("Tanh", g.add("Add", g.add("MatMul", g.squeezed(y, 1), g.draw(HIDDEN, 2)), g.draw(2))))
