"""Convolutions over one axis that were written over two: TensorFlow inserts an axis of size 1 and takes it away again."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from streamrnn_converters.onnx.graph import Graph, Node, needed

_RANK, _SPATIAL = 4, 2  # batch, channels, and the two axes of windows
_AXES_AS_INPUT = 13  # the opset from which on Squeeze and Unsqueeze take them so
_PER_AXIS = ("dilations", "kernel_shape", "strides")


def with_flat_convolutions(graph: Graph) -> Graph:
    """The graph with Conv over (batch, channels, time) in place of one over these and an axis of size 1 that comes and goes."""
    producers = {name: node for node in graph.nodes for name in node.outputs}
    consumers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    nodes: list[Node] = []
    constants = dict(graph.constants)
    for node in graph.nodes:
        lone = _lone_axis(graph, producers, consumers, node) if node.op == "Conv" and len(node.inputs) > 1 else None
        if lone is None:
            nodes.append(node)
            continue
        name, place, attributes = node.outputs[0], lone - _SPATIAL, dict(node.attributes)
        x, w, y, axes = (f"{name}.{part}" for part in ("X", "W", "Y", "lone"))
        constants |= {axes: np.array([lone]), w: graph.constants[node.inputs[1]].squeeze(lone)}
        for key in set(_PER_AXIS) & attributes.keys():
            attributes[key] = [attributes[key][1 - place]]
        if "pads" in attributes:
            attributes["pads"] = attributes["pads"][1 - place :: _SPATIAL]
        read, own = ((axes,), {}) if graph.opset >= _AXES_AS_INPUT else ((), {"axes": [lone]})
        nodes += [
            Node(f"{node.name}.flat", "Squeeze", (node.inputs[0], *read), (x,), dict(own)),
            replace(node, inputs=(x, w, *node.inputs[2:]), outputs=(y,), attributes=attributes),
            Node(f"{node.name}.whole", "Unsqueeze", (y, *read), (name,), dict(own)),
        ]
    return replace(graph, nodes=needed(nodes, graph.outputs), constants=constants)


def _lone_axis(graph: Graph, producers: Mapping[str, Node], consumers: Mapping[str, list[Node]], node: Node) -> int | None:
    """The one of two axes of windows that comes and goes and that the convolution leaves as it is; None for others."""
    weights, given = graph.constants.get(node.inputs[1]), node.attributes
    pads = given.get("pads") or [0] * 2 * _SPATIAL
    lengths = [len(given[key]) for key in _PER_AXIS if key in given]
    if weights is None or weights.ndim != _RANK or len(pads) != 2 * _SPATIAL or set(lengths) - {_SPATIAL}:
        return None
    for axis in range(_SPATIAL, _RANK):
        place = axis - _SPATIAL
        windows = weights.shape[axis], (given.get("strides") or [1, 1])[place], *pads[place::_SPATIAL]
        comes = windows == (1, 1, 0, 0) and _inserted(graph, producers, node.inputs[0], axis)
        if comes and _removed(graph, consumers, node.outputs[0], axis):
            return axis
    return None


def _inserted(graph: Graph, producers: Mapping[str, Node], name: str, axis: int) -> bool:
    """Whether an axis of a value was inserted by an Unsqueeze, and only moved since."""
    node = producers.get(name)
    while node is not None and (order := _order(node)):
        axis, node = order[axis], producers.get(node.inputs[0])
    return node is not None and node.op == "Unsqueeze" and axis in _axes(graph, node)


def _removed(graph: Graph, consumers: Mapping[str, list[Node]], name: str, axis: int) -> bool:
    """Whether all that reads a value is a Squeeze that removes an axis of it, behind moves of the axes."""
    waiting = [(name, axis)]
    while waiting:
        name, axis = waiting.pop()
        if name in graph.outputs or name not in consumers:
            return False
        for node in consumers[name]:
            if order := _order(node):
                waiting.append((node.outputs[0], order.index(axis)))
            elif node.op != "Squeeze" or axis not in _axes(graph, node):
                return False
    return True


def _order(node: Node) -> list[int]:
    """The axes of a Transpose of values like those of the convolution; empty for another node."""
    order = node.attributes.get("perm", []) if node.op == "Transpose" else []
    return list(order) if sorted(order) == list(range(_RANK)) else []


def _axes(graph: Graph, node: Node) -> list[int]:
    """The axes that a node inserts or removes, where they are constant."""
    axes = node.attributes.get("axes", []) if len(node.inputs) < 2 else graph.constants.get(node.inputs[1], [])
    return [int(axis) % _RANK for axis in np.ravel(axes)]
