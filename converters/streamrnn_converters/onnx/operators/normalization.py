"""Softmax, LayerNormalization, BatchNormalization and its like, over the values of a step."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation, Affine, Arithmetic, Layer, LayerNorm, Pointwise, Softmax
from streamrnn_converters.onnx.axes.arguments import axis_indices
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.pooling import log_sum_exp, rows_below
from streamrnn_converters.onnx.values import Broadcast, Constant, Flow, Value, describe


@operator("Softmax")
def _softmax(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Over one axis, or before opset 13 over all from it on."""
    flow = needs_flow(node, inputs[0], "input")
    axes = importer.axes_of(node)
    (axis,) = axis_indices(node, [node.take("axis", -1 if importer.roles.opset >= 13 else 1)], len(axes))
    if importer.roles.opset < 13:
        return [_on_rows(importer, node, flow, lambda size: Softmax(size, importer.dtype), axis)]
    turned = replace(flow, index_map=np.moveaxis(flow.index_map, axis, -1))
    given = _on_rows(importer, node, turned, lambda size: Softmax(size, importer.dtype), len(axes) - 1)
    return [replace(given, index_map=np.moveaxis(given.index_map, -1, axis))]


@operator("LogSoftmax")
def _log_softmax(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """log(softmax(x)), over the same axes as Softmax; without taking the logarithm of a share that is nearly 0."""
    flow = needs_flow(node, inputs[0], "input")
    axes = importer.axes_of(node)
    (axis,) = axis_indices(node, [node.take("axis", -1 if importer.roles.opset >= 13 else 1)], len(axes))
    over = [axis] if importer.roles.opset >= 13 else range(axis, len(axes))
    below = rows_below(flow, over)
    shifted, _, logarithm = log_sum_exp(importer, node, below)
    wide = replace(logarithm, index_map=np.broadcast_to(logarithm.index_map, below.index_map.shape))
    given = importer.applied(node, Arithmetic(flow.index_map.size, "subtract", importer.dtype), shifted, wide)
    order = rows_below(replace(flow, index_map=np.arange(flow.index_map.size).reshape(flow.index_map.shape)), over)
    return [replace(given, index_map=np.argsort(order.index_map.ravel()).reshape(flow.index_map.shape), axes=axes)]


@operator("LayerNormalization")
def _layer_normalization(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """LayerNormalization-17; mean and deviation are not given."""
    flow = needs_flow(node, inputs[0], "X")
    node.take("stash_type")
    axes = importer.axes_of(node)
    (axis,) = axis_indices(node, [node.take("axis", -1)], len(axes))
    sizes, epsilon = flow.index_map.shape[axis:], node.take("epsilon", 1e-5)
    scale = _vector(node, inputs[1], "Scale", sizes)
    bias = _vector(node, inputs[2], "B", sizes) if len(inputs) > 2 and inputs[2] is not None else np.zeros(scale.size)
    return [_on_rows(importer, node, flow, lambda _: LayerNorm(scale, bias, epsilon, importer.dtype), axis)]


@operator("InstanceNormalization", "GroupNormalization")
def _channel_normalization(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """InstanceNormalization-6, GroupNormalization-21: each group of channels by itself, then each channel is scaled."""
    flow = needs_flow(node, inputs[0], "input")
    importer.axes_of(node)
    channels, epsilon = flow.index_map.shape[1], node.take("epsilon", 1e-5)
    groups = channels if node.op == "InstanceNormalization" else node.take("num_groups")
    if not isinstance(groups, int) or groups < 1 or channels % groups:
        raise node.refused(f"its {groups} groups do not fit {channels} channels")
    node.take("stash_type")
    if node.op == "GroupNormalization" and importer.roles.opset < 21:
        raise node.refused("before opset 21 its scale was one for each group; export the model with a later opset")
    scale, bias = (_vector(node, value, name, (channels,)) for value, name in zip(inputs[1:3], ("scale", "B"), strict=True))
    rows = flow.index_map.reshape(flow.index_map.shape[0] * groups, -1)
    ones, zeros = np.ones(rows.shape[1]), np.zeros(rows.shape[1])
    given = importer.on_rows(node, LayerNorm(ones, zeros, epsilon, importer.dtype), replace(flow, index_map=rows))
    shape = (1, channels, *[1] * (flow.index_map.ndim - 2))
    scale, bias = (np.broadcast_to(array.reshape(shape), flow.index_map.shape).ravel() for array in (scale, bias))
    scaled = replace(given, index_map=given.index_map.reshape(flow.index_map.shape))
    return [importer.layered(node, Affine(scale, bias, importer.dtype), scaled)]


def _on_rows(importer: Importer, node: Node, flow: Flow, layer: Callable[[int], Layer], axis: int) -> Flow:
    """A layer on each row, which is made of the axes from one on."""
    shape = flow.index_map.shape
    rows = flow.index_map.reshape(math.prod(shape[:axis]), -1)
    given = importer.on_rows(node, layer(rows.shape[1]), replace(flow, index_map=rows))
    return replace(given, index_map=given.index_map.reshape(shape), axes=importer.axes_of(node))


@operator("BatchNormalization")
def _batch_normalization(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """In inference: y = scale (x - mean) / sqrt(variance + epsilon) + B, each value of axis 1 with its own numbers."""
    flow = needs_flow(node, inputs[0], "X")
    node.take("momentum")
    if node.take("training_mode", 0):
        raise node.refused("training_mode=1 needs the whole batch; export the model in evaluation mode")
    if len(flow.axes) < 2:
        raise node.refused("its input X has no axis 1, which it would normalise")
    importer.axes_of(node)
    if any(isinstance(value, Flow) for value in inputs[1:]):
        return [_normalised(importer, node, flow, inputs)]
    sizes = (flow.index_map.shape[1], *[1] * (len(flow.axes) - 2))
    scale, shift, mean, variance = (
        _vector(node, value, name, sizes[:1]).reshape(sizes)
        for value, name in zip(inputs[1:], ("scale", "B", "mean", "var"), strict=True)
    )
    scale = scale / np.sqrt(variance + node.take("epsilon", 1e-5))
    scale, shift = (np.broadcast_to(array, flow.index_map.shape).ravel() for array in (scale, shift - scale * mean))
    return [importer.layered(node, Affine(scale, shift, importer.dtype), flow)]


def _normalised(importer: Importer, node: Node, flow: Flow, inputs: Inputs) -> Flow:
    """The same with a mean and a variance that are computed at each step, as Keras writes a norm over the values of a step."""
    shape, size, epsilon = flow.index_map.shape, flow.index_map.size, node.take("epsilon", 1e-5)
    wide = (1, -1, *[1] * (len(shape) - 2))

    def along(value: Value | None, name: str) -> Flow:
        own = needs_flow(node, value, name)
        return replace(own, index_map=np.broadcast_to(own.index_map.reshape(wide), shape))

    scale, shift = (
        np.broadcast_to(_numbers(node, value, name).reshape(wide), shape).ravel()
        for value, name in zip(inputs[1:3], ("scale", "B"), strict=True)
    )
    mean, variance = along(inputs[3], "mean"), along(inputs[4], "var")
    above = importer.layered(node, Affine(np.ones(size), np.full(size, epsilon), importer.dtype), variance, sizes=shape)
    deviation = importer.layered(node, Pointwise(size, Activation("sqrt"), importer.dtype), above)
    centred = importer.layered(node, Arithmetic(size, "subtract", importer.dtype), flow, mean)
    given = importer.layered(node, Arithmetic(size, "divide", importer.dtype), centred, deviation)
    return importer.layered(node, Affine(scale, shift, importer.dtype), given)


def _numbers(node: Node, value: Value | None, name: str) -> NDArray[np.float64]:
    """A constant vector, or one that is the same however long the graph makes it."""
    if not isinstance(value, Constant | Broadcast) or value.array.dtype.kind != "f":
        raise node.refused(f"its input {name} is not a constant of floats, while its mean is computed, which is not understood")
    return value.array.astype(np.float64)


def _vector(node: Node, value: Value | None, name: str, sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """A constant with a number for each value of a step."""
    if not isinstance(value, Constant) or value.array.dtype.kind != "f":
        given = "missing" if value is None else describe(value)
        raise node.refused(f"its input {name} is {given}, not a constant of floats; export the model with its weights inside")
    try:
        return np.broadcast_to(value.array.astype(np.float64), np.broadcast_shapes(value.array.shape, sizes)).reshape(
            int(np.prod(sizes))
        )
    except ValueError:
        raise node.refused(f"its input {name} has shape {value.array.shape}, which does not fit {sizes}") from None
