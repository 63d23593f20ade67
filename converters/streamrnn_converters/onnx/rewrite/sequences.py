"""Parts of a value that go through a list, as torch's unbind and split may be written: SplitToSequence, then SequenceAt."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Graph, Node, needed

Array = NDArray[Any]


def without_sequences(graph: Graph) -> Graph:
    """The graph whose entries of such lists are picked by Gather, or cut out by Slice, where their numbers are constants."""
    lists = {node.outputs[0]: node for node in graph.nodes if node.op == "SplitToSequence"}
    if not lists:
        return graph
    nodes, constants = list[Node](), dict(graph.constants)
    for node in graph.nodes:
        if node.op == "SequenceAt" and node.inputs[0] in lists:
            cut = lists[node.inputs[0]]
            with node.refusing():
                nodes.append(_entry(node, cut, constants))
        else:
            nodes.append(node)
    return replace(graph, nodes=needed(nodes, graph.outputs), constants=constants)


def _entry(node: Node, cut: Node, constants: dict[str, Array]) -> Node:
    """The node that gives one entry of a list itself. Adds the constants that it reads."""
    position = constants.get(node.inputs[1])
    if position is None:
        raise node.refused("which entry of the list it takes is computed from the signal; export the model with a constant one")
    index, axis = int(position.item()), cut.attributes.get("axis", 0)
    sizes = _sizes(cut, constants)
    if sizes is None:
        keeps = bool(cut.attributes.get("keepdims", 1))
        return _reading(node, "Gather", cut.inputs[0], {"index": np.array([index] if keeps else index)}, constants, axis=axis)
    if index < 0 or (sizes.ndim and index >= len(sizes)):
        raise node.refused(
            f"takes entry {index} of a list whose length it does not tell; take one that there is, from the front"
        )
    begin = int(sizes[:index].sum() if sizes.ndim else index * sizes)
    end = begin + int(sizes[index] if sizes.ndim else sizes)
    bounds = {"starts": np.array([begin]), "ends": np.array([end]), "axes": np.array([axis])}
    return _reading(node, "Slice", cut.inputs[0], bounds, constants)


def _sizes(cut: Node, constants: Mapping[str, Array]) -> Array | None:
    """The sizes of the entries, or the one size of all; None where each is a single index of the axis."""
    if len(cut.inputs) < 2 or not cut.inputs[1]:
        return None
    if cut.inputs[1] not in constants:
        raise cut.refused("the sizes of its parts are computed from the signal; export the model with constant ones")
    sizes = np.asarray(constants[cut.inputs[1]], np.int64)
    if not sizes.ndim and not cut.attributes.get("keepdims", 1):
        raise cut.refused("has one size for all parts, and keepdims=0, which ONNX ignores and onnxruntime does not; use Split")
    return sizes


def _reading(
    node: Node,
    op: str,
    source: str,
    read: Mapping[str, Array],
    constants: dict[str, Array],
    **attributes: int,
) -> Node:
    """The node that takes the place of one, and reads constants, which are named after what it gives."""
    names = {f"{node.outputs[0]}.{role}": array for role, array in read.items()}
    constants |= names
    return Node(node.name, op, (source, *names), node.outputs, dict(attributes))
