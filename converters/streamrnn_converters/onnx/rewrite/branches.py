"""If nodes whose condition is decided by constants and by the declared shapes of graph inputs: the branch that is taken."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Graph, Node, needed
from streamrnn_converters.onnx.rewrite.folding import folded


def without_branches(graph: Graph) -> Graph:
    """The graph with the nodes of the branches that are taken. Raises ConversionError where a signal decides."""
    if not any(node.op == "If" for node in graph.nodes):
        return graph
    nodes, constants, shapes = list(graph.nodes), dict(graph.constants), _shapes(graph)
    taken = {name for node in nodes for name in node.outputs} | {entry.name for entry in graph.inputs} | set(constants)
    while any(node.op == "If" for node in nodes):
        index = next(k for k, node in enumerate(nodes) if node.op == "If")
        node = nodes[index]
        condition = folded(replace(graph, nodes=tuple(nodes[:index]), constants=constants | shapes)).constants.get(
            node.inputs[0]
        )
        if condition is None or condition.size != 1:
            raise node.refused(
                "its condition is not decided by constants and the declared shapes of graph inputs; fix an input that decides, "
                "by constants={'sr': 16000}, or export the model with fixed sizes, or without the choice"
            )
        branch = node.attributes["then_branch" if condition.ravel()[0] else "else_branch"]
        if not isinstance(branch, Graph) or len(branch.outputs) < len(node.outputs):
            raise node.refused("lacks a branch, or outputs of it; export the model again")
        inside = {*branch.constants, *(name for inner in branch.nodes for name in inner.outputs if name)}
        if again := sorted(inside & taken):
            raise node.refused(f"its branch gives {again[0]!r}, which the graph around it gives too; export it again")
        taken |= inside
        ends = [
            Node(f"{node.name}.{k}", "Identity", (inner,), (outer,))
            for k, (inner, outer) in enumerate(zip(branch.outputs, node.outputs, strict=False))
            if outer
        ]
        nodes[index : index + 1] = [*branch.nodes, *ends]
        constants |= branch.constants
    return replace(graph, nodes=needed(nodes, graph.outputs), constants=constants)


def _shapes(graph: Graph) -> dict[str, NDArray[Any]]:
    """What Shape nodes give of graph inputs whose sizes are all declared."""
    sizes = {entry.name: entry.sizes for entry in graph.inputs}
    given = {}
    for node in graph.nodes:
        known = sizes.get(node.inputs[0]) if node.op == "Shape" else None
        if known and None not in known:
            begin, end = node.attributes.get("start", 0), node.attributes.get("end")
            given[node.outputs[0]] = np.array(known[slice(begin, end)], np.int64)
    return given
