"""Recurrent nodes along rows within a step; of a graph that is a single step, those with a state for each row too."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamrnn import Bank, Layer, Scan
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.operators.directions import Signal
from streamrnn_converters.onnx.values import Flow, Value
from streamrnn_converters.onnx.vectors import FinalState, LayerOutput, Vector

_MOST_SCANS = 256  # of a node


def outputs_within(
    importer: Importer, node: Node, x: Signal, layers: Sequence[Layer], carried: Sequence[Flow | None]
) -> list[Value]:
    """Y, Y_h and, where it is known, Y_c: of a sequence of one row the step of a state, of a longer one all of its steps."""
    rows = x.flow.index_map if x.layout == 0 else x.flow.index_map.swapaxes(0, 1)  # (sequence, batch, values)
    is_carried = any(flow is not None for flow in carried)
    if is_carried and len(rows) > 1:
        raise node.refused(f"carries its states over {len(rows)} rows of a step from step to step, which is not understood")
    if is_carried:
        return _stepped(importer, node, x, layers[0], carried)
    if rows.shape[1] > _MOST_SCANS:
        raise node.refused(f"runs along {rows.shape[1]} axes of a step at once, more than {_MOST_SCANS} that are allowed")
    parts: list[Vector] = []
    maps, start = [], 0
    for layer, direction in zip(layers, x.directions, strict=True):
        turned = rows[::-1] if direction == "reverse" else rows
        for signal in range(rows.shape[1]):
            one = importer.applied(node, Scan(layer, len(rows)), _with(x.flow, turned[:, signal]))
            parts += one.parts
            own = start + one.index_map.reshape(len(rows), -1)
            maps.append(own[::-1] if direction == "reverse" else own)
            start += one.index_map.size
    index_map = np.stack(maps).reshape(len(layers), rows.shape[1], len(rows), -1).transpose(2, 0, 1, 3)
    last = np.stack([index_map[0 if direction == "reverse" else -1, k] for k, direction in enumerate(x.directions)])
    flows = [_with(x.flow, own, tuple(parts)) for own in (index_map, last)]
    return _arranged(importer, node, x, flows)


def _stepped(importer: Importer, node: Node, x: Signal, layer: Layer, carried: Sequence[Flow | None]) -> list[Value]:
    """A step of one state, or of one for each row of the batch. The graph brings them."""
    (out,) = importer.applied(node, layer if x.n_rows == 1 else Bank(layer, x.n_rows), x.flow).parts
    assert isinstance(out, LayerOutput)
    for state, flow in zip(layer.states, carried, strict=True):
        if flow is not None:
            importer.initial[out, state] = flow
    index_map = np.arange(out.size).reshape(1, x.n_rows, -1)
    finals = [FinalState(out, state) for state in layer.states]
    ends = [_with(x.flow, np.arange(final.size).reshape(1, x.n_rows, -1), (final,)) for final in finals]
    return _arranged(importer, node, x, [_with(x.flow, index_map[None], (out,)), *ends])


def _with(flow: Flow, index_map: np.ndarray[tuple[int, ...], np.dtype[np.int64]], parts: tuple[Vector, ...] = ()) -> Flow:
    return replace(flow, parts=parts or flow.parts, index_map=index_map)


def _arranged(importer: Importer, node: Node, x: Signal, flows: Sequence[Flow]) -> list[Value]:
    """Y as (sequence, direction, batch, values) and final states as (direction, batch, values), in the layout of the node."""
    y, *ends = flows
    moved = [y.index_map if x.layout == 0 else y.index_map.transpose(2, 0, 1, 3)]
    moved += [end.index_map if x.layout == 0 else end.index_map.swapaxes(0, 1) for end in ends]
    return [
        replace(flow, index_map=index_map, axes=importer.axes_of(node, output))
        for output, (flow, index_map) in enumerate(zip(flows, moved, strict=True))
    ]
