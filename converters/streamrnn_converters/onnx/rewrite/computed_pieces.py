"""Pieces of a vector whose ends a graph computes from the vector's own size, as torch's older exporter writes `chunk`.

The weights tell that size. With the pieces known, a cell that was taken apart is recognised. Casts to the type that a value has
already, which stand between them, count as nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from streamrnn_converters.onnx.graph import Graph, Node, needed
from streamrnn_converters.onnx.precision import FLOATS
from streamrnn_converters.onnx.rewrite.folding import folded

_SAME = frozenset({"Cast", "Identity", "Relu", "Sigmoid", "Slice", "Tanh", "Transpose"})
_MEETS = frozenset({"Add", "Div", "Mul", "Sub"})


@dataclass(frozen=True)
class _Vectors:
    """What is known of a value of floats: how many axes it has, and the size of the last one, None where that is open."""

    rank: int
    width: int | None


def with_known_pieces(graph: Graph) -> Graph:
    """The graph with the sizes of vectors, and what is computed of them, as constants. What is not known stays as it is."""
    producers = {name: node for node in graph.nodes for name in node.outputs}
    known = {
        entry.name: _Vectors(len(entry.sizes), entry.sizes[-1])
        for entry in graph.inputs
        if not entry.is_integer and entry.sizes
    }
    known |= {name: _Vectors(w.ndim, w.shape[-1]) for name, w in graph.constants.items() if w.ndim and w.dtype.kind == "f"}
    constants, shapes, nodes = dict(graph.constants), dict[str, _Vectors](), []
    same: dict[str, str] = {}  # by the output of a Cast that counts as nothing: what it casts
    for node in graph.nodes:
        node = replace(node, inputs=tuple(same.get(name, name) for name in node.inputs))
        source = node.inputs[0] if node.inputs else ""
        if node.op == "Shape" and not node.attributes and source in known:
            shapes[node.outputs[0]] = known[source]
        elif node.op == "Gather" and source in shapes and len(node.inputs) == 2:
            index, own = constants.get(node.inputs[1]), shapes[source]
            last = index is not None and index.dtype.kind in "iu" and index.size == 1 and index.item() in (-1, own.rank - 1)
            if index is not None and last and own.width is not None:
                constants[node.outputs[0]] = np.full(index.shape, own.width, np.int64)
        elif (found := _given(graph, producers, node, known)) is not None:
            known[node.outputs[0]] = found
            if node.op == "Cast":
                same[node.outputs[0]] = node.inputs[0]
                node = replace(node, op="Identity", attributes={})
        nodes.append(node)
    if len(constants) == len(graph.constants):
        return graph
    whole = folded(replace(graph, nodes=tuple(nodes), constants=constants))
    left = [node for node in nodes if not whole.constants.keys() >= set(node.outputs)]
    return replace(whole, nodes=needed(left, graph.outputs))


def _given(graph: Graph, producers: Mapping[str, Node], node: Node, known: Mapping[str, _Vectors]) -> _Vectors | None:
    """What is known of the output of a node."""
    own = known.get(node.inputs[0]) if node.inputs else None
    if node.op == "ConstantOfShape" and node.inputs:
        rank = _length(graph, producers, node.inputs[0])
        return None if rank is None else _Vectors(rank, None)
    if own is None:
        return None
    if node.op == "Cast" and node.attributes.get("to") not in FLOATS:
        return None
    if node.op in _SAME:
        return replace(own, width=None) if node.op in ("Slice", "Transpose") else own
    if node.op == "Gather" and len(node.inputs) == 2:
        index, axis = graph.constants.get(node.inputs[1]), node.attributes.get("axis", 0)
        return _Vectors(own.rank - 1, own.width) if index is not None and not index.ndim and 0 <= axis < own.rank - 1 else None
    other = known.get(node.inputs[1]) if len(node.inputs) == 2 else None
    if other is None:
        return None
    if node.op == "MatMul":
        weights = graph.constants.get(node.inputs[1])
        return _Vectors(own.rank, other.width) if weights is not None and weights.ndim == 2 else None
    if node.op in _MEETS:
        widths = {own.width, other.width}
        wide = widths - {None, 1}
        width = wide.pop() if len(wide) == 1 else 1 if widths == {1} else None
        return _Vectors(max(own.rank, other.rank), width)
    return None


def _length(graph: Graph, producers: Mapping[str, Node], name: str) -> int | None:
    """How many numbers a shape has that is joined of constants and single sizes; None for another."""
    node = producers.get(name)
    if node is None or node.op != "Concat":
        return None
    count = 0
    for part in node.inputs:
        array, made_by = graph.constants.get(part), producers.get(part)
        if array is None and (made_by is None or made_by.op != "Unsqueeze"):
            return None
        count += 1 if array is None else array.size
    return count
