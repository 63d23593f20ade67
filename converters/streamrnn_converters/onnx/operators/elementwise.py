"""Operators that work value by value: functions, and arithmetic of flows with each other and with constants."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation, Affine, Arithmetic, Pointwise, PRelu
from streamrnn.activation import SIGMOID
from streamrnn_converters.onnx.axes.rules.elementwise import input_name
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.so_far import counting
from streamrnn_converters.onnx.values import Broadcast, Constant, Flow, Value, describe, full_rank, with_fixed
from streamrnn_converters.onnx.vectors import LayerOutput

#: ONNX's functions to our names, with their parameters' defaults (None: it has none).
FUNCTIONS: dict[str, tuple[str, float | None, float | None]] = {
    "Abs": ("absolute", None, None),
    "Ceil": ("ceil", None, None),
    "Cos": ("cos", None, None),
    "Elu": ("elu", 1.0, None),
    "Erf": ("erf", None, None),
    "Exp": ("exp", None, None),
    "Floor": ("floor", None, None),
    "HardSigmoid": ("hard_sigmoid", 0.2, 0.5),
    "LeakyRelu": ("leaky_relu", 0.01, None),
    "Log": ("log", None, None),
    "Reciprocal": ("reciprocal", None, None),
    "Relu": ("relu", None, None),
    "Round": ("round", None, None),
    "Sigmoid": ("sigmoid", None, None),
    "Sign": ("sign", None, None),
    "Sin": ("sin", None, None),
    "Softplus": ("softplus", None, None),
    "Softsign": ("softsign", None, None),
    "Sqrt": ("sqrt", None, None),
    "Swish": ("silu", 1.0, None),
    "Tanh": ("tanh", None, None),
    "ThresholdedRelu": ("thresholded_relu", 1.0, None),
}
ARITHMETIC = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}


@operator(*FUNCTIONS)
def _function(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    name, alpha, beta = FUNCTIONS[node.op]
    parameters = {key: node.take(key, value) for key, value in (("alpha", alpha), ("beta", beta)) if value is not None}
    return [activated(importer, node, inputs[0], Activation(name, **parameters))]


@operator("HardSwish")
def _hard_swish(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """x times its hard sigmoid (HardSwish-14)."""
    flow = needs_flow(node, inputs[0], "X")
    return [combined(importer, node, flow, activated(importer, node, flow, Activation("hard_sigmoid", 1 / 6, 0.5)), "multiply")]


@operator("Mish")
def _mish(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """x tanh(softplus(x)) (Mish-18)."""
    flow = needs_flow(node, inputs[0], "X")
    factor = activated(importer, node, activated(importer, node, flow, Activation("softplus")), Activation("tanh"))
    return [combined(importer, node, flow, factor, "multiply")]


@operator("Gelu")
def _gelu(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Gelu-20."""
    how = node.take("approximate", "none")
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    if how not in names:
        raise node.refused(f"approximate={how!r} is neither 'none' nor 'tanh'")
    return [activated(importer, node, inputs[0], Activation(names[how]))]


