"""Loops over the steps of a signal, whatever their bodies compute, as what they compute in one step.

A stream goes from step to step by itself. So the body becomes a part of the graph around it, which reads one row of each
signal; the states are inputs and outputs of the graph (`Kept`), and what the body gives is one step of a signal again. The
nodes that do so are this importer's own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.axes.solver import solve
from streamrnn_converters.onnx.carried.flow import MOVES
from streamrnn_converters.onnx.graph import Graph, Input, Kept, Node, needed
from streamrnn_converters.onnx.own_nodes import LAST, ROW, STEPS
from streamrnn_converters.onnx.rewrite.collected import collected
from streamrnn_converters.onnx.rewrite.folding import folded
from streamrnn_converters.onnx.rewrite.loop_form import Loop, State, producers_of
from streamrnn_converters.onnx.rewrite.unrolled_steps import Rows
from streamrnn_converters.onnx.values import Broadcast, Constant, Signal, full_rank


@dataclass(frozen=True)
class OneStep:
    """What stands in the place of a loop.

    nodes      in the order of the graph, with the constants that they read
    inputs     of the graph, and outputs: those of states
    kept       all states
    """

    nodes: list[Node]
    constants: dict[str, NDArray[Any]]
    inputs: list[Input]
    kept: list[Kept]


def one_step(graph: Graph, loop: Loop, used: Collection[str], dtype: str, joins: Mapping[str, Sequence[Node]]) -> OneStep:
    """One step of a loop.

    graph  with the nodes before the loop
    used   the names that the graph reads after it
    dtype  of states of floats
    joins  the nodes that join a list, by its name: what stands in the place of the loop gives their outputs too

    Raises ConversionError where the loop computes something that no step of a stream can.
    """
    return _Laying(graph, loop, used, dtype, joins).laid()


class _Laying:
    def __init__(
        self, graph: Graph, loop: Loop, used: Collection[str], dtype: str, joins: Mapping[str, Sequence[Node]]
    ) -> None:
        self._graph, self._loop, self._used, self._dtype, self._joins = graph, loop, used, dtype, joins
        body = folded(loop.body)
        self._collected = collected(loop, Rows(body, producers_of(body)))
        self._prefix = next(filter(None, loop.node.outputs)) + "/"
        self._nodes: list[Node] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._inputs: list[Input] = []
        self._kept: list[Kept] = []
        self._names: dict[str, str] = {}  # by the name that the body has for a value: that in the graph
        self._sequences: dict[tuple[str, int], str] = {}
        signals = [self._inputs_of(loop.outside(sequence)) for sequence, _ in loop.signals.values()]
        told_by = self._inputs_of(loop.n_steps) if loop.n_steps else frozenset()
        #: The graph inputs of which a step has a row; others are the same at each step.
        self._moving = frozenset[str]().union(*signals)
        #: The graph inputs that tell the number of steps, as far as one of them is a signal of the loop.
        self._told_by = told_by if any(not told_by.isdisjoint(own) for own in signals) else frozenset[str]()

    def laid(self) -> OneStep:
        """All of it."""
        loop, body = self._loop, self._loop.body
        if not loop.signals:
            raise loop.node.refused(
                "takes no row of a signal at each step, so that it is no loop over time; export the model without it"
            )
        changing = {
            name: state for name, state in loop.states.items() if loop.found(state.next) != name and name not in self._collected
        }
        wanted = {inner for inner, outer, _ in loop.given if outer in self._used}
        wanted |= {own.value for name, own in self._collected.items() if loop.states[name].output in self._used}
        wanted |= {state.next for state in changing.values() if state.output in self._used}
        nodes, states = self._live(body, wanted, changing)
        self._names = {name: self._prefix + name for name in _named_inside(body, nodes)}
        reads = {name for node in nodes for name in node.inputs} | wanted | {changing[name].next for name in states}
        self._take_outside(reads - set(self._names), changing)
        for name, (sequence, axis) in loop.signals.items():
            if name in reads:
                self._add(ROW, [self._sequence(sequence, axis)], self._prefix + name, axis=axis)
                self._names[name] = self._prefix + name
        for name in states:
            self._begin(name, changing[name])
        self._nodes += [_renamed(loop.casts.get(node.outputs[0], node), self._names) for node in nodes]
        self._constants |= {self._names[name]: body.constants[name] for name in body.constants if name in self._names}
        for name in states:
            self._end(name, changing[name])
        self._give(changing)
        return OneStep(self._nodes, self._constants, self._inputs, self._kept)

    def _live(self, body: Graph, wanted: Collection[str], changing: Mapping[str, State]) -> tuple[list[Node], list[str]]:
        """The nodes on which values depend, and the states that these read, with all that the states need."""
        rows, states = set(self._loop.signals), list[str]()
        ends = tuple(wanted)
        while True:
            nodes = [node for node in needed(body.nodes, ends) if rows.isdisjoint(node.outputs)]
            nodes = list(needed(nodes, ends))
            reads = {name for node in nodes for name in node.inputs} | set(ends)
            found = [name for name in changing if name in reads]
            if found == states:
                return nodes, states
            states = found
            ends = (*wanted, *(changing[name].next for name in states))

    def _take_outside(self, names: Iterable[str], changing: Mapping[str, State]) -> None:
        """Values that the body reads from the graph around it, which must be the same at each step."""
        loop = self._loop
        moved = depending(self._graph)
        for name in sorted(names):
            if name in changing or name in loop.signals or not name:
                continue
            if name in loop.numbers:
                self._count(name)
                continue
            if name == loop.going:
                self._names[name] = self._prefix + name
                self._constants[self._names[name]] = np.array(True)
                continue
            outer = loop.outside(name)
            if outer in moved and not self._moving.isdisjoint(self._inputs_of(outer)):
                raise loop.node.refused(
                    f"its body reads all of {outer!r} at each step, of which a stream has one step only; export it with the "
                    "rows that a step needs"
                )
            self._names[name] = outer

    def _sequence(self, name: str, axis: int) -> str:
        """A signal of which rows are taken, cut to the number of steps: a Slice is refused where these are not all.

        A number of steps that another signal tells says nothing of this one, of which each step takes a row anyway.
        """
        outer = self._loop.outside(name)
        if not self._loop.n_steps or (self._told_by and self._told_by.isdisjoint(self._inputs_of(outer))):
            return outer
        if (outer, axis) not in self._sequences:
            bounds = [
                self._constant("begin", np.array([0])),
                self._loop.n_steps,
                self._constant(f"axis{axis}", np.array([axis])),
            ]
            whole = self._prefix + f"whole.{len(self._sequences)}"
            self._sequences[outer, axis] = self._add("Slice", [outer, *bounds], whole)
        return self._sequences[outer, axis]

    def _inputs_of(self, name: str) -> frozenset[str]:
        """The graph inputs on which a value depends, also by their sizes alone."""
        nodes = needed(self._graph.nodes, (name,))
        reads = {name, *(read for node in nodes for read in node.inputs)}
        return frozenset(entry.name for entry in self._graph.inputs if entry.name in reads)

    def _begin(self, name: str, state: State) -> None:
        """A state before the step."""
        before = self._prefix + name
        initial = self._initial(name, state)
        self._names[name] = before
        if initial is None:
            self._add("Identity", [state.initial], before)
            return
        array, sizes = initial
        kind = {"i": "int64", "u": "int64"}.get(array.dtype.kind, self._dtype)
        self._inputs.append(Input(before, sizes, kind))
        self._kept.append(Kept(before, before + ".after", array))

    def _initial(self, name: str, state: State) -> tuple[NDArray[Any], tuple[int | None, ...]] | None:
        declared = next(entry.sizes for entry in self._loop.body.inputs if entry.name == name)
        return initial_of(self._graph, self._loop.node, state.initial, declared)

    def _count(self, name: str) -> None:
        """The number of the step, as a state: 0 at first."""
        before = self._names[name] = self._prefix + name
        self._inputs.append(Input(before, (), "int64"))
        self._kept.append(Kept(before, before + ".after", np.array(0)))
        self._add("Add", [before, self._constant("one", np.array(1))], before + ".after")

    def _end(self, name: str, state: State) -> None:
        """A state after the step."""
        before, after = self._names[name], self._names.get(state.next, state.next)
        if any(entry.name == before for entry in self._inputs):
            self._add("Identity", [after], before + ".after")
        else:
            self._kept.append(Kept(before, after, None))

    def _give(self, changing: Mapping[str, State]) -> None:
        """The loop's outputs: the states after the last step, and what the body gives at each."""
        loop = self._loop
        sequence, axis = next(iter(loop.signals.values()))
        for name, state in loop.states.items():
            if state.output not in self._used:
                continue
            if name in self._collected:
                self._join(name, state, self._sequence(sequence, axis), axis)
            elif name in changing:
                self._add(LAST, [self._names.get(state.next, state.next)], state.output)
            else:
                self._add("Identity", [state.initial], state.output)
        for inner, outer, place in loop.given:
            if outer in self._used:
                value = self._names.get(inner, inner)
                self._add(STEPS, [value, self._sequence(sequence, axis)], outer, axis=place, of=axis)

    def _join(self, name: str, state: State, sequence: str, axis: int) -> None:
        """What a step adds to a state in which the loop collects, as a signal."""
        own = self._collected[name]
        value = self._names.get(own.value, own.value)
        if own.axis is not None:
            begun = self._initial(name, state)
            if not own.rank and (begun is None or begun[1][own.axis] != 0):
                raise self._loop.node.refused(
                    f"adds to {state.initial!r} at each step, which is not empty at first; a stream gives what a step adds, "
                    "and nothing before the first"
                )
            self._add(STEPS, [value, sequence], state.output, axis=own.axis, of=axis, rank=own.rank)
            return
        for join in self._joins.get(state.output, ()):
            place, stacks = join.attributes.get("axis", 0), join.attributes.get("new_axis", 0)
            row = value if stacks else self._prefix + join.outputs[0] + ".row"
            if not stacks:
                self._add("Squeeze", [value, self._constant(f"joined{place}", np.array([place]))], row)
            self._add(STEPS, [row, sequence], join.outputs[0], axis=place, of=axis)

    def _constant(self, key: str, array: NDArray[Any]) -> str:
        name = self._prefix + key
        self._constants[name] = array
        return name

    def _add(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self._nodes.append(Node(self._loop.node.name, op, tuple(inputs), (output,), dict(attributes)))
        return output


def initial_of(
    graph: Graph, node: Node, name: str, sizes: tuple[int | None, ...]
) -> tuple[NDArray[Any], tuple[int | None, ...]] | None:
    """What a state begins with: numbers, of size 1 along axes that they are repeated along, and the sizes of the state, None
    where they follow from the input; None where graph inputs bring it.

    graph  with the nodes before the loop `node`
    sizes  that the loop declares of it

    Raises ConversionError where it is computed from the signal.
    """
    if name in graph.constants:
        array = graph.constants[name]
        return array, array.shape
    if any(name == entry.name for entry in graph.inputs):
        return None
    own = replace(graph, outputs=(name,), nodes=needed(graph.nodes, (name,)))
    producer = next((each for each in own.nodes if name in each.outputs), None)
    if producer is None:
        raise node.refused(f"the value {name!r}, with which a state of it begins, is not understood; export the model again")
    found = solve(own, {}).nodes[producer.outputs]
    value = found.outputs[producer.outputs.index(name)] if found.error is None else None
    if isinstance(value, Constant):
        return value.array, value.array.shape
    if isinstance(value, Broadcast):
        return full_rank(value), tuple(size if isinstance(size, int) else None for size in value.sizes)
    if isinstance(value, Signal) and all(each.op in MOVES for each in own.nodes if name in depending(own)):
        return None
    if producer.op == "ConstantOfShape" and sizes:
        number = np.asarray(producer.attributes.get("value", np.zeros(1, np.float32)))
        return number.reshape((1,) * len(sizes)), sizes
    raise node.refused(
        f"the value {name!r}, with which a state of it begins, is computed from the signal; a stream begins before it has one. "
        "Export the loop with a constant one, or with its states as inputs and outputs"
    )


def depending(graph: Graph) -> set[str]:
    """The values of a graph that depend on its inputs by more than their sizes."""
    found = {entry.name for entry in graph.inputs}
    for node in graph.nodes:
        if not found.isdisjoint(node.reads):
            found.update(filter(None, node.outputs))
    return found


def _named_inside(body: Graph, nodes: Sequence[Node]) -> set[str]:
    """The names that a body gives, also within the branches of an If."""
    found = {*body.constants, *(name for node in nodes for name in node.outputs if name)}
    for node in nodes:
        for inner in node.attributes.values():
            if isinstance(inner, Graph):
                found |= _named_inside(inner, inner.nodes)
    return found


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    """A node with other names for the values that it reads and gives."""
    attributes = {
        key: _renamed_graph(value, names) if isinstance(value, Graph) else value for key, value in node.attributes.items()
    }
    inputs, outputs = (tuple(names.get(name, name) for name in each) for each in (node.inputs, node.outputs))
    return replace(node, inputs=inputs, outputs=outputs, attributes=attributes)


def _renamed_graph(graph: Graph, names: Mapping[str, str]) -> Graph:
    return replace(
        graph,
        nodes=tuple(_renamed(node, names) for node in graph.nodes),
        constants={names.get(name, name): array for name, array in graph.constants.items()},
        outputs=tuple(names.get(name, name) for name in graph.outputs),
        outside=tuple(names.get(name, name) for name in graph.outside),
    )
