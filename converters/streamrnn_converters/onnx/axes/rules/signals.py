"""What the rules share: finding the signal among the inputs, and the axes that a layer gives."""

from collections.abc import Sequence

from streamrnn_converters.onnx.axes.roles import inserted
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Known, Signal

Inputs = Sequence[Known | None]


def signal(node: Node, value: Known | None, name: str) -> Signal:
    """The input as a signal; raises where it is something else."""
    if not isinstance(value, Signal):
        raise node.refused(f"its input {name} is not the signal; only what depends on the input step by step can be streamed")
    return value


def computed(node: Node, axes: Sequence[Axis]) -> list[Signal]:
    """The one output of a layer. A lone axis of stacked states counts as inserted by the graph from there on."""
    given = (inserted(node, index) if axis.kind == "layer" and axis.size == 1 else axis for index, axis in enumerate(axes))
    return [Signal(tuple(given))]
