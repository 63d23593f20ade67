"""If nodes whose condition is decided by constants and by sizes that follow from declared ones: the branch that is taken."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.helper import make_tensor_value_info, np_dtype_to_tensor_dtype

from streamrnn_converters.onnx.graph import Graph, Node, needed
from streamrnn_converters.onnx.own_nodes import LAST, ROW, STEPS
from streamrnn_converters.onnx.parse.nodes import sizes_of
from streamrnn_converters.onnx.rewrite.folding import folded

_MOST_CHOICES = 200  # for each, the nodes before it are looked at
_FIRST = "the first row"  # the name of an index
_MOST_SIZES = 1000  # values of a constant that may tell sizes


def without_branches(graph: Graph) -> Graph:
    """The graph with the nodes of the branches that are taken. Raises ConversionError where a signal decides."""
    if not any(node.op == "If" for node in graph.nodes):
        return graph
    nodes, constants = list(graph.nodes), dict(graph.constants)
    taken = {name for node in nodes for name in node.outputs} | {entry.name for entry in graph.inputs} | set(constants)
    n_choices = 0
    while any(node.op == "If" for node in nodes):
        index = next(k for k, node in enumerate(nodes) if node.op == "If")
        node = nodes[index]
        n_choices += 1
        if n_choices > _MOST_CHOICES:
            raise node.refused(f"comes after {_MOST_CHOICES} other choices; more are not decided, export without them")
        condition = _decided(replace(graph, nodes=tuple(nodes[:index]), constants=constants), node.inputs[0])
        if condition is None or condition.size != 1:
            raise node.refused(
                "its condition is not decided by constants and the declared shapes of graph inputs; fix an input that decides, "
                f"by constants={{'sr': 16000}},{_open_sizes(graph)} or export the model with fixed sizes, or without the choice"
            )
        branch = node.attributes.get("then_branch" if condition.ravel()[0] else "else_branch")
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


def _decided(graph: Graph, condition: str) -> NDArray[Any] | None:
    """The value of a condition after the nodes of a graph, as far as constants and sizes tell it."""
    known = folded(replace(graph, constants=graph.constants | _shapes(graph, {})))
    return (known if condition in known.constants else with_known_sizes(known)).constants.get(condition)


def with_known_sizes(graph: Graph) -> Graph:
    """The graph with what its nodes make of constants and of sizes that follow from declared ones as constants."""
    inferred = inferred_sizes(graph)
    return folded(replace(graph, constants=graph.constants | _shapes(graph, inferred))) if inferred else graph


def _shapes(graph: Graph, inferred: Mapping[str, tuple[int | None, ...]]) -> dict[str, NDArray[Any]]:
    """What Shape nodes, and Gather nodes after them, give of sizes that are all known: of graph inputs, and inferred ones."""
    sizes = {entry.name: entry.sizes for entry in graph.inputs} | dict(inferred)
    found: dict[str, NDArray[Any]] = {}
    for node in graph.nodes:
        if node.op == "Shape" and node.inputs[0] in sizes:
            begin, end = node.attributes.get("start", 0), node.attributes.get("end")
            found[node.outputs[0]] = np.array(sizes[node.inputs[0]][slice(begin, end)], object)
        elif node.op == "Gather" and node.inputs[0] in found and node.inputs[1] in graph.constants:
            shape, index = found[node.inputs[0]], graph.constants[node.inputs[1]]
            if index.dtype.kind == "i" and shape.ndim and ((index >= -len(shape)) & (index < len(shape))).all():
                found[node.outputs[0]] = np.array(shape[index], object)
    return {name: values.astype(np.int64) for name, values in found.items() if None not in values.ravel().tolist()}


def inferred_sizes(graph: Graph) -> dict[str, tuple[int | None, ...]]:
    """The sizes of what nodes give, by ONNX's inference; {} where it fails."""
    inputs = [(entry.name, np.dtype(entry.type), entry.sizes) for entry in graph.inputs]
    small = {name for name, array in graph.constants.items() if array.dtype.kind in "biu" and array.size <= _MOST_SIZES}
    inputs += [(name, array.dtype, array.shape) for name, array in graph.constants.items() if name not in small]
    try:
        model = onnx.helper.make_model(
            onnx.helper.make_graph(
                [
                    _proto(node)
                    for node in graph.nodes
                    if node.op != STEPS and not graph.constants.keys() >= set(filter(None, node.outputs))
                ],
                "sizes",
                [make_tensor_value_info(name, np_dtype_to_tensor_dtype(dtype), sizes) for name, dtype, sizes in inputs],
                [],
                [onnx.numpy_helper.from_array(graph.constants[name], name) for name in small]
                + [onnx.numpy_helper.from_array(np.array(0), _FIRST)],
            ),
            opset_imports=[onnx.helper.make_opsetid("", graph.opset)],
        )
        found = onnx.shape_inference.infer_shapes(model).graph.value_info
    except Exception:  # nodes that do not fit their operators are refused where they are imported
        return {}
    return {info.name: sizes_of(info) for info in found if info.type.tensor_type.HasField("shape")}


def _proto(node: Node) -> onnx.NodeProto:
    """The node as ONNX has it; for one of the importer's own another that gives the same sizes."""
    if node.op == ROW:
        return onnx.helper.make_node("Gather", [node.inputs[0], _FIRST], node.outputs, node.name, axis=node.attributes["axis"])
    if node.op == LAST:
        return onnx.helper.make_node("Identity", node.inputs, node.outputs, node.name)
    attributes = {
        name: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
        if not isinstance(value, Graph)
    }
    return onnx.helper.make_node(node.op, node.inputs, node.outputs, node.name, **attributes)


def _open_sizes(graph: Graph) -> str:
    """How to fix the sizes that the graph leaves open, where they have names."""
    names = dict.fromkeys(name for entry in graph.inputs for name in entry.open_sizes)
    return f" fix the open sizes {', '.join(map(repr, names))} in the same way," if names else ""
