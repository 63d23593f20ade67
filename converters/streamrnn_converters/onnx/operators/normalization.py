"""Softmax, LayerNormalization and BatchNormalization, over the values of a step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Affine, LayerNorm, Softmax
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.shape_ops import places
from streamrnn_converters.onnx.values import Constant, Flow, Value, describe


@operator("Softmax")
def _softmax(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Over one axis since opset 13; before, over all from `axis` on."""
    flow = needs_flow(node, inputs[0], "input")
    axis = node.take("axis", -1 if importer.opset >= 13 else 1)
    _bind_all(importer, node, flow, axis, to_the_end=importer.opset < 13)
    return [importer.elementwise(node, flow, Softmax(flow.places.size, importer.dtype))]


@operator("LayerNormalization")
def _layer_normalization(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """LayerNormalization-17, over all axes from `axis` on; mean and deviation are not given."""
    flow = needs_flow(node, inputs[0], "X")
    node.take("stash_type")
    _bind_all(importer, node, flow, node.take("axis", -1), to_the_end=True)
    sizes = flow.places.shape
    scale = _vector(node, inputs[1], "Scale", sizes)
    bias = _vector(node, inputs[2], "B", sizes) if len(inputs) > 2 and inputs[2] is not None else np.zeros(scale.size)
    return [importer.elementwise(node, flow, LayerNorm(scale, bias, node.take("epsilon", 1e-5), importer.dtype))]


@operator("BatchNormalization")
def _batch_normalization(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """In inference: y = scale (x - mean) / sqrt(variance + epsilon) + B, each value of axis 1 with its own numbers."""
    flow = needs_flow(node, inputs[0], "X")
    node.take("momentum")
    if node.take("training_mode", 0):
        raise node.refused("training_mode=1 needs the whole batch; export the model in evaluation mode")
    if len(flow.axes) < 2:
        raise node.refused("its input X has no axis 1, which it would normalise")
    importer.bind(node, flow.axes[1], "feature", _size(inputs[1]))
    sizes = (flow.places.shape[1], *[1] * (len(flow.axes) - 2))
    scale, shift, mean, variance = (
        _vector(node, value, name, sizes[:1]).reshape(sizes)
        for value, name in zip(inputs[1:], ("scale", "B", "mean", "var"), strict=True)
    )
    scale = scale / np.sqrt(variance + node.take("epsilon", 1e-5))
    scale, shift = (np.broadcast_to(array, flow.places.shape).ravel() for array in (scale, shift - scale * mean))
    return [importer.elementwise(node, flow, Affine(scale, shift, importer.dtype))]


def _size(value: Value | None) -> int | None:
    return value.array.size if isinstance(value, Constant) else None


def _bind_all(importer: Importer, node: Node, flow: Flow, axis: Any, *, to_the_end: bool) -> None:
    """Bind the axis, or all from it on, as such within a step, where there must be no others with values."""
    (first,) = places(node, [axis], len(flow.axes))
    chosen = range(first, len(flow.axes)) if to_the_end else [first]
    reason = f"axis={axis} is not the feature axis alone; only what goes over all features of a step can be streamed"
    for place, own in enumerate(flow.axes):
        across = importer.role(own) in ("time", "batch") if place in chosen else importer.is_within(own)
        if across and own.size != 1:
            raise node.refused(reason)
    for place in chosen:
        if importer.role(flow.axes[place]) == "unknown":
            importer.bind(node, flow.axes[place], "feature")


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
