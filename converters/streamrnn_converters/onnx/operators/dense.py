"""Fully connected layers: Gemm, MatMul, and sums over the values of a step, which are such layers of ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Dense
from streamrnn_converters.onnx.axes.arguments import axes_argument, axis_indices, limit
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.values import Constant, Flow, Value, describe, rank


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
    return [_dense(importer, node, inputs[0], Dense(alpha * weights, bias, dtype=importer.dtype))]


@operator("MatMul")
def _matmul(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    a, b = inputs
    if isinstance(a, Constant) and not isinstance(b, Constant):
        raise node.refused("multiplies the signal from the left; only signal times weights is understood")
    return [_dense(importer, node, a, Dense(_weights(node, b, "B").T, dtype=importer.dtype))]


def _dense(importer: Importer, node: Node, value: Value | None, layer: Dense) -> Flow:
    """A dense layer after the signal; the final h of a layer counts as its signal after the last step."""
    flow = needs_flow(node, value, "A")
    axes, feature = importer.axes_of(node), flow.axes[-1]
    if feature.size != layer.input_size and isinstance(feature.size, int):
        raise node.refused(f"its weights have {layer.input_size} rows, but the signal has {feature.size} features")
    if flow.index_map.size != flow.index_map.shape[-1]:
        raise node.refused(
            f"multiplies several rows of {describe(flow)} in one step, {flow.index_map.shape}: only one is understood; of "
            "final states it takes the h of one layer"
        )
    return importer.layered(node, layer, flow, sizes=(*[1] * (len(axes) - 1), layer.output_size))


@operator("ReduceMean", "ReduceSum")
def _reduced(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Over axes within a step."""
    flow, axes = needs_flow(node, inputs[0], "X"), axes_argument(node, inputs)
    if node.take("noop_with_empty_axes", 0) and not axes:
        return [flow]
    summed = axis_indices(node, axes or list(range(rank(flow))), rank(flow))
    kept = tuple(1 if index in summed else size for index, size in enumerate(flow.index_map.shape))
    n_sums, n_values = int(np.prod(kept)), flow.index_map.size
    groups = np.broadcast_to(np.arange(n_sums).reshape(kept), flow.index_map.shape).ravel()
    limit(node, n_sums * n_values)
    weights = np.zeros((n_sums, n_values))
    weights[groups, np.arange(n_values)] = n_sums / n_values if node.op == "ReduceMean" else 1
    left = importer.roles.extents(importer.axes_of(node))
    return [importer.layered(node, Dense(weights, dtype=importer.dtype), flow, sizes=left)]


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
