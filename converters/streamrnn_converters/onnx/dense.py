"""Fully connected layers: Gemm, or MatMul and Add, with the activation behind them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation, Dense
from streamrnn.activation import LINEAR
from streamrnn_converters.onnx.interpret import Walk, needs_signal, operator
from streamrnn_converters.onnx.parse import Node
from streamrnn_converters.onnx.plumbing import fold_add, places
from streamrnn_converters.onnx.values import Axis, Constant, Signal, States, Value, describe, rank

Inputs = Sequence[Value | None]

#: ONNX's element-wise operators to our names, with their parameters' defaults (None: it has none).
ELEMENTWISE: dict[str, tuple[str, float | None, float | None]] = {
    "Elu": ("elu", 1.0, None),
    "HardSigmoid": ("hard_sigmoid", 0.2, 0.5),
    "LeakyRelu": ("leaky_relu", 0.01, None),
    "Relu": ("relu", None, None),
    "Sigmoid": ("sigmoid", None, None),
    "Softplus": ("softplus", None, None),
    "Softsign": ("softsign", None, None),
    "Tanh": ("tanh", None, None),
    "ThresholdedRelu": ("thresholded_relu", 1.0, None),
}


@operator("Gemm")
def _gemm(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    """Y = alpha A B + beta C (ONNX Gemm-13)."""
    alpha, beta = node.take("alpha", 1.0), node.take("beta", 1.0)
    if node.take("transA", 0):
        raise node.refused("transA=1 would multiply the signal from the wrong side; export the model without it")
    weights = _weights(node, inputs[1], "B")
    weights = weights if node.take("transB", 0) else weights.T
    bias: NDArray[Any] = np.zeros(len(weights))
    if len(inputs) > 2 and inputs[2] is not None:
        bias = beta * _bias(node, inputs[2], "C", len(weights), most_axes=2)
    if isinstance(inputs[0], Signal | States) and rank(inputs[0]) != 2:
        raise node.refused(f"its input A has {rank(inputs[0])} axes, expected 2")
    return [_behind(walk, node, inputs[0], "A", Dense(alpha * weights, bias))]


@operator("MatMul")
def _matmul(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    a, b = inputs
    if isinstance(a, Constant) and not isinstance(b, Constant):
        raise node.refused("multiplies the signal from the left; only signal times weights is understood")
    return [_behind(walk, node, a, "A", Dense(_weights(node, b, "B").T))]


@operator("Add")
def _add(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    """The bias of the dense layer before it, or arithmetic with constants."""
    folded = fold_add(node, inputs)
    if folded is not None:
        return folded
    signal, constant = (inputs[0], inputs[1]) if isinstance(inputs[1], Constant) else (inputs[1], inputs[0])
    if not isinstance(signal, Signal) or not isinstance(constant, Constant):
        given = " to ".join(describe(value) for value in (signal, constant) if value is not None)
        raise node.refused(f"adds {given}, which is not understood; only the bias of a dense layer can be added")
    layer = _open_dense(node, signal, "adds to")
    bias = layer.bias.astype(np.float64) + _bias(node, constant, "the bias", layer.output_size, most_axes=rank(signal))
    return [replace(signal, layers=(*signal.layers[:-1], replace(layer, bias=bias)))]


@operator(*ELEMENTWISE)
def _elementwise(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    name, alpha, beta = ELEMENTWISE[node.op]
    parameters = {key: node.take(key, value) for key, value in (("alpha", alpha), ("beta", beta)) if value is not None}
    return [_activated(node, inputs[0], Activation(name, **parameters))]


@operator("Softmax")
def _softmax(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    """Over one axis since opset 13; before, over all from `axis` on."""
    signal = needs_signal(node, inputs[0], "input")
    n_axes = len(signal.axes)
    axis = node.take("axis", -1 if walk.opset >= 13 else 1)
    if places(node, [axis], n_axes) != [n_axes - 1] or walk.role(signal.axes[-1]) != "feature":
        raise node.refused(
            f"axis={axis} is not the feature axis alone; only a softmax over the features of a step can be streamed"
        )
    return [_activated(node, signal, Activation("softmax"))]


def _activated(node: Node, value: Value | None, activation: Activation) -> Signal:
    signal = needs_signal(node, value, "X")
    layer = _open_dense(node, signal, "works on")
    return replace(signal, layers=(*signal.layers[:-1], replace(layer, activation=activation)))


def _open_dense(node: Node, signal: Signal, does: str) -> Dense:
    """The dense layer right before a node, its activation still to come."""
    layer = signal.layers[-1] if signal.layers else None
    if isinstance(layer, Dense) and layer.activation == LINEAR:
        return layer
    after = "" if not isinstance(layer, Dense) else f" and its activation, {layer.activation.name}"
    raise node.refused(f"{does} {describe(signal)}{after}; this operator is understood only right behind a dense layer")


def _behind(walk: Walk, node: Node, value: Value | None, name: str, layer: Dense) -> Signal:
    """A dense layer behind the signal; the final h of a layer counts as its signal after the last step."""
    if isinstance(value, States):
        value = _as_signal(walk, node, value)
    signal = needs_signal(node, value, name)
    *others, feature = signal.axes
    if not others and not signal.layers:
        raise node.refused("the signal has no axis but its features; export the model with a batch or time axis")
    if feature.size != layer.input_size and isinstance(feature.size, int):
        raise node.refused(f"its weights have {layer.input_size} rows, but the signal has {feature.size} features")
    walk.bind(node, feature, "feature")
    return replace(signal, layers=(*signal.layers, layer), axes=(*others, Axis("feature", layer.output_size)))


def _as_signal(walk: Walk, node: Node, states: States) -> Signal:
    if len(states.entries) != 1 or states.entries[0][1] != "h":
        raise node.refused(
            "works on the final states of several layers, or on c; only the final h of one layer can be streamed"
        )
    walk.remark("the graph gives the answer after the last step only; the stream gives that answer after every step")
    axes = tuple(walk.one() if axis.name == "layer" else axis for axis in states.axes)
    return Signal(states.source, states.entries[0][0], axes, last=True)


def _weights(node: Node, value: Value | None, name: str) -> NDArray[Any]:
    if not isinstance(value, Constant) or value.array.ndim != 2 or value.array.dtype.kind != "f":
        raise node.refused(f"its input {name} is not a constant matrix of floats; export the model with its weights inside")
    return value.array.astype(np.float64)


def _bias(node: Node, value: Value, name: str, size: int, most_axes: int) -> NDArray[Any]:
    """A constant that adds the same to every step, as (size,). One of more axes than the signal has would add some to it."""
    if not isinstance(value, Constant) or value.array.dtype.kind != "f":
        raise node.refused(f"{name} is {describe(value)}, not a constant of floats")
    fits = value.array.size == 1 or value.array.shape[-1:] == (size,) == (value.array.size,)
    if not fits or value.array.ndim > most_axes:
        raise node.refused(f"{name} has shape {value.array.shape}, expected ({size},)")
    return np.broadcast_to(value.array.reshape(-1).astype(np.float64), (size,))
