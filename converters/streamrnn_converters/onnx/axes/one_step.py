"""The roles of the axes of a graph that is a single step: none is time or batch, and all values lie within the step.

What a caller runs step by step, carrying every state, may use its axes as it likes: recurrent nodes that run over the bands of
a spectrum, many bands as a batch, frames that are joined with those of a cache.
"""

from streamrnn_converters.onnx.axes.roles import Roles, names_of
from streamrnn_converters.onnx.graph import Graph, Input, Node
from streamrnn_converters.onnx.values import Axis


def is_one_step(graph: Graph) -> bool:
    """Whether the sizes of all inputs are fixed, so that the graph can be taken for a single step."""
    return all(size is not None for entry in graph.inputs for size in entry.sizes)


class OneStep(Roles):
    """Roles where every axis of every input lies within the step."""

    one_step = True

    def of_input(self, entry: Input) -> tuple[Axis, ...]:
        """The axes of a graph input."""
        return tuple(Axis(name, size or 1, "feature") for name, size in zip(names_of(entry), entry.sizes, strict=True))

    def role(self, axis: Axis) -> str:
        """All but those of stacked states are the same."""
        return axis.kind if axis.kind == "layer" else "feature"

    def bind(self, node: Node, axis: Axis, role: str, size: int | None = None) -> Axis:
        """Whatever a node tells of an axis, it lies within the step."""
        return axis

    def need(self, node: Node, axis: Axis, size: int | None = None) -> Axis:
        """The axis, which lies within the step."""
        return axis

    def bind_alike(self, node: Node, one: Axis, other: Axis) -> None:
        """All axes are alike."""

    def check(self) -> None:
        """There is nothing that could be wrong."""
