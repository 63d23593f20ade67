"""Copies of a graph that hand over the states of its recurrent nodes, so that a long signal can be run in parts."""

from dataclasses import dataclass

import onnx
from onnx import TensorProto

_STATES = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}  # the inputs that hold the initial states


@dataclass(frozen=True)
class Carried:
    """A state of a node: the output that gives it after the last step, the input that takes it before the first."""

    output: str
    input: str


@dataclass(frozen=True)
class InParts:
    """A graph for a signal in parts.

    first   for the first part: the graph with the states as further outputs
    next    for those that follow: it begins where the part before has ended
    states  what goes from one part to the next
    """

    first: bytes
    next: bytes
    states: tuple[Carried, ...]


def in_parts(data: bytes) -> InParts:
    """The copies of a graph in float32 whose recurrent nodes have layout 0; what they compute of a step is not changed."""
    model = onnx.load_model_from_string(data)
    states = []
    given = {info.name for info in model.graph.output}
    inputs: list[tuple[onnx.NodeProto, int, str]] = []
    for index, node in enumerate(model.graph.node):
        for place in _STATES.get(node.op_type, ()):
            output = _output(node, place - 4, f"carried.{index}.{place}.after")
            states.append(Carried(output, f"carried.{index}.{place}.before"))
            inputs.append((node, place, states[-1].input))
            if output not in given:
                given.add(output)
                model.graph.output.append(onnx.helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    first = model.SerializeToString()
    for node, place, name in inputs:
        node.input.extend([""] * (place + 1 - len(node.input)))
        node.input[place] = name
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3))
    return InParts(first, model.SerializeToString(), tuple(states))


def _output(node: onnx.NodeProto, place: int, name: str) -> str:
    """The name of an output of a node, which gets one where it has none."""
    node.output.extend([""] * (place + 1 - len(node.output)))
    if not node.output[place]:
        node.output[place] = name
    return str(node.output[place])
