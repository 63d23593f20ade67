"""Convolutions and transposed convolutions over axes within a step, and over time beside them: windows, and a dense layer on
each of them. Of time, a window sees a few steps of the past.
"""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Dense, Depthwise
from streamrnn_converters.onnx.axes.arguments import limit
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer
from streamrnn_converters.onnx.operators.over_time import time_of, windows_of, with_past
from streamrnn_converters.onnx.values import Flow, with_fixed
from streamrnn_converters.onnx.vectors import Vector
from streamrnn_converters.onnx.windows import LONG, Indices, Sliding, gathered, transposed_ends

#: Outputs of a group from which on it pays to multiply it by itself: a vector of them.
_WIDE = 8


def convolved(importer: Importer, node: Node, flow: Flow, weights: NDArray[Any], bias: NDArray[Any]) -> Flow:
    """Conv-11 of (N, C, *sizes) with weights (O, C / group, *taps)."""
    importer.axes_of(node)
    taps = weights.shape[2:]
    if node.take("kernel_shape", list(taps)) != list(taps):
        raise node.refused(f"its W of shape {weights.shape} does not fit its kernel_shape")
    flow, windows, _ = windows_of(importer, node, flow, taps)
    group = _checked_group(node, flow, weights.shape[1] * node.attributes.get("group", 1), weights.shape[0])
    padded, zero = with_fixed(flow, 0.0)
    seen = gathered(padded.index_map, windows, zero)
    return grouped_product(importer, node, padded, seen, np.moveaxis(weights, 1, -1), bias, group)


def transposed(importer: Importer, node: Node, flow: Flow, weights: NDArray[Any], bias: NDArray[Any]) -> Flow:
    """ConvTranspose-11 of (N, C, *sizes) with weights (C, O / group, *taps).

    An output at p is the sum over the taps k for which p + before - k · dilation is a multiple of the stride. All outputs with
    the same remainder of p see the same taps, so they are one convolution of their own.
    """
    sizes, taps, n = flow.index_map.shape[2:], weights.shape[2:], len(weights.shape) - 2
    strides, dilations = list(node.attributes.get("strides") or [1] * n), list(node.attributes.get("dilations") or [1] * n)
    if node.take("kernel_shape", list(taps)) != list(taps):
        raise node.refused(f"its W of shape {weights.shape} does not fit its kernel_shape")
    time = time_of(importer, flow)
    sizes = tuple(LONG if axis == time else size for axis, size in enumerate(sizes))
    before, ends = transposed_ends(node, sizes, taps)
    if time is not None:
        if strides[time] != 1:
            raise node.refused("its stride over time is not 1: it gives more steps than it takes, and a stream one for each")
        reach = (taps[time] - 1) * dilations[time]
        zeros = reach - before[time], ends[time] - LONG + before[time]
        flow = with_past(importer, node, flow, time, Sliding(LONG, taps[time], 1, dilations[time], *zeros))
        flow = replace(flow, index_map=np.flip(flow.index_map, 2 + time))
        ends[time] = 1
    group = _checked_group(node, flow, weights.shape[0], weights.shape[1] * node.attributes.get("group", 1))
    weights = weights.reshape(group, -1, *weights.shape[1:]).swapaxes(1, 2)  # (group, O / group, C / group, *taps)
    weights = np.moveaxis(weights.reshape(-1, *weights.shape[2:]), 1, -1)  # (O, *taps, C / group)
    padded, zero = with_fixed(flow, 0.0)
    parts: list[Vector] = []
    index_map, start = np.zeros((flow.index_map.shape[0], len(weights), *ends), np.int64), 0
    for phase in product(*(range(min(stride, end)) for stride, end in zip(strides, ends, strict=True))):
        chosen, windows = [], []
        for axis in range(n):
            if axis == time:
                chosen.append(np.arange(taps[axis]))
                windows.append(chosen[-1][None])
                continue
            positions = np.arange(phase[axis], ends[axis], strides[axis])
            reached = phase[axis] + before[axis] - np.arange(taps[axis]) * dilations[axis]
            chosen.append(np.flatnonzero(reached % strides[axis] == 0))
            inputs = positions[:, None] + before[axis] - chosen[-1] * dilations[axis]
            windows.append(inputs // strides[axis])
        at = (slice(None), slice(None), *(slice(p, None, s) for p, s in zip(phase, strides, strict=True)))
        if all(own.size for own in chosen):
            own_weights = weights[np.ix_(np.arange(len(weights)), *chosen, np.arange(weights.shape[-1]))]
            one = grouped_product(importer, node, padded, gathered(padded.index_map, windows, zero), own_weights, bias, group)
        else:  # no tap reaches these outputs
            one, first = with_fixed(replace(flow, parts=(), index_map=flow.index_map), bias)
            shape = index_map[at].shape
            one = replace(one, index_map=np.broadcast_to(first + np.arange(len(bias)).reshape(1, -1, *[1] * n), shape))
        index_map[at] = one.index_map + start
        parts += one.parts
        start += sum(part.size for part in one.parts)
    return replace(flow, parts=tuple(parts), index_map=index_map, axes=importer.axes_of(node))


def _checked_group(node: Node, flow: Flow, n_channels: int, n_outputs: int) -> int:
    group: int = node.take("group", 1)
    if flow.index_map.shape[1] != n_channels or group < 1 or n_channels % group or n_outputs % group:
        raise node.refused(
            f"its W makes {n_outputs} of {n_channels} channels in {group} groups, but the signal has {flow.index_map.shape[1]}"
        )
    return group


def grouped_product(
    importer: Importer, node: Node, flow: Flow, seen: Indices, weights: NDArray[Any], bias: NDArray[Any], group: int
) -> Flow:
    """The sums of windows (N, *windows, *taps, C), with weights (O, *taps, C / group): a flow (N, O, *windows)."""
    n_axes = weights.ndim - 2
    outer, outputs, per_group = seen.shape[: 1 + n_axes], len(weights), weights.shape[-1]
    rows, own = int(np.prod(outer)), outputs // group
    seen = seen.reshape(rows, -1, group, per_group)
    limit(node, rows * max(seen[0].size, outputs))
    weights = weights.reshape(outputs, -1, per_group)
    if group == 1 or own >= _WIDE:
        parts: list[Vector] = []
        for index in range(group):
            part = slice(index * own, (index + 1) * own)
            layer = Dense(weights[part].reshape(own, -1), bias[part], dtype=importer.dtype)
            parts += importer.on_rows(node, layer, replace(flow, index_map=seen[:, :, index].reshape(rows, -1))).parts
        index_map: Indices = np.arange(rows * outputs).reshape(group, rows, own).swapaxes(0, 1)
        flow = replace(flow, parts=tuple(parts))
    else:
        of_outputs = np.repeat(seen, own, axis=2).transpose(0, 1, 3, 2)  # rows, taps, inputs of a group, outputs
        apart = Depthwise(weights.reshape(outputs, -1), bias, dtype=importer.dtype)
        flow = importer.on_rows(node, apart, replace(flow, index_map=of_outputs.reshape(rows, -1)))
        index_map = np.arange(rows * outputs)
    index_map = np.moveaxis(index_map.reshape(*outer, outputs), -1, 1)
    return replace(flow, index_map=index_map, axes=importer.axes_of(node))