@operator("Selu")
def _selu(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """gamma elu(x) (Selu-6)."""
    elu = Activation("elu", node.take("alpha", 1.6732632))
    return [scaled(importer, node, activated(importer, node, inputs[0], elu), node.take("gamma", 1.050701), 0)]


@operator("Celu")
def _celu(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """alpha elu(x / alpha) (Celu-12)."""
    alpha = node.take("alpha", 1.0)
    if not alpha > 0:
        raise node.refused(f"alpha={alpha} is not positive")
    inner = scaled(importer, node, needs_flow(node, inputs[0], "X"), 1 / alpha, 0)
    return [scaled(importer, node, activated(importer, node, inner, Activation("elu")), alpha, 0)]


@operator("Clip")
def _clip(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Bounds are attributes before opset 11, inputs since."""
    bounds = [node.take("min"), node.take("max")]
    for index, value in enumerate(inputs[1:]):
        if value is not None:
            bounds[index] = number_of(node, value, ("min", "max")[index])
    return [activated(importer, node, inputs[0], Activation("clip", *bounds))]


def number_of(node: Node, value: Value | None, name: str) -> float:
    """A constant number of floats."""
    if not isinstance(value, Constant) or value.array.size != 1 or value.array.dtype.kind != "f":
        raise node.refused(f"its {name} is not a constant number of floats")
    return float(value.array.ravel()[0])


def activated(importer: Importer, node: Node, value: Value | None, activation: Activation) -> Flow:
    """A function of each value."""
    flow = needs_flow(node, value, "X")
    return importer.layered(node, Pointwise(flow.index_map.size, activation, importer.dtype), flow)


@operator("Neg")
def _negated(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    return [scaled(importer, node, needs_flow(node, inputs[0], "X"), -1, 0)]


@operator("PRelu")
def _prelu(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    flow, slope = _with_constant(importer, node, needs_flow(node, inputs[0], "X"), inputs[1], "slope")
    return [importer.layered(node, PRelu(slope, importer.dtype), flow)]


@operator("Pow")
def _power(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """A signal to the power of one number, or a positive number to that of a signal (Pow-15)."""
    base, exponent = inputs
    if isinstance(base, Constant):
        number = number_of(node, base, "base")
        if not number > 0:
            raise node.refused(f"raises {number} to the power of a signal; only positive numbers have such powers")
        return [
            activated(
                importer, node, scaled(importer, node, needs_flow(node, exponent, "Y"), np.log(number), 0), Activation("exp")
            )
        ]
    flow = needs_flow(node, base, "X")
    if not isinstance(exponent, Constant) or exponent.array.size != 1 or exponent.array.dtype.kind not in "fiu":
        raise node.refused("raises the signal to a power that is not one constant number, which is not understood")
    power = float(exponent.array.ravel()[0])
    if power in (2, 3):
        square = combined(importer, node, flow, flow, "multiply")
        return [square if power == 2 else combined(importer, node, square, flow, "multiply")]
    return [activated(importer, node, flow, Activation("sqrt") if power == 0.5 else Activation("power", power))]


@operator(*ARITHMETIC)
def _arithmetic(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    a, b = counting(importer, node, inputs)
    if isinstance(a, Flow) and isinstance(b, Flow):
        flows = needs_flow(node, a, "A"), needs_flow(node, b, "B")
        x = _gated_by_itself(importer, node, *flows) if node.op == "Mul" else None
        if x is not None:
            return [activated(importer, node, x, Activation("silu"))]
        return [combined(importer, node, *flows, ARITHMETIC[node.op])]
    if isinstance(b, Flow):
        flow, constant = _with_constant(importer, node, needs_flow(node, b, "B"), a, "A")
        if node.op == "Div":
            flow = activated(importer, node, flow, Activation("reciprocal"))
    else:
        flow, constant = _with_constant(importer, node, needs_flow(node, a, "A"), b, "B")
        if node.op == "Div":
            constant = 1 / constant
    if node.op in ("Mul", "Div"):
        return [scaled(importer, node, flow, constant, 0)]
    if node.op == "Sub":
        return [
            scaled(importer, node, flow, -1, constant) if isinstance(b, Flow) else scaled(importer, node, flow, 1, -constant)
        ]
    return [scaled(importer, node, flow, 1, constant)]


def _gated_by_itself(importer: Importer, node: Node, a: Flow, b: Flow) -> Flow | None:
    """The x of x sigmoid(x), as exporters write silu; None for another product."""
    for x, gate in ((a, b), (b, a)):
        (part, *others) = gate.parts
        if others or not isinstance(part, LayerOutput) or not isinstance(part.layer, Pointwise):
            continue
        same = x.axes == gate.axes and np.array_equal(gate.index_map.ravel(), np.arange(part.size))
        if part.layer.activation == SIGMOID and same and importer.vector(node, x) is part.reads[0]:
            return x
    return None


def scaled(importer: Importer, node: Node, flow: Flow, scale: Any, shift: Any) -> Flow:
    """scale x + shift; no layer where that is x itself, as in torch's way to give a value twice."""
    n = flow.index_map.size
    if np.all(scale == 1) and not np.any(shift):
        return replace(flow, axes=importer.axes_of(node))
    return importer.layered(node, Affine(np.broadcast_to(scale, n), np.broadcast_to(shift, n), importer.dtype), flow)


def _with_constant(
    importer: Importer, node: Node, flow: Flow, value: Value | None, name: str
) -> tuple[Flow, NDArray[np.float64]]:
    """The flow, and a constant with a number for each of its values, broadcast to each other."""
    axes = importer.axes_of(node)
    assert isinstance(value, Constant | Broadcast)
    array = value.array if isinstance(value, Constant) else full_rank(value)
    if array.dtype.kind != "f":
        raise node.refused(f"its input {name} is {describe(value)}, not a constant of floats")
    index_map, numbers = np.broadcast_arrays(flow.index_map, array.astype(np.float64))
    return replace(flow, axes=axes, index_map=index_map), numbers.ravel()


def combined(importer: Importer, node: Node, a: Value | None, b: Value | None, operation: str) -> Flow:
    """Two flows, or a flow and a constant, value by value."""
    one, other = operands(importer, node, (a, b))
    return importer.layered(node, Arithmetic(one.index_map.size, operation, importer.dtype), one, other)


def operands(importer: Importer, node: Node, inputs: Inputs) -> list[Flow]:
    """The inputs broadcast to each other, the constants among them as flows too."""
    importer.axes_of(node)
    inputs = counting(importer, node, inputs)
    flows = importer.at_once(
        node, [needs_flow(node, value, input_name(node, k)) for k, value in enumerate(inputs) if isinstance(value, Flow)]
    )
    first, at_once = flows[0], iter(flows)
    given = [next(at_once) if isinstance(value, Flow) else _fixed(node, first, value, k) for k, value in enumerate(inputs)]
    maps = np.broadcast_arrays(*(flow.index_map for flow in given))
    return [replace(flow, index_map=own) for flow, own in zip(given, maps, strict=True)]


def _fixed(node: Node, beside: Flow, value: Value | None, index: int) -> Flow:
    """A constant as a flow, at the time of another one."""
    assert isinstance(value, Constant | Broadcast)
    array = value.array if isinstance(value, Constant) else full_rank(value)
    if array.dtype.kind not in "fbiu":
        raise node.refused(f"its input {input_name(node, index)} is {describe(value)}, not a constant of numbers")
    flow, begin = with_fixed(beside, array)
    return replace(flow, index_map=begin + np.arange(array.size).reshape(array.shape))
