"""ONNX graphs of LSTM, GRU and RNN nodes with random weights, made with onnx.helper alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]

#: The inputs of each operator in their order, X left out.
TENSORS = {
    "LSTM": ("W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"),
    "GRU": ("W", "R", "B", "sequence_lens", "initial_h"),
    "RNN": ("W", "R", "B", "sequence_lens", "initial_h"),
}
OUTPUTS = {"LSTM": ("Y", "Y_h", "Y_c"), "GRU": ("Y", "Y_h"), "RNN": ("Y", "Y_h")}
N_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
NEWEST_OPSET = onnx.defs.onnx_opset_version()


@dataclass(frozen=True)
class RecurrentNode:
    """A node: its constant inputs by their ONNX names, and its attributes."""

    op: str
    tensors: Mapping[str, Array]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def but(self, *without: str, **changes: Any) -> "RecurrentNode":
        """The node with tensors and attributes changed or taken away; what is no tensor's name is an attribute's."""
        tensors = {key: value for key, value in self.tensors.items() if key not in without}
        attributes = {key: value for key, value in self.attributes.items() if key not in without}
        for key, value in changes.items():
            (tensors if key in TENSORS[self.op] else attributes)[key] = value
        return replace(self, tensors=tensors, attributes=attributes)


def random_node(
    rng: np.random.Generator, op: str, n_inputs: int, hidden: int, *, batch: int = 1, gain: float = 1.0, **attributes: Any
) -> RecurrentNode:
    """A node with every tensor but sequence_lens, all numbers different; initial states are the same for the whole batch."""
    rows, bound = N_GATES[op] * hidden, gain / np.sqrt(hidden)
    n = 2 if attributes.get("direction") == "bidirectional" else 1

    def draw(bound: float, *shape: int) -> Array:
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    def state(bound: float) -> Array:
        if attributes.get("layout"):
            return np.repeat(draw(bound, 1, n, hidden), batch, axis=0)
        return np.repeat(draw(bound, n, 1, hidden), batch, axis=1)

    tensors = {
        "W": draw(bound, n, rows, n_inputs),
        "R": draw(bound, n, rows, hidden),
        "B": draw(bound, n, 2 * rows),
        "initial_h": state(0.9),
    }
    if op == "LSTM":
        tensors |= {"initial_c": state(2.0), "P": draw(bound, n, 3 * hidden)}
    return RecurrentNode(op, tensors, {"hidden_size": hidden, **attributes}, f"my_{op.lower()}")


def recurrent_model(
    nodes: RecurrentNode | Sequence[RecurrentNode],
    *,
    opset: int = 22,
    batch: int | str = 1,
    n_steps: int | str = "n_steps",
    n_inputs: int | str | None = None,
) -> onnx.ModelProto:
    """A graph of nodes of the same layout, each fed by the one before; a name in place of a size leaves it open.

    Graph input X; outputs Y of the last node, Y_h and Y_c of the only one, or Y_h.0, Y_c.0, Y_h.1 … of several.
    """
    nodes = [nodes] if isinstance(nodes, RecurrentNode) else list(nodes)
    layout = nodes[0].attributes.get("layout", 0)
    protos, constants, results, source = [], [], [], "X"
    for index, node in enumerate(nodes):
        end = f".{index}" if len(nodes) > 1 else ""
        names = {name: f"{name}{end}" if name in node.tensors else "" for name in TENSORS[node.op]}
        constants += [numpy_helper.from_array(np.asarray(node.tensors[name]), names[name]) for name in node.tensors]
        states = [f"{name}{end}" for name in OUTPUTS[node.op][1:]]
        y = "Y" if index == len(nodes) - 1 else f"Y{end}"
        inputs = " ".join([source, *names.values()]).rstrip().split(" ")
        protos.append(helper.make_node(node.op, inputs, [y, *states], node.name, **node.attributes))
        results += states
        if index < len(nodes) - 1:
            source = f"X.{index + 1}"
            protos.append(_squeeze(y, source, 2 if layout else 1, opset))
    if opset >= 13 and len(nodes) > 1:
        constants.append(numpy_helper.from_array(np.array([2 if layout else 1]), "direction"))
    n_inputs = nodes[0].tensors["W"].shape[-1] if n_inputs is None else n_inputs
    sizes = [batch, n_steps, n_inputs] if layout else [n_steps, batch, n_inputs]
    ends = {"Y": 4, **dict.fromkeys(results, 3)}
    graph = helper.make_graph(
        protos,
        "nodes",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in ends.items()],
        constants,
    )
    version = helper.make_opsetid("", opset)
    ir_version = max(8, helper.find_min_ir_version_for([version], ignore_unknown=True))
    return helper.make_model(graph, opset_imports=[version], ir_version=ir_version)


def _squeeze(source: str, target: str, axis: int, opset: int) -> onnx.NodeProto:
    if opset >= 13:
        return helper.make_node("Squeeze", [source, "direction"], [target])
    return helper.make_node("Squeeze", [source], [target], axes=[axis])
