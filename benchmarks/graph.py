"""A layer as an ONNX graph that carries its state through its inputs and outputs: (X, h[, c]) -> (Y, h_next[, c_next])."""

from typing import Any

import numpy as np

from streamrnn import Model
from streamrnn.gates import reorder


def onnx_bytes(model: Model, batch: int = 1) -> bytes:
    """The ONNX file of a model of one layer. X is (n_steps, batch, I), each state (1, batch, H)."""
    from onnx import TensorProto, helper, numpy_helper

    layer: Any = model.layers[0]
    hidden, kind = layer.hidden_size, layer.kind
    bias = np.stack([layer.bias, np.zeros_like(layer.bias)])
    if kind == "gru":
        bias[1, 2] = layer.recurrent_bias
    tensors = {
        "W": reorder(layer.input_weights, kind, "streamrnn", "onnx").reshape(1, -1, layer.input_size),
        "R": reorder(layer.recurrent_weights, kind, "streamrnn", "onnx").reshape(1, -1, hidden),
        "B": np.concatenate([reorder(part, kind, "streamrnn", "onnx") for part in bias]).reshape(1, -1),
    }
    states = list(layer.states)
    options = {"linear_before_reset": 1} if kind == "gru" else {}
    outputs = ["Y", *(f"{name}_next" for name in states)]
    node = helper.make_node(kind.upper(), ["X", *tensors, "", *states], outputs, hidden_size=hidden, **options)
    shapes = {"X": ["n_steps", batch, layer.input_size]} | {name: [1, batch, hidden] for name in states}
    graph = helper.make_graph(
        [node],
        kind,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
