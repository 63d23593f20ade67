"""Cells that an exporter took apart become recurrent nodes again, and a loop that it unrolled becomes one node over time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Graph, Node
from streamrnn_converters.onnx.rewrite.cell import Cell
from streamrnn_converters.onnx.rewrite.cells import cells
from streamrnn_converters.onnx.rewrite.linear import Forms
from streamrnn_converters.onnx.rewrite.recurrences import Recurrences
from streamrnn_converters.onnx.rewrite.unrolled_steps import Row


class Lifted(NamedTuple):
    """A graph in which cells became recurrent nodes."""

    graph: Graph
    remarks: list[str]
    alone: bool = False  # whether one of them is the first step of a loop whose other steps were not recognised


def lift(graph: Graph, dtype: str, carried: Mapping[str, str] = MappingProxyType({})) -> Lifted:
    """The graph with recurrent nodes instead of the nodes that compute the same.

    What is not recognised stays as it is. The weights of the new nodes are of the type `dtype`.

    carried  graph inputs that are states, and the output that gives each back, "" where that is not known
    """
    forms = Forms(graph, carried=carried)
    found = list(cells(forms))
    if not found:
        return Lifted(graph, [])
    rewriting = _Rewriting(graph, forms, dtype)
    for chain in _chains(found):
        rewriting.put(chain)
    changed = rewriting.remarks or rewriting.alone
    return Lifted(rewriting.graph() if changed else graph, rewriting.remarks, rewriting.alone)


def _chains(found: Sequence[Cell]) -> list[list[Cell]]:
    """Cells of the same weights that hand each other their states, as those of an unrolled loop do."""
    chains: dict[str, list[Cell]] = {}  # by the output of the last cell
    for cell in found:
        chain = chains.pop(cell.h, None) if cell.h in chains and _follows(chains[cell.h], cell) else None
        chains[cell.output] = [*(chain or []), cell]
    return list(chains.values())


def _follows(chain: list[Cell], cell: Cell) -> bool:
    last = chain[-1]
    return (last.op, last.memory, last.attributes) == (cell.op, cell.c, cell.attributes) and _same_weights(last, cell)


def _same_weights(one: Cell, other: Cell) -> bool:
    """One of them may lack R, the first of a loop that begins with zeros, and with it the difference between two biases."""
    return all(
        a is None or b is None or (a.shape == b.shape and _close(a, b))
        for a, b in ((one.weights[name], other.weights[name]) for name in ("W", "R", "B"))
    )


def _close(a: NDArray[Any], b: NDArray[Any]) -> bool:
    with np.errstate(invalid="ignore"):  # infinite weights are refused later, by name
        return bool(np.abs(a).max() < np.inf and np.abs(a - b).max() <= 1e-6 * max(1.0, np.abs(a).max()))


class _Rewriting:
    """Replaces the nodes that give some values by recurrent nodes."""

    def __init__(self, graph: Graph, forms: Forms, dtype: str) -> None:
        self._graph, self._forms, self._made = graph, forms, Recurrences(dtype)
        self._graph_names = {*graph.constants, *(entry.name for entry in graph.inputs), *forms.producers}
        self._taken = forms.rows.taken()
        self.remarks: list[str] = []
        self.alone = False
        self._sequences: dict[tuple[str, ...], str] = {}  # outputs of a chain -> name of all of them, time first

    def put(self, chain: list[Cell]) -> None:
        """Add a recurrent node for a chain; nothing where it is not understood which steps it runs over."""
        last = chain[-1]
        if last.weights["R"] is None or last.weights["W"] is None:
            return
        pairs = (chain[0].h, last.output), (chain[0].c, last.memory)
        if not all(self._returns(*pair) for pair in pairs) or (len(chain) == 1 and not all(self._begins(h) for h, _ in pairs)):
            return
        signal = self._signal(chain)
        if signal is None:
            return
        name, first = f"{last.output}.lifted", chain[0]
        states = [self._state(first, first.h, f"{name}.h0")]
        if last.op == "LSTM":
            states.append(self._state(first, first.c, f"{name}.c0"))
        whole, *ends = self._made.put(name, last, signal, states)
        self._sequences[tuple(cell.output for cell in chain)] = whole
        if len(chain) == 1 and self._is_one_of_many(first):
            self.alone = True
        else:
            what = f"{len(chain)} steps of a loop" if len(chain) > 1 else "nodes"
            self.remarks.append(f"{what} that compute the value {last.output!r} were recognised as one {last.op}")
        for step, cell in enumerate(chain[:-1]):
            row = f"{cell.output}.row" if last.leads else cell.output
            self._made.add("Gather", [whole, self._made.number(step)], row, axis=0)
            if last.leads:
                self._made.add("Unsqueeze", [row], cell.output, axes=[0])
        for end, value in zip(ends, (last.output, last.memory), strict=False):
            if last.leads:
                self._made.add("Identity", [end], value)
            else:
                self._made.add("Squeeze", [end], value, axes=[0])

    def graph(self) -> Graph:
        """The graph with the new nodes, each after those that it reads."""
        made = {name for node in self._made.nodes for name in node.outputs}
        kept = [node for node in self._graph.nodes if not made & set(node.outputs)]
        nodes = [self._stack(node) for node in kept] + self._made.nodes
        constants = self._graph.constants | self._made.constants
        return replace(self._graph, nodes=in_order(nodes, self._graph.outputs), constants=constants)

    def _is_one_of_many(self, cell: Cell) -> bool:
        """Whether a step that begins with constants takes one of several rows that are taken: the others do something else."""
        row = self._forms.row(cell.x)
        constant = all(not state or self._forms.rows.constant(state) is not None for state in (cell.h, cell.c))
        return constant and row is not None and len(self._taken.get((row.sequence, row.axis), ())) > 1

    def _signal(self, chain: list[Cell]) -> str | None:
        """The name of X, time first."""
        name = f"{chain[0].output}.lifted.X"
        rows = [self._forms.row(cell.x) for cell in chain]
        if len(chain) == 1:
            x, row = chain[0].x, rows[0]
            if x not in self._graph_names and row is not None:
                x = f"{name}.row"
                self._made.add("Gather", [row.sequence, self._made.number(row.step)], x, axis=row.axis)
            self._made.add("Unsqueeze", [x], name, axes=[0])
            return name
        for outputs, whole in self._sequences.items():
            if outputs == tuple(cell.x for cell in chain):
                return whole
        if rows[0] is None or any(row != replace(rows[0], step=step) for step, row in enumerate(rows)):
            return None
        whole = name if rows[0].axis == 0 else f"{name}.whole"
        self._take_all(rows[0], len(rows), whole)
        if rows[0].axis == 1:
            self._made.add("Transpose", [whole], name, perm=[1, 0, 2])
        return name

    def _take_all(self, first: Row, n_steps: int, whole: str) -> None:
        """Take a sequence for one of so many steps; where there are more, this is refused when its axes are known."""
        if any(None in entry.sizes for entry in self._graph.inputs):  # an exporter may have fixed a size that was to be open
            sizes = [n_steps if axis == first.axis else 0 for axis in range(3)]
            self._made.add("Reshape", [first.sequence, self._made.number(sizes)], whole)
        else:
            bounds = [self._made.number(value) for value in ([0], [n_steps], [first.axis])]
            self._made.add("Slice", [first.sequence, *bounds], whole)

    def _returns(self, state: str, end: str) -> bool:
        """Whether a state goes back to where it came from, as far as that is known."""
        name, outputs = self._forms.brings(state) if state else "", self._forms.outputs.get(end, ())
        if name not in self._forms.carried:
            return True
        return self._forms.carried[name] in outputs if self._forms.carried[name] else bool(outputs)

    def _begins(self, state: str) -> bool:
        """Whether a value may begin the state of a layer: not where the graph computes it at every step."""
        return not state or self._forms.brings(state) != "" or self._forms.rows.constant(state) is not None

    def _state(self, cell: Cell, name: str, lifted: str) -> str:
        """The name of an initial state with the axis of directions; "" for zeros."""
        array = self._forms.rows.constant(name) if name else np.zeros(0)
        if array is not None and not array.any():
            return ""
        if cell.leads:
            return name
        return self._made.add("Unsqueeze", [name], lifted, axes=[0])

    def _stack(self, node: Node) -> Node:
        """A Concat of all steps of a chain, as the chain's output."""
        if node.op != "Concat" or node.attributes.get("axis") not in (0, 1):
            return node
        axis = node.attributes["axis"]
        rows = tuple(self._unsqueezed(name, axis) for name in node.inputs)
        whole = self._sequences.get(rows)
        if whole is None:
            return node
        if axis == 0:
            return Node(node.name, "Identity", (whole,), node.outputs)
        return Node(node.name, "Transpose", (whole,), node.outputs, {"perm": [1, 0, 2]})

    def _unsqueezed(self, name: str, axis: int) -> str:
        """The row to which an axis was added before a Concat joins it; "" for another value."""
        node = self._forms.producers.get(name)
        if axis == 0 and self._forms.leads(name) and node is not None and node.op != "Unsqueeze":
            return name
        return node.inputs[0] if node is not None and node.op == "Unsqueeze" and self._forms.rows.axes(node) == [axis] else ""


def in_order(nodes: Iterable[Node], outputs: Iterable[str]) -> tuple[Node, ...]:
    """The nodes that the outputs need, each after those that it reads."""
    producers = {name: node for node in nodes for name in node.outputs if name}
    ordered: dict[int, Node] = {}
    waiting = [(name, False) for name in reversed(list(outputs))]
    while waiting:
        name, is_ready = waiting.pop()
        node = producers.get(name)
        if node is None or id(node) in ordered:
            continue
        if is_ready:
            ordered[id(node)] = node
        else:
            waiting.append((name, True))
            waiting += [(read, False) for read in reversed(node.inputs) if read]
    return tuple(ordered.values())
