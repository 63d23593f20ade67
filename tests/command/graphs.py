"""An ONNX file to import."""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")

HIDDEN = 5


def gru_file(path: Path, seed: int = 0, direction: str = "forward") -> Path:
    """A GRU node, time first, one signal: (n_steps, 1, 2) -> (n_steps, directions, 1, 5)."""
    rng = np.random.default_rng(seed)
    directions = 1 + (direction == "bidirectional")
    shapes = {"W": (3 * HIDDEN, 2), "R": (3 * HIDDEN, HIDDEN), "B": (6 * HIDDEN,)}
    tensors = [
        onnx.numpy_helper.from_array(rng.uniform(-0.6, 0.6, (directions, *shape)).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    node = onnx.helper.make_node(
        "GRU", ["X", *shapes], ["Y"], "rnn1", hidden_size=HIDDEN, linear_before_reset=1, direction=direction
    )
    x = onnx.helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, ["n_steps", 1, 2])
    y = onnx.helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, ["n_steps", directions, 1, HIDDEN])
    graph = onnx.helper.make_graph([node], "gru", [x], [y], tensors)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8), path)
    return path
