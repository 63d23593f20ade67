"""Second stage: walk the graph once, and find out of every value what it is. An operator is a handler in the table.

A handler takes the walk, the node and its inputs (None where one is left out), and gives the node's outputs, or raises what
`Node.refused` makes. Attributes that it has not taken, and operators that nobody handles, are refused: nothing is ignored.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from streamrnn.errors import ConversionError, ModelError
from streamrnn_converters.onnx.parse import Graph, Input, Node
from streamrnn_converters.onnx.values import Axis, Constant, Flowing, Signal, Size, Value

Handler = Callable[["Walk", Node, Sequence[Value | None]], Sequence[Value]]
OPERATORS: dict[str, Handler] = {}

_Shaped = TypeVar("_Shaped", bound=Flowing)


def operator(*names: str) -> Callable[[Handler], Handler]:
    """Put a handler into the table under the names of its operators."""

    def register(handler: Handler) -> Handler:
        OPERATORS.update(dict.fromkeys(names, handler))
        return handler

    return register


class Walk:
    """The walk through one graph: the values by name, and what has been learned of the axes.

    `roles` tells of a numbered axis of a graph input what it turned out to be: "time", "batch" or "feature".
    """

    def __init__(self, graph: Graph) -> None:
        self.opset = graph.opset
        self.roles: dict[str, str] = {}
        self.remarks: list[str] = []
        self._n_ones = 0
        self.values: dict[str, Value] = {name: Constant(array) for name, array in graph.constants.items()}
        self.values |= {entry.name: _as_signal(entry) for entry in graph.inputs}
        for node in graph.nodes:
            self._visit(node)

    def _visit(self, node: Node) -> None:
        handler = OPERATORS.get(node.op)
        if handler is None:
            raise node.refused("this operator is not understood as part of a stream; export the model without it")
        inputs = [self.values.get(name) if name else None for name in node.inputs]
        for name, value in zip(node.inputs, inputs, strict=True):
            if name and value is None:
                raise node.refused(f"its input {name!r} is an output that cannot be streamed")
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused where it becomes a weight
                outputs = handler(self, node, inputs)
        except ConversionError:
            raise
        except ModelError as error:
            raise node.refused(str(error)) from error
        except Exception as error:  # handlers trust the graph to be well-formed: whatever comes of one that is not
            raise node.refused(
                f"its inputs and attributes do not fit the operator ({error or type(error).__name__})"
            ) from error
        if node.attributes:
            raise node.refused(f"attribute {next(iter(node.attributes))!r} is not understood; export the model without it")
        self.values.update((name, value) for name, value in zip(node.outputs, outputs, strict=False) if name)

    def bind(self, node: Node, axis: Axis, role: str) -> Axis:
        """The axis under the name of its role, from now on the same wherever it shows up. It must not have another role."""
        known = self.roles.get(axis.name, axis.name)
        if known in ("time", "batch", "feature", "layer"):
            if known != role:
                raise node.refused(f"what is its {role} axis is the {known} axis of the signal; a stream goes over time only")
            return Axis(role, axis.size)
        if role in self.roles.values() and not axis.is_one:
            raise node.refused(f"the signal would have two {role} axes")
        self.roles[axis.name] = role
        return Axis(role, axis.size)

    def role(self, axis: Axis) -> str:
        """What an axis has turned out to be, or its own name."""
        return self.roles.get(axis.name, axis.name)

    def one(self) -> Axis:
        """A new axis of size 1."""
        self._n_ones += 1
        return Axis(f"one.{self._n_ones}", 1)

    def remark(self, text: str) -> None:
        """Keep what the user should know, once."""
        if text not in self.remarks:
            self.remarks.append(text)


def needs_signal(node: Node, value: Value | None, name: str) -> Signal:
    """The value as a signal; raises where it is something else."""
    if not isinstance(value, Signal):
        raise node.refused(f"its input {name} is not the signal; only what depends on the input step by step can be streamed")
    return value


def _as_signal(entry: Input) -> Signal:
    axes = []
    for index, size in enumerate(entry.sizes):
        name = f"{entry.name}.{index}"
        axes.append(Axis(name, Size(1, (name,)) if size is None else size))
    return Signal(entry.name, (), tuple(axes))
