"""Fully connected layers: Gemm, MatMul, and sums over the values of a step, which are such layers of ones."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Dense
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.constants import integers, limit
from streamrnn_converters.onnx.operators.shape_ops import places
from streamrnn_converters.onnx.values import Axis, Constant, Flow, Value, describe, rank
from streamrnn_converters.onnx.vectors import LayerOutput


@operator("Gemm")
def _gemm(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Y = alpha A B + beta C (ONNX Gemm-13)."""
    alpha, beta = node.take("alpha", 1.0), node.take("beta", 1.0)
    if node.take("transA", 0):
        raise node.refused("transA=1 would multiply the signal from the wrong side; export the model without it")
    weights = _weights(node, inputs[1], "B")
    weights = weights if node.take("transB", 0) else weights.T
    bias: NDArray[Any] = np.zeros(len(weights))
    if len(inputs) > 2 and inputs[2] is not None:
        bias = beta * _bias(node, inputs[2], len(weights))
    if isinstance(inputs[0], Flow) and rank(inputs[0]) != 2:
        raise node.refused(f"its input A has {rank(inputs[0])} axes, expected 2")
    return [_behind(importer, node, inputs[0], Dense(alpha * weights, bias, dtype=importer.dtype))]


@operator("MatMul")
def _matmul(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    a, b = inputs
    if isinstance(a, Constant) and not isinstance(b, Constant):
        raise node.refused("multiplies the signal from the left; only signal times weights is understood")
    return [_behind(importer, node, a, Dense(_weights(node, b, "B").T, dtype=importer.dtype))]


def _behind(importer: Importer, node: Node, value: Value | None, layer: Dense) -> Flow:
    """A dense layer behind the signal; the final h of a layer counts as its signal after the last step."""
    flow = needs_flow(node, value, "A")
    *others, feature = flow.axes
    feature = importer.bind(node, feature, "feature", layer.input_size)
    if not others and feature.kind == "input":
        raise node.refused("the signal has no axis but its features; export the model with a batch or time axis")
    if feature.size != layer.input_size and isinstance(feature.size, int):
        raise node.refused(f"its weights have {layer.input_size} rows, but the signal has {feature.size} features")
    if flow.places.size != flow.places.shape[-1]:
        raise node.refused(
            f"multiplies several rows of {describe(flow)} in one step, {flow.places.shape}: only one is understood; of final "
            "states it takes the h of one layer"
        )
    read = importer.vector(node, flow)
    importer.remark_last(flow)
    axes = (*importer.anew(node, others), Axis(f"{node.outputs[0]}.feature", layer.output_size, "feature"))
    whole = np.arange(layer.output_size).reshape((1,) * len(others) + (-1,))
    return replace(flow, parts=(LayerOutput(layer, (read,)),), axes=axes, places=whole)


@operator("ReduceMean", "ReduceSum")
def _reduced(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Over axes within a step: as an attribute before opset 13 (sum) and 18 (mean), as an input since."""
    flow = needs_flow(node, inputs[0], "X")
    axes = node.take("axes")
    if len(inputs) > 1 and inputs[1] is not None:
        axes = integers(node, inputs[1], "axes")
    keep = node.take("keepdims", 1)
    if node.take("noop_with_empty_axes", 0) and not axes:
        return [flow]
    summed = places(node, axes or list(range(rank(flow))), rank(flow))
    for place in summed:
        importer.bind(node, flow.axes[place], "feature")
    kept = tuple(1 if place in summed else size for place, size in enumerate(flow.places.shape))
    groups = np.broadcast_to(np.arange(int(np.prod(kept))).reshape(kept), flow.places.shape).ravel()
    limit(node, int(np.prod(kept)) * flow.places.size)
    weights = np.zeros((int(np.prod(kept)), flow.places.size))
    weights[groups, np.arange(flow.places.size)] = len(weights) / flow.places.size if node.op == "ReduceMean" else 1
    read = importer.vector(node, flow)
    importer.remark_last(flow)
    left = tuple(
        importer.one(node, place) if place in summed else axis for place, axis in enumerate(importer.anew(node, flow.axes))
    )
    whole = np.arange(len(weights)).reshape(kept)
    flow = replace(flow, parts=(LayerOutput(Dense(weights, dtype=importer.dtype), (read,)),), axes=left, places=whole)
    if keep:
        return [flow]
    rest = tuple(axis for place, axis in enumerate(flow.axes) if place not in summed)
    return [replace(flow, axes=rest, places=np.squeeze(flow.places, tuple(summed)))]


def _weights(node: Node, value: Value | None, name: str) -> NDArray[Any]:
    if not isinstance(value, Constant) or value.array.ndim != 2 or value.array.dtype.kind != "f":
        raise node.refused(f"its input {name} is not a constant matrix of floats; export the model with its weights inside")
    return value.array.astype(np.float64)


def _bias(node: Node, value: Value, size: int) -> NDArray[Any]:
    """The same for every signal, as (size,)."""
    if not isinstance(value, Constant) or value.array.dtype.kind != "f":
        raise node.refused(f"its input C is {describe(value)}, not a constant of floats")
    fits = value.array.size == 1 or value.array.shape[-1:] == (size,) == (value.array.size,)
    if not fits or value.array.ndim > 2:
        raise node.refused(f"its input C has shape {value.array.shape}, expected ({size},)")
    return np.broadcast_to(value.array.reshape(-1).astype(np.float64), (size,))
