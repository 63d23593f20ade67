"""Row numbers that a graph counts from the end of a table where they are negative, as Keras 3 writes an embedding.

For the rows that a table has they are what came in, and Gather itself counts negative ones from the end.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from streamrnn_converters.onnx.graph import Graph, Node, needed
from streamrnn_converters.onnx.rewrite.folding import folded

_VALUE_BY_VALUE = frozenset(
    {"Add", "And", "Cast", "Greater", "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Mul", "Not", "Or", "Sub", "Where"}
)
_LONGEST = 20  # nodes that wrap an index


def without_wrapping(graph: Graph) -> Graph:
    """The graph whose tables are read at a graph input itself, where what is computed of it are the same rows."""
    producers = {name: node for node in graph.nodes for name in node.outputs}
    nodes = []
    for node in graph.nodes:
        plain = _plain(graph, producers, node) if node.op == "Gather" and len(node.inputs) == 2 else ""
        nodes.append(replace(node, inputs=(node.inputs[0], plain)) if plain else node)
    return replace(graph, nodes=needed(nodes, graph.outputs))


def _plain(graph: Graph, producers: Mapping[str, Node], node: Node) -> str:
    """The graph input that gives the same rows of a table as the index that is made of it; "" if there is none."""
    table, index = graph.constants.get(node.inputs[0]), node.inputs[1]
    if table is None or not table.ndim or index not in producers:
        return ""
    way: dict[str, Node] = {}
    sources, waiting = set[str](), [index]
    while waiting:
        name = waiting.pop()
        array, made_by = graph.constants.get(name), producers.get(name)
        if made_by is None:
            if array is None:
                sources.add(name)
            elif array.size != 1:
                return ""
        elif name not in way:
            if made_by.op not in _VALUE_BY_VALUE or len(way) == _LONGEST:
                return ""
            way[name] = made_by
            waiting += made_by.inputs
    entries = [entry for entry in graph.inputs if {entry.name} == sources and entry.is_integer]
    if not entries:
        return ""
    rows = np.arange(-len(table), len(table))
    given = {entries[0].name: rows.astype(entries[0].type)}
    part = replace(
        graph, nodes=tuple(each for each in graph.nodes if each.outputs[0] in way), constants=graph.constants | given
    )
    found = folded(part).constants.get(index)
    same = (
        found is not None and found.shape == rows.shape and np.array_equal(np.mod(found, len(table)), np.mod(rows, len(table)))
    )
    return entries[0].name if same else ""
