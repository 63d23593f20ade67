"""Convolutions over time that look back only, and the zeros before the first step for them; those within a step; padding."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Conv1d, Dense, Layer
from streamrnn_converters.onnx.axes.arguments import limit
from streamrnn_converters.onnx.axes.rules.convolution import pads_argument
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.convolution_within import convolved, transposed
from streamrnn_converters.onnx.operators.over_time import longer, slid
from streamrnn_converters.onnx.operators.padding import padded_within
from streamrnn_converters.onnx.values import Constant, Flow, Value, describe, rank
from streamrnn_converters.onnx.windows import LONG, sliding_of


@operator("Pad")
def _pad(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Pad-18; attributes before opset 11. Zeros along time are left to the convolution after it."""
    flow, mode, value = inputs[0], node.take("mode", "constant"), node.take("value", 0.0)
    if not isinstance(flow, Flow):
        raise node.refused("pads what is not the signal, which is not understood")
    if len(inputs) > 2 and isinstance(inputs[2], Constant):
        value = float(inputs[2].array.ravel()[0])
    axes = importer.axes_of(node)
    for axis, before, after in pads_argument(node, inputs, rank(flow)):
        if (before, after) == (0, 0):
            continue
        if importer.is_within(flow.axes[axis]):
            if value and flow.time.late < 0:  # what is padded with zeros is padded with another number
                flow = importer.late(node, flow)
            flow = padded_within(node, flow, axis, before, after, mode, value)
            continue
        if mode != "constant" or value != 0:
            raise node.refused(f"mode={mode!r} with value {value:g}: only zeros can be put before a signal that is streamed")
        if flow.integer:
            raise node.refused(f"pads {describe(flow)}, which are integers, with zeros before the first step")
        flow = longer(importer, node, flow, before, after)
    return [replace(flow, axes=axes)]


@operator("Conv")
def _conv(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Conv-11 over (batch, channels, time), or over axes within a step."""
    flow = needs_flow(node, inputs[0], "X")
    weights = _constant(node, inputs[1], "W")
    if weights.ndim < 3 or weights.ndim != len(flow.axes):
        raise node.refused(f"its input X has {len(flow.axes)} axes and W {weights.ndim}; both must have as many, 3 at least")
    strided = set(node.attributes.get("strides") or [1]) != {1}
    if weights.ndim > 3 or importer.role(flow.axes[2]) != "time" or len(flow.index_map) > 1 or strided:
        return [convolved(importer, node, flow, weights, _optional_bias(node, inputs, len(weights)))]
    outputs, per_group, taps = weights.shape
    group, (one,) = node.take("group", 1), sliding_of(node, [LONG], [taps])
    if node.take("kernel_shape", [taps]) != [taps] or group < 1 or outputs % group:
        raise node.refused(f"its W of shape {weights.shape} does not fit its kernel_shape or its {group} groups")
    importer.axes_of(node)
    n_channels = flow.axes[1].size
    if isinstance(n_channels, int) and n_channels != per_group * group:
        raise node.refused(f"its W takes {per_group * group} channels, but the signal has {n_channels}")
    time, ago = slid(importer, node, flow, one)
    if min(ago):
        flow = importer.delayed(node, flow, flow.time.late + min(ago))
    elif taps > 1:
        flow = importer.begun(node, flow)
    bias = _optional_bias(node, inputs, outputs)
    limit(node, weights.size * group)
    importer.over_time |= taps > 1
    layer = _layer(_ungrouped(weights, group), bias, one.dilation, importer.dtype)
    return [replace(importer.layered(node, layer, flow, sizes=(1, outputs, 1)), time=time)]


@operator("ConvTranspose")
def _conv_transpose(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """ConvTranspose-11 over axes within a step."""
    flow = needs_flow(node, inputs[0], "X")
    weights = _constant(node, inputs[1], "W")
    importer.axes_of(node)
    bias = _optional_bias(node, inputs, weights.shape[1] * node.attributes.get("group", 1))
    return [transposed(importer, node, flow, weights, bias)]


def _optional_bias(node: Node, inputs: Inputs, size: int) -> NDArray[Any]:
    bias = _constant(node, inputs[2], "B") if len(inputs) > 2 and inputs[2] is not None else np.zeros(size)
    if bias.shape != (size,):
        raise node.refused(f"its input B has shape {bias.shape}, expected ({size},)")
    return bias


def _layer(weights: NDArray[Any], bias: NDArray[Any], dilation: int, dtype: str) -> Layer:
    """A convolution with one tap sees one step: it is a dense layer."""
    if weights.shape[2] == 1:
        return Dense(weights[:, :, 0], bias, dtype=dtype)
    return Conv1d(weights, bias, dilation, dtype=dtype)


def _ungrouped(weights: NDArray[Any], group: int) -> NDArray[Any]:
    """Weights over all channels, those of other groups zero."""
    outputs, per_group, taps = weights.shape
    whole = np.zeros((outputs, group, per_group, taps))
    own = outputs // group
    for index in range(group):
        rows = slice(index * own, (index + 1) * own)
        whole[rows, index] = weights[rows]
    return whole.reshape(outputs, group * per_group, taps)


def _constant(node: Node, value: Value | None, name: str) -> NDArray[Any]:
    if not isinstance(value, Constant) or value.array.dtype.kind != "f":
        raise node.refused(f"its input {name} is not a constant of floats; export the model with its weights inside")
    return value.array.astype(np.float64)
