"""Softmax, LayerNormalization and BatchNormalization, over the values of a step."""

import numpy as np
from numpy.typing import NDArray

from streamrnn import Affine, LayerNorm, Softmax
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.values import Constant, Value, describe


@operator("Softmax")
def _softmax(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    flow = needs_flow(node, inputs[0], "input")
    return [importer.layered(node, Softmax(flow.index_map.size, importer.dtype), flow)]


@operator("LayerNormalization")
def _layer_normalization(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """LayerNormalization-17; mean and deviation are not given."""
    flow = needs_flow(node, inputs[0], "X")
    node.take("stash_type")
    importer.axes_of(node)
    sizes = flow.index_map.shape
    scale = _vector(node, inputs[1], "Scale", sizes)
    bias = _vector(node, inputs[2], "B", sizes) if len(inputs) > 2 and inputs[2] is not None else np.zeros(scale.size)
    return [importer.layered(node, LayerNorm(scale, bias, node.take("epsilon", 1e-5), importer.dtype), flow)]


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
    sizes = (flow.index_map.shape[1], *[1] * (len(flow.axes) - 2))
    scale, shift, mean, variance = (
        _vector(node, value, name, sizes[:1]).reshape(sizes)
        for value, name in zip(inputs[1:], ("scale", "B", "mean", "var"), strict=True)
    )
    scale = scale / np.sqrt(variance + node.take("epsilon", 1e-5))
    scale, shift = (np.broadcast_to(array, flow.index_map.shape).ravel() for array in (scale, shift - scale * mean))
    return [importer.layered(node, Affine(scale, shift, importer.dtype), flow)]


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
