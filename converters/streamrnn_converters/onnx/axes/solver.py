"""The pass that finds out about axes: it goes over the whole graph again and again until nothing new is found.

A node that cannot be understood gives nothing, and neither do those that depend on it. Why it could not is kept, for lowering
refuses the graph there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.axes.constants import FOLDINGS
from streamrnn_converters.onnx.axes.roles import Roles
from streamrnn_converters.onnx.axes.rules import RULES
from streamrnn_converters.onnx.budget import Budget
from streamrnn_converters.onnx.graph import Graph, Node
from streamrnn_converters.onnx.values import Broadcast, Constant, Known, Signal

_MOST_AXES = 64  # as many as NumPy's arrays can have


@dataclass(frozen=True)
class Found:
    """What is known of the outputs of a node, or why nothing is.

    is_constant  whether it only reads constants, or gives a shape
    left         names of its attributes that were not looked at
    """

    outputs: Sequence[Known] = ()
    error: ConversionError | None = None
    is_constant: bool = False
    left: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Solution:
    """What is known of all axes, and of the values of each node; the memory that is left after the constants."""

    roles: Roles
    nodes: dict[tuple[str, ...], Found]  # by the node's outputs
    budget: Budget


def solve(graph: Graph) -> Solution:
    """The roles and sizes of all axes of a graph, and its constants."""
    roles, known = Roles(graph), -1
    while roles.n_facts > known:
        known = roles.n_facts
        _sweep(graph, roles)
    roles.settle()
    return _sweep(graph, roles)


def _sweep(graph: Graph, roles: Roles) -> Solution:
    """Apply the rule of each node, in the order of the graph."""
    values: dict[str, Known] = {name: Constant(array) for name, array in graph.constants.items()}
    for entry in graph.inputs:
        values[entry.name] = Signal(roles.of_input(entry), frozenset({entry.name}), name=entry.name)
    solution = Solution(roles, {}, Budget(graph))
    for node in graph.nodes:
        inputs = [values.get(name) if name else None for name in node.inputs]
        found = _found(node, inputs, solution)
        solution.nodes[node.outputs] = found
        for name, value in zip(node.outputs, found.outputs, strict=False):
            if name:
                values[name] = replace(value, name=name) if isinstance(value, Signal) else value
    return solution


def _found(node: Node, inputs: Sequence[Known | None], solution: Solution) -> Found:
    for name, value in zip(node.inputs, inputs, strict=True):
        if name and value is None:
            return Found(error=node.refused(f"its input {name!r} is an output that cannot be streamed"))
    is_constant = node.op in FOLDINGS and (node.op == "Shape" or not any(isinstance(value, Signal) for value in inputs))
    own = replace(node, attributes=dict(node.attributes))
    try:
        with own.refusing():
            outputs: Sequence[Known] = FOLDINGS[node.op](own, inputs) if is_constant else _applied(own, inputs, solution.roles)
        if is_constant:
            for value in outputs:
                _count(node, value, inputs, solution.budget)
    except ConversionError as error:
        return Found(error=error, is_constant=is_constant)
    return Found(outputs, None, is_constant, frozenset(own.attributes))


def _applied(node: Node, inputs: Sequence[Known | None], roles: Roles) -> Sequence[Signal]:
    rule = RULES.get(node.op)
    if rule is None:
        raise node.refused("this operator is not understood as part of a stream; export the model without it")
    outputs = rule(roles, node, inputs)
    most = max((len(signal.axes) for signal in outputs), default=0)
    if most > _MOST_AXES:
        raise node.refused(f"gives a signal of {most} axes, more than {_MOST_AXES} that are allowed")
    return outputs


def _count(node: Node, value: Known, inputs: Sequence[Known | None], budget: Budget) -> None:
    """Take the memory of a constant, unless it is a view or a value that the node was given."""
    if isinstance(value, Constant | Broadcast) and value.array.base is None and not any(value is given for given in inputs):
        budget.take(node, value.array.nbytes)
