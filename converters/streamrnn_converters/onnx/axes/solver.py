"""The pass that finds out about axes, before anything is lowered.

It goes over the whole graph again and again until nothing new is found: first with what nodes tell, then also with what they
need (`Roles`). Axes that are still open get roles by convention, and if a node refuses those, other roles (`conventions`).
Solutions that no node refuses give the same model: a node for which it matters which axis is time, refuses the wrong one.

A node that cannot be understood gives nothing, and neither do those that depend on it. Why it could not is kept, for lowering
refuses the graph there.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.axes.constants import FOLDINGS
from streamrnn_converters.onnx.axes.conventions import choices, unsettled
from streamrnn_converters.onnx.axes.one_step import OneStep
from streamrnn_converters.onnx.axes.roles import Roles
from streamrnn_converters.onnx.axes.rules import RULES
from streamrnn_converters.onnx.budget import Budget
from streamrnn_converters.onnx.graph import SHAPES, Graph, Node
from streamrnn_converters.onnx.values import Broadcast, Constant, Known, Signal

_MOST_BRANCHES = 3  # inputs for which other roles are tried than those of the convention
_MOST_SOLUTIONS = 8
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


def solve(graph: Graph, time_axes: Mapping[str, int], states: Collection[str] = ()) -> Solution:
    """The roles and sizes of all axes of a graph, and its constants; the best of several, where each has errors.

    time_axes  the index of the axis that the caller calls time, by the name of an input
    states     graph inputs that the caller carries from run to run
    """
    roles = Roles(graph, time_axes, states)
    _propagate(graph, roles)
    late = next((name for name in roles.late if name not in roles.roles), None)
    if late is not None and "time" not in roles.roles.values():
        own = roles.copied()
        own.assume({late: "time"})
        if _is_right(found := _best(graph, own)):
            return found
    return _best(graph, roles)


def _best(graph: Graph, roles: Roles) -> Solution:
    """With what nodes need, too: the first solution without errors, or the one whose first error comes last."""
    roles.with_needs = True
    best, most = None, -1
    for solution in islice(_solutions(graph, roles, _MOST_BRANCHES), _MOST_SOLUTIONS):
        errors = [index for index, found in enumerate(solution.nodes.values()) if found.error is not None]
        if not errors:
            return solution
        if errors[0] > most:
            best, most = solution, errors[0]
    assert best is not None
    return best


def _is_right(solution: Solution) -> bool:
    return all(found.error is None for found in solution.nodes.values())


def solve_as_one_step(graph: Graph, states: Collection[str]) -> Solution:
    """The sizes of all axes of a graph that is a single step, and its constants."""
    return _sweep(graph, OneStep(graph, {}, states))


def _solutions(graph: Graph, roles: Roles, n_branches: int) -> Iterator[Solution]:
    """Solutions, the one by convention first. Other roles are tried for so many inputs."""
    solution = _propagate(graph, roles)
    entries = unsettled(roles)
    if not entries:
        yield solution
        return
    del solution  # so that its constants take no memory while others are tried
    for choice in choices(roles, entries[0]):
        own = roles.copied()
        own.assume(choice)
        if n_branches == 1:
            for entry in entries[1:]:
                own.assume(choices(own, entry)[0])
        yield from _solutions(graph, own, n_branches - 1)


def _propagate(graph: Graph, roles: Roles) -> Solution:
    """Go over the graph until nothing new is found."""
    solution, known = _sweep(graph, roles), -1
    while roles.n_facts > known:
        known = roles.n_facts
        del solution  # as above
        solution = _sweep(graph, roles)
    return solution


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
    is_constant = node.op in FOLDINGS and (node.op in SHAPES or not any(isinstance(value, Signal) for value in inputs))
    own = replace(node, attributes=dict(node.attributes))
    try:
        with own.refusing():
            outputs: Sequence[Known] = FOLDINGS[node.op](own, inputs) if is_constant else _applied(own, inputs, solution.roles)
        if is_constant:
            for value in outputs:
                _count(node, value, inputs, solution.budget)
    except ConversionError as error:
        error.__context__ = None  # its frames would hold all constants of this sweep until garbage is collected
        return Found(error=error.with_traceback(None), is_constant=is_constant)
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
