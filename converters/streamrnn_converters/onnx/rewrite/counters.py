"""States of integers, as counters are: computed in floats, which are the same whole numbers up to 2**22.

What counts is computed by sums, products, comparisons and remainders, and is a float as soon as anything else reads it.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Graph, Node

_INTEGERS = ("int32", "int64")
_TO_INTEGER = (6, 7)  # of TensorProto's types
_COUNTING = {"Abs", "Add", "Concat", "Expand", "Flatten", "Identity", "Max", "Min", "Mul", "Neg", "Reshape", "Slice", "Squeeze"}
_COUNTING |= {"Sub", "Tile", "Transpose", "Unsqueeze", "Where", "Gather"}
_COMPARING = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"}
#: Operators whose further inputs are sizes, axes or indices.
_LED = {"Expand", "Gather", "Reshape", "Slice", "Squeeze", "Tile", "Unsqueeze"}


def with_counters(graph: Graph, states: Collection[str]) -> tuple[Graph, list[str]]:
    """The graph with its states of integers as floats, and a remark for each. As it is, where anything else reads them.

    states  graph inputs that are states

    Raises ConversionError where a loop does anything else with what it counts by.
    """
    counters = {entry.name: entry.type for entry in graph.inputs if entry.name in states and entry.type in _INTEGERS}
    if not counters:
        return graph, []
    dtype = next((entry.type for entry in graph.inputs if entry.type not in (*_INTEGERS, "bool")), "float32")
    widening = _Widening(graph, set(counters), dtype)
    nodes = [each for node in graph.nodes for each in widening.node(node)]
    if widening.is_lost:
        if own := sorted(graph.own_states.keys() & counters.keys()):
            raise ConversionError(
                f"the value {own[0]!r}, an integer that a loop counts with, is read by more than sums, products, comparisons "
                "and remainders, as where it is an index; a stream keeps floats: export the loop without"
            )
        return graph, []
    inputs = tuple(replace(entry, type=dtype, counts=entry.type) if entry.name in counters else entry for entry in graph.inputs)
    declared = {
        name: replace(end, type=dtype) if name in widening.counts and end.type else end for name, end in graph.declared.items()
    }
    remarks = [
        f"{'the value' if name in graph.own_states else 'graph input'} {name!r} is a state of {kind}; a stream keeps it as "
        f"{dtype}, which counts up to 2**22"
        for name, kind in counters.items()
    ]
    constants = graph.constants | widening.constants
    return replace(graph, inputs=inputs, nodes=tuple(nodes), declared=declared, constants=constants), remarks


class _Widening:
    """Makes floats of what depends on counters.

    counts   the values that are integers in the graph
    is_lost  whether a node reads one that is not understood to
    """

    def __init__(self, graph: Graph, counts: set[str], dtype: str) -> None:
        self._graph, self._dtype = graph, dtype
        self.counts, self.is_lost = counts, False
        self.constants: dict[str, NDArray[Any]] = {}

    def node(self, node: Node) -> list[Node]:
        """What stands in the place of a node."""
        if self.counts.isdisjoint(node.inputs):
            return [node]
        attributes = dict(node.attributes)
        if node.op == "Cast":
            if attributes.get("to") not in _TO_INTEGER:
                return [node]
            self.counts.update(node.outputs)
            return [Node(node.name, "Identity", node.inputs, node.outputs)]
        if node.op == "Mod" and not attributes.get("fmod") and node.inputs[0] in self.counts:
            return self._remainder(node)
        if node.op not in _COUNTING | _COMPARING or (node.op in _LED and node.inputs[0] not in self.counts):
            self.is_lost = True
            return [node]
        led = node.op in _LED
        reads = tuple(name if led and k else self._as_float(name, node, k) for k, name in enumerate(node.inputs))
        if node.op in _COUNTING:
            self.counts.update(filter(None, node.outputs))
        return [Node(node.name, node.op, reads, node.outputs, attributes)]

    def _as_float(self, name: str, node: Node, place: int) -> str:
        """A value beside a counter: a constant of integers as floats; the condition of a Where as it is."""
        if not name or name in self.counts or (node.op == "Where" and not place):
            return name
        array = self._graph.constants.get(name)
        if array is None or array.dtype.kind not in "iu":
            self.is_lost = True
            return name
        return self._constant(f"{name}.counted", array)

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        self.constants[name] = np.asarray(array, self._dtype)
        return name

    def _remainder(self, node: Node) -> list[Node]:
        """a - b floor((a + 0.5) / b), for a constant b (Mod-13): the half keeps rounding from the next whole number."""
        a, b = node.inputs[0], self._as_float(node.inputs[1], node, 1)
        (end,) = node.outputs
        self.counts.add(end)
        if not self.is_lost and not (self.constants.get(b, np.zeros(1)) > 0).all():
            self.is_lost = True
        more, quotient, whole, product = (f"{end}.{part}" for part in ("more", "quotient", "whole", "product"))
        half = self._constant(f"{end}.half", np.array(0.5))
        return [
            Node(f"{node.name}.Add", "Add", (a, half), (more,)),
            Node(f"{node.name}.Div", "Div", (more, b), (quotient,)),
            Node(f"{node.name}.Floor", "Floor", (quotient,), (whole,)),
            Node(f"{node.name}.Mul", "Mul", (whole, b), (product,)),
            Node(node.name, "Sub", (a, product), (end,)),
        ]
