"""Gemm nodes whose C is computed from the signal, as exporters fuse a product and a sum: taken apart again."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Graph, Node


def without_gemm_sums(graph: Graph) -> Graph:
    """The graph with alpha A B + beta C as a product and a sum, where C is no constant."""
    constants: dict[str, NDArray[Any]] = {}
    nodes = [each for node in graph.nodes for each in _apart(graph, node, constants)]
    return replace(graph, nodes=tuple(nodes), constants=graph.constants | constants)


def _apart(graph: Graph, node: Node, constants: dict[str, NDArray[Any]]) -> Iterator[Node]:
    added = node.inputs[2] if node.op == "Gemm" and len(node.inputs) > 2 else ""
    if not added or added in graph.constants:
        yield node
        return
    attributes = dict(node.attributes)
    beta, (end,) = attributes.pop("beta", 1.0), node.outputs
    yield Node(node.name, "Gemm", node.inputs[:2], (f"{end}.product",), attributes)
    if beta != 1:
        constants[f"{end}.beta"] = np.array(beta, np.float32)
        yield Node(f"{node.name}.Mul", "Mul", (added, f"{end}.beta"), (f"{end}.scaled",))
        added = f"{end}.scaled"
    yield Node(f"{node.name}.Add", "Add", (added, f"{end}.product"), (end,))
