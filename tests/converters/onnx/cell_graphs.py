"""Graphs of cells in single operators, by hand: a builder, and the layers of Keras as tf2onnx writes them.

TensorFlow itself is far too heavy for a test.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

I, H, T = 3, 5, 4  # noqa: E741 - the field's names


class Builder:
    """A graph, node by node: `b.Tanh(x)` adds one and gives the name of its output."""

    def __init__(self, seed: int = 0, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}
        self._rng = np.random.default_rng(seed)

    def __getattr__(self, op: str) -> Callable[..., Any]:
        def add(*inputs: str, outputs: int = 1, **attributes: Any) -> Any:
            names = [f"{self.prefix}{op}_{len(self.nodes)}_{index}" for index in range(outputs)]
            self.nodes.append(onnx.helper.make_node(op, list(inputs), names, names[0], **attributes))
            return names[0] if outputs == 1 else names

        return add

    def constant(self, array: Any) -> str:
        name = f"{self.prefix}constant_{len(self.tensors)}"
        self.tensors[name] = array
        return name

    def weights(self, *shape: int) -> str:
        return self.constant(self._rng.uniform(-0.6, 0.6, shape).astype(np.float32))

    def model(self, inputs: dict[str, list[Any]], outputs: dict[str, str]) -> bytes:
        nodes = [*self.nodes, *(onnx.helper.make_node("Identity", [name], [output]) for output, name in outputs.items())]
        graph = onnx.helper.make_graph(
            nodes,
            "graph",
            [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in inputs.items()],
            [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
            [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in self.tensors.items()],
        )
        made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
        return made.SerializeToString()  # type: ignore[no-any-return]


def keras_cell(b: Builder, kind: str, inputs: int) -> Callable[[str, str, str], tuple[str, str]]:
    """A step as the layers of Keras compute it (implementation 2), with their order of the gates and their shapes."""
    n_gates = {"lstm": 4, "rnn": 1}.get(kind, 3)
    kernel, bias, recurrent_bias = b.weights(inputs, n_gates * H), b.weights(n_gates * H), b.weights(n_gates * H)
    recurrent, one = b.weights(H, n_gates * H), b.constant(np.float32(1))
    zr, n = (b.constant(array) for array in np.split(b.tensors[recurrent], [2 * H], axis=1))

    def step(x: str, h: str, c: str) -> tuple[str, str]:
        from_x = b.Add(b.MatMul(x, kernel), bias)
        if kind == "rnn":
            return b.Tanh(b.Add(from_x, b.MatMul(h, recurrent))), ""
        if kind == "lstm":
            i, f, g, o = b.Split(b.Add(b.Add(b.MatMul(x, kernel), b.MatMul(h, recurrent)), bias), outputs=4, axis=1)
            c = b.Add(b.Mul(b.Sigmoid(f), c), b.Mul(b.Sigmoid(i), b.Tanh(g)))
            return b.Mul(b.Sigmoid(o), b.Tanh(c)), c
        xz, xr, xn = b.Split(from_x, outputs=3, axis=-1)
        if kind == "gru":
            hz, hr, hn = b.Split(b.Add(b.MatMul(h, recurrent), recurrent_bias), outputs=3, axis=-1)
        else:
            hz, hr = b.Split(b.MatMul(h, zr), outputs=2, axis=-1)
        z, r = b.Sigmoid(b.Add(xz, hz)), b.Sigmoid(b.Add(xr, hr))
        new = b.Tanh(b.Add(xn, b.Mul(r, hn) if kind == "gru" else b.MatMul(b.Mul(r, h), n)))
        return b.Add(b.Mul(z, h), b.Mul(b.Sub(one, z), new)), ""

    return step


def keras_graph(
    kind: str, *, cut: str = "Split", zeros: str = "", layers: int = 1, last: bool = False, n_steps: int = T
) -> bytes:
    """Layers with unroll=True as tf2onnx writes them.

    cut    how steps are cut out of the signal, time first: "Split" (tf.unstack) or "Slice" (x[t])
    zeros  the operator that makes the initial states for the batch that comes; "": constants
    last   whether the last step only is given (return_sequences=False)
    n_steps  over which the loop goes, of the T of the signal
    """
    b = Builder()
    first, batch = b.constant(np.array([0])), 2
    state = b.constant(np.zeros((batch, H), np.float32))
    if zeros:
        shape = b.Concat(b.Slice(b.Shape("x"), first, b.constant(np.array([1]))), b.constant(np.array([H])), axis=0)
        state = b.ConstantOfShape(shape) if zeros == "ConstantOfShape" else b.Expand(b.constant(np.float32(0)), shape)
    y = "x"
    for layer in range(layers):
        y, step = b.Transpose(y, perm=[1, 0, 2]), keras_cell(b, kind, I if layer == 0 else H)
        if cut == "Split":
            rows = b.Split(y, outputs=T, axis=0)
        else:
            rows = [b.Slice(y, b.constant(np.array([t])), b.constant(np.array([t + 1])), first) for t in range(T)]
        h = c = state
        steps = []
        for row in rows[:n_steps]:
            h, c = step(b.Squeeze(row, first), h, c)
            steps.append(b.Unsqueeze(h, first))
        y = b.Transpose(b.Concat(*steps, axis=0), perm=[1, 0, 2])
    return b.model({"x": ["batch" if zeros else batch, T, I]}, {"y": h if last else y})
