"""Fully connected layers: Gemm and MatMul, of one or more rows in a step."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Dense
from streamrnn_converters.onnx.axes.rules.contraction import is_dense
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.contraction import contracted
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
    if not is_dense(node, inputs):
        return [contracted(importer, node, inputs)]
    return [_dense(importer, node, inputs[0], Dense(_weights(node, inputs[1], "B").T, dtype=importer.dtype))]


def _dense(importer: Importer, node: Node, value: Value | None, layer: Dense) -> Flow:
    """A dense layer after the signal; the final h of a layer counts as its signal after the last step."""
    flow = needs_flow(node, value, "A")
    axes, feature = importer.axes_of(node), flow.axes[-1]
    if feature.size != layer.input_size and isinstance(feature.size, int):
        raise node.refused(f"its weights have {layer.input_size} rows, but the signal has {feature.size} features")
    *outer, values = flow.index_map.shape
    given = importer.on_rows(node, layer, replace(flow, index_map=flow.index_map.reshape(-1, values)))
    return replace(given, index_map=given.index_map.reshape(*outer, layer.output_size), axes=axes)


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
