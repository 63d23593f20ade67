"""A loop over the steps of a signal that an exporter unrolled, as what it computes in one step (`repeated_steps`)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Graph, Input, Kept, Node
from streamrnn_converters.onnx.own_nodes import LAST, ROW, STEPS
from streamrnn_converters.onnx.rewrite.lifting import in_order
from streamrnn_converters.onnx.rewrite.one_step import initial_of
from streamrnn_converters.onnx.rewrite.repeated_steps import RepeatedSteps, initial_array, repeated_steps


def rolled_up(graph: Graph, dtype: str) -> tuple[Graph, list[str]]:
    """The graph with one step of such a loop, and a remark; as it is where there is none, or where its states begin with
    something that is computed from the signal.
    """
    loop = repeated_steps(graph)
    try:
        rolled = None if loop is None else _Rolling(graph, loop, dtype).graph()
    except ConversionError:
        return graph, []
    if loop is None or rolled is None:
        return graph, []
    return rolled, [f"{loop.n_steps} steps of a loop were recognised as a cell of its own"]


class _Rolling:
    def __init__(self, graph: Graph, loop: RepeatedSteps, dtype: str) -> None:
        self._graph, self._loop, self._dtype = graph, loop, dtype
        self._prefix = next(iter(loop.states)) + "/"
        self._constants: dict[str, NDArray[Any]] = {}
        self._nodes: list[Node] = []

    def graph(self) -> Graph:
        """The graph, its nodes in order."""
        loop, graph = self._loop, self._graph
        names = {name: self._prefix + name for name in (*loop.rows, *loop.states)}
        sequences = {key: self._whole(*key) for key in dict.fromkeys(loop.rows.values())}
        for name, key in loop.rows.items():
            self._add(ROW, [sequences[key]], names[name], axis=key[1])
        (whole, axis) = next((sequences[key], key[1]) for key in sequences)
        inputs, kept = [], []
        for name, (following, initial) in loop.states.items():
            before, after = names[name], names[name] + ".after"
            array = initial_array(graph, initial)
            begun = initial_of(graph, loop.nodes[0], initial, ()) if array is None else (array, array.shape)
            if begun is None:
                self._add("Identity", [initial], before)
                kept.append(Kept(before, names.get(following, following), None))
                continue
            kind = "int64" if begun[0].dtype.kind in "iu" else self._dtype
            inputs.append(Input(before, begun[1], kind))
            kept.append(Kept(before, after, begun[0]))
            self._add("Identity", [names.get(following, following)], after)
        self._nodes += [replace(node, inputs=tuple(names.get(name, name) for name in node.inputs)) for node in loop.nodes]
        replaced = dict[str, str]()
        for output, (value, place) in loop.given.items():
            row = self._add("Squeeze", [names.get(value, value), self._number([place])], f"{self._prefix}{output}.row")
            replaced[output] = self._add(STEPS, [row, whole], f"{self._prefix}{output}", axis=place, of=axis)
        for name, value in loop.last.items():
            replaced[name] = self._add(LAST, [names.get(value, value)], f"{self._prefix}{name}.last")
        pattern = {id(node) for node in loop.nodes}
        others = [self._reading(node, replaced) for node in graph.nodes if id(node) not in pattern]
        ends = [Node(name, "Identity", (replaced[name],), (name,)) for name in graph.outputs if name in replaced]
        taken = {name for node in (*ends, *self._nodes) for name in node.outputs}
        others = [node for node in others if taken.isdisjoint(node.outputs)]
        outputs = (*graph.outputs, *(each.after for each in kept if each.initial is not None))
        return replace(
            graph,
            inputs=(*graph.inputs, *inputs),
            outputs=outputs,
            nodes=in_order([*others, *self._nodes, *ends], outputs),
            constants=graph.constants | self._constants,
            kept=(*graph.kept, *kept),
        )

    def _whole(self, sequence: str, axis: int) -> str:
        """A sequence for so many steps: a Slice is refused where it has more. An exporter may have fixed a size that was
        open.
        """
        name = f"{self._prefix}{sequence}.{axis}"
        if any(None in entry.sizes for entry in self._graph.inputs):
            return sequence
        bounds = [self._number(value) for value in ([0], [self._loop.n_steps], [axis])]
        return self._add("Slice", [sequence, *bounds], name)

    def _reading(self, node: Node, replaced: Mapping[str, str]) -> Node:
        """A node after the loop, with what now stands for the values of the loop."""
        inputs = tuple(replaced.get(name, name) for name in node.inputs)
        return node if inputs == node.inputs else replace(node, inputs=inputs)

    def _add(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self._nodes.append(Node(f"{output} (rolled up)", op, tuple(inputs), (output,), dict(attributes)))
        return output

    def _number(self, value: list[int]) -> str:
        name = f"{self._prefix}{value}"
        self._constants[name] = np.array(value)
        return name
