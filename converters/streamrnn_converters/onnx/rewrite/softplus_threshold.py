"""Softplus without its threshold: torch's newer exporter writes x instead of softplus(x) where x is above a threshold.

If the threshold is large enough, both are the same number there, so that softplus alone gives the same.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Graph, Node, needed

_Producers = Mapping[str, Node]


def without_threshold(graph: Graph, dtype: str) -> Graph:
    """The graph with softplus instead of each Where(b x > threshold, x, softplus(b x) / b) that gives the same in `dtype`."""
    producers = {name: node for node in graph.nodes for name in node.outputs}
    nodes = []
    for node in graph.nodes:
        kept = _kept(graph, producers, node, dtype) if node.op == "Where" and len(node.inputs) == 3 else ""
        nodes.append(replace(node, op="Identity", inputs=(kept,)) if kept else node)
    return replace(graph, nodes=needed(nodes, graph.outputs))


def _kept(graph: Graph, producers: _Producers, node: Node, dtype: str) -> str:
    """The value to use for a Where that guards a softplus; "" for another."""
    condition, linear, smooth = node.inputs
    above = producers.get(condition)
    if above is None or above.op != "Greater" or len(above.inputs) != 2:
        return ""
    scaled, threshold = above.inputs[0], _number(graph, above.inputs[1])
    softplus, beta = _scaled(graph, producers, smooth, "Div")
    x, factor = _scaled(graph, producers, scaled, "Mul") if beta != 1 else (scaled, 1.0)
    inner = producers.get(softplus)
    if inner is None or inner.op != "Softplus" or inner.inputs != (scaled,) or (x, factor) != (linear, beta):
        return ""
    return smooth if threshold is not None and _is_the_same_from(threshold, np.dtype(dtype).type) else ""


def _scaled(graph: Graph, producers: _Producers, name: str, op: str) -> tuple[str, float]:
    """Of a value times or by a constant: the value and the constant; else the value itself and 1."""
    node = producers.get(name)
    if node is None or node.op != op or len(node.inputs) != 2:
        return name, 1.0
    number = _number(graph, node.inputs[1])
    return (name, 1.0) if number is None else (node.inputs[0], number)


def _number(graph: Graph, name: str) -> float | None:
    array: NDArray[np.floating] | None = graph.constants.get(name)
    return float(array.ravel()[0]) if array is not None and array.size == 1 and array.dtype.kind == "f" else None


def _is_the_same_from(threshold: float, kind: type[np.floating]) -> bool:
    """Whether softplus(x) rounds to x from a threshold on."""
    return bool(threshold > 0 and np.log1p(np.exp(-threshold)) < np.spacing(kind(threshold)) / 2)
