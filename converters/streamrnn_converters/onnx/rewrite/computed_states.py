"""Recurrent nodes whose initial states are computed, as where an input can reset them: taken apart into what one step computes.

A layer keeps its states to itself. Where something happens to them on their way from step to step, they are what the graph
takes and gives, and the node is products, sums and functions.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from streamrnn_converters.onnx.carried.flow import MOVES
from streamrnn_converters.onnx.graph import Graph, Node, needed
from streamrnn_converters.onnx.recurrent_kinds import INITIAL_STATES, RECURRENT_KINDS
from streamrnn_converters.onnx.rewrite.moved_values import Moved

_BIAS, _LENGTHS = 3, 4  # inputs
_FUNCTIONS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
_UNDERSTOOD = {"activations", "direction", "hidden_size", "input_forget", "layout", "linear_before_reset"}


def without_computed_states(graph: Graph, carried: Collection[str]) -> tuple[Graph, list[str]]:
    """The graph with such nodes taken apart, and remarks. A node that does more than the usual equations is left as it is.

    carried  graph inputs that are states: a node whose states are computed of others begins with them, and goes on by itself
    """
    moved, computed = {entry.name for entry in graph.inputs}, set[str]()  # values that depend on graph inputs
    kept = set(carried)  # and those that depend on states
    values = Moved(graph)
    nodes: list[Node] = []
    constants: dict[str, NDArray[Any]] = {}
    remarks = []
    for node in graph.nodes:
        values.take(node)
        if node.op != "Shape" and not (moved | computed).isdisjoint(node.inputs):
            is_moved = node.op in MOVES and computed.isdisjoint(node.inputs)
            is_picked = all(values.is_moved(name) for name in node.outputs if name)
            (moved if is_moved or is_picked else computed).update(filter(None, node.outputs))
        if not kept.isdisjoint(node.inputs):
            kept.update(filter(None, node.outputs))
        if node.op in RECURRENT_KINDS and not (computed & kept).isdisjoint(_states_of(node)) and _is_usual(graph, node):
            step = _Step(graph, node, nodes, constants)
            step.give(_EQUATIONS[node.op](step))
            remarks.append(f"node {node.name!r} ({node.op}) was taken apart: its initial states are computed at every step")
        else:
            nodes.append(node)
    if not remarks:
        return graph, []
    return replace(graph, nodes=needed(nodes, graph.outputs), constants=graph.constants | constants), remarks


def _states_of(node: Node) -> tuple[str, ...]:
    return node.inputs[INITIAL_STATES : INITIAL_STATES + len(RECURRENT_KINDS[node.op].states)]


def _is_usual(graph: Graph, node: Node) -> bool:
    own, states = node.attributes, _states_of(node)
    weights = [graph.constants.get(name) for name in node.inputs[1 : _BIAS + 1] if name]
    return (
        set(own) <= _UNDERSTOOD
        and own.get("activations", _FUNCTIONS[node.op]) == _FUNCTIONS[node.op]
        and (own.get("direction", "forward"), own.get("layout", 0), own.get("input_forget", 0)) == ("forward", 0, 0)
        and all(states)
        and len(states) == len(RECURRENT_KINDS[node.op].states)
        and not any((*node.inputs[_LENGTHS:INITIAL_STATES], *node.inputs[INITIAL_STATES + len(states) :]))
        and all(array is not None and array.dtype.kind == "f" and array.ndim in (2, 3) and len(array) == 1 for array in weights)
    )


class _Step:
    """The nodes of one step in place of a recurrent node: values of the shape (batch, hidden)."""

    def __init__(self, graph: Graph, node: Node, nodes: list[Node], constants: dict[str, NDArray[Any]]) -> None:
        self._node, self._nodes, self._constants = node, nodes, constants
        self._prefix, self._n = next(filter(None, node.outputs)), 0
        self._arrays = {key: graph.constants[name][0] for key, name in zip("WRB", node.inputs[1:], strict=False) if name}
        self.x = self.of("Squeeze", node.inputs[0], axes=[0])
        self.states = [self.of("Squeeze", name, axes=[0]) for name in _states_of(node)]
        self.reset_after = bool(node.attributes.get("linear_before_reset", 0))

    def of(self, op: str, *inputs: str, **attributes: object) -> str:
        """A node; the name of its output."""
        self._n += 1
        name = f"{self._prefix}.{self._n}"
        self._nodes.append(Node(f"{self._node.name}.{op}.{self._n}", op, inputs, (name,), dict(attributes)))
        return name

    def constant(self, key: str, array: NDArray[Any]) -> str:
        """A constant; its name."""
        name = f"{self._prefix}.{key}"
        self._constants[name] = array
        return name

    def product(self, weights: str, gate: int, value: str) -> str:
        """W x or R h of a gate, with its bias."""
        matrix = self._arrays[weights]
        hidden = self._arrays["R"].shape[1]
        rows = slice(gate * hidden, (gate + 1) * hidden)
        whole = self.of("MatMul", value, self.constant(f"{weights}{gate}", matrix[rows].T.copy()))
        if "B" not in self._arrays:
            return whole
        start = len(matrix) * (weights == "R")
        return self.of("Add", whole, self.constant(f"{weights}b{gate}", self._arrays["B"][start:][rows].copy()))

    def gate(self, gate: int, function: str) -> str:
        """function(W x + R h + b)."""
        total = self.of("Add", self.product("W", gate, self.x), self.product("R", gate, self.states[0]))
        return self.of(function, total)

    def give(self, ends: list[str]) -> None:
        """Give the states after the step as the node's outputs Y, Y_h and Y_c."""
        for output, value, axes in zip(self._node.outputs, (ends[0], *ends), ([0, 1], [0], [0]), strict=False):
            if output:
                self._nodes.append(Node(f"{self._node.name}.{output}", "Unsqueeze", (value,), (output,), {"axes": axes}))


def _lstm(step: _Step) -> list[str]:
    """Gates in ONNX's order: i, o, f, g."""
    i, o, f = (step.gate(k, "Sigmoid") for k in range(3))
    new, kept = step.of("Mul", i, step.gate(3, "Tanh")), step.of("Mul", f, step.states[1])
    c = step.of("Add", kept, new)
    return [step.of("Mul", o, step.of("Tanh", c)), c]


def _gru(step: _Step) -> list[str]:
    """Gates in ONNX's order: z, r, n."""
    z, r, h = step.gate(0, "Sigmoid"), step.gate(1, "Sigmoid"), step.states[0]
    if step.reset_after:
        of_h = step.of("Mul", r, step.product("R", 2, h))
    else:
        of_h = step.product("R", 2, step.of("Mul", r, h))
    n = step.of("Tanh", step.of("Add", step.product("W", 2, step.x), of_h))
    return [step.of("Add", n, step.of("Mul", z, step.of("Sub", h, n)))]


def _rnn(step: _Step) -> list[str]:
    return [step.gate(0, "Tanh")]


_EQUATIONS: dict[str, Callable[[_Step], list[str]]] = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}
