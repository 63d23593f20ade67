"""Copies of a graph that take and give the states of its recurrent nodes, so that a long signal can be run in parts."""

from dataclasses import dataclass

import onnx
from onnx import TensorProto

#: Operator -> the inputs that hold its initial states. The output with a final state has the same index minus 4.
_STATE_INPUTS = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}


@dataclass(frozen=True)
class CarriedState:
    """A state of a node: the output that gives it after the last step, the input that takes it before the first."""

    output: str
    input: str


@dataclass(frozen=True)
class StatefulGraph:
    """A graph for a signal in parts.

    first   for the first part: the graph with the states as further outputs
    next    for the parts after it: this also takes the states in which the part before has ended
    states  what goes from one part to the next
    """

    first: bytes
    next: bytes
    states: tuple[CarriedState, ...]


def stateful_graph(data: bytes) -> StatefulGraph:
    """The copies of a graph in float32 whose recurrent nodes have layout 0. A step gives the same as in the graph itself."""
    model = onnx.load_model_from_string(data)
    states = []
    outputs = {info.name for info in model.graph.output}
    inputs: list[tuple[onnx.NodeProto, int, str]] = []
    for number, node in enumerate(model.graph.node):
        for index in _STATE_INPUTS.get(node.op_type, ()):
            output = _named_output(node, index - 4, f"carried.{number}.{index}.after")
            states.append(CarriedState(output, f"carried.{number}.{index}.before"))
            inputs.append((node, index, states[-1].input))
            if output not in outputs:
                outputs.add(output)
                model.graph.output.append(onnx.helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    first = model.SerializeToString()
    for node, index, name in inputs:
        node.input.extend([""] * (index + 1 - len(node.input)))
        node.input[index] = name
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3))
    return StatefulGraph(first, model.SerializeToString(), tuple(states))


def _named_output(node: onnx.NodeProto, index: int, name: str) -> str:
    """The name of an output of a node; it gets `name` where it has none."""
    node.output.extend([""] * (index + 1 - len(node.output)))
    if not node.output[index]:
        node.output[index] = name
    return str(node.output[index])
