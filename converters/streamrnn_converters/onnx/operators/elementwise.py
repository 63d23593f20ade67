"""Operators that work value by value: functions, and arithmetic of flows with each other and with constants."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation, Affine, Arithmetic, Layer, Pointwise, PRelu
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.constants import folded
from streamrnn_converters.onnx.values import Axis, Broadcast, Constant, Flow, Value, describe, full_rank, rank
from streamrnn_converters.onnx.vectors import LayerOutput

#: ONNX's functions to our names, with their parameters' defaults (None: it has none).
FUNCTIONS: dict[str, tuple[str, float | None, float | None]] = {
    "Abs": ("absolute", None, None),
    "Elu": ("elu", 1.0, None),
    "Erf": ("erf", None, None),
    "Exp": ("exp", None, None),
    "HardSigmoid": ("hard_sigmoid", 0.2, 0.5),
    "LeakyRelu": ("leaky_relu", 0.01, None),
    "Log": ("log", None, None),
    "Reciprocal": ("reciprocal", None, None),
    "Relu": ("relu", None, None),
    "Sigmoid": ("sigmoid", None, None),
    "Softplus": ("softplus", None, None),
    "Softsign": ("softsign", None, None),
    "Sqrt": ("sqrt", None, None),
    "Tanh": ("tanh", None, None),
    "ThresholdedRelu": ("thresholded_relu", 1.0, None),
}
ARITHMETIC = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}


@operator(*FUNCTIONS)
def _function(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    if isinstance(inputs[0], Constant) and node.op in ("Abs", "Reciprocal", "Sqrt"):
        return folded(node, inputs) or []
    name, alpha, beta = FUNCTIONS[node.op]
    parameters = {key: node.take(key, value) for key, value in (("alpha", alpha), ("beta", beta)) if value is not None}
    return [_behind(importer, node, inputs[0], Activation(name, **parameters))]


@operator("HardSwish")
def _hard_swish(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """x times its hard sigmoid (HardSwish-14)."""
    flow = needs_flow(node, inputs[0], "X")
    return [_combined(importer, node, flow, _behind(importer, node, flow, Activation("hard_sigmoid", 1 / 6, 0.5)), "multiply")]


@operator("Mish")
def _mish(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """x tanh(softplus(x)) (Mish-18)."""
    flow = needs_flow(node, inputs[0], "X")
    gate = _behind(importer, node, _behind(importer, node, flow, Activation("softplus")), Activation("tanh"))
    return [_combined(importer, node, flow, gate, "multiply")]


@operator("Gelu")
def _gelu(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Gelu-20."""
    how = node.take("approximate", "none")
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    if how not in names:
        raise node.refused(f"approximate={how!r} is neither 'none' nor 'tanh'")
    return [_behind(importer, node, inputs[0], Activation(names[how]))]


@operator("Selu")
def _selu(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """gamma elu(x) (Selu-6)."""
    elu = Activation("elu", node.take("alpha", 1.6732632))
    return [_scaled(importer, node, _behind(importer, node, inputs[0], elu), node.take("gamma", 1.050701), 0)]


@operator("Celu")
def _celu(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """alpha elu(x / alpha) (Celu-12)."""
    alpha = node.take("alpha", 1.0)
    if not alpha > 0:
        raise node.refused(f"alpha={alpha} is not positive")
    inner = _scaled(importer, node, needs_flow(node, inputs[0], "X"), 1 / alpha, 0)
    return [_scaled(importer, node, _behind(importer, node, inner, Activation("elu")), alpha, 0)]


@operator("Clip")
def _clip(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Bounds are attributes before opset 11, inputs since."""
    bounds = [node.take("min"), node.take("max")]
    for place, value in enumerate(inputs[1:]):
        if value is not None:
            bounds[place] = _number(node, value, ("min", "max")[place])
    return [_behind(importer, node, inputs[0], Activation("clip", *bounds))]


@operator("Max", "Min")
def _bound(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Of a flow and one number."""
    values = folded(node, inputs)
    if values is not None:
        return values
    flows = [value for value in inputs if isinstance(value, Flow)]
    if len(flows) != 1 or len(inputs) != 2:
        raise node.refused("compares several signals; only one of them with a number is understood")
    number = _number(node, next(value for value in inputs if not isinstance(value, Flow)), "bound")
    bounds = {"alpha": number} if node.op == "Max" else {"beta": number}
    return [_behind(importer, node, flows[0], Activation("clip", **bounds))]


def _number(node: Node, value: Value | None, name: str) -> float:
    if not isinstance(value, Constant) or value.array.size != 1 or value.array.dtype.kind != "f":
        raise node.refused(f"its {name} is not a constant number of floats")
    return float(value.array.ravel()[0])


def _behind(importer: Importer, node: Node, value: Value | None, activation: Activation) -> Flow:
    flow = needs_flow(node, value, "X")
    return importer.elementwise(node, flow, Pointwise(flow.places.size, activation, importer.dtype))


@operator("Neg")
def _negated(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    values = folded(node, inputs)
    return values if values is not None else [_scaled(importer, node, needs_flow(node, inputs[0], "X"), np.float64(-1), 0)]


@operator("PRelu")
def _prelu(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    flow, slope = _spread(importer, node, needs_flow(node, inputs[0], "X"), inputs[1], "slope")
    return [importer.elementwise(node, flow, PRelu(slope, importer.dtype))]


@operator("Pow")
def _power(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Squares, cubes and square roots."""
    values = folded(node, inputs)
    if values is not None:
        return values
    flow, exponent = needs_flow(node, inputs[0], "X"), inputs[1]
    power = float(exponent.array.ravel()[0]) if isinstance(exponent, Constant) and exponent.array.size == 1 else None
    if power in (2, 3):
        square = _combined(importer, node, flow, flow, "multiply")
        return [square if power == 2 else _combined(importer, node, square, flow, "multiply")]
    if power == 0.5:
        return [_behind(importer, node, flow, Activation("sqrt"))]
    raise node.refused("raises the signal to another power than 2, 3 or 0.5, which is not understood")


@operator(*ARITHMETIC)
def _arithmetic(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    values = folded(node, inputs)
    if values is not None:
        return values
    a, b = inputs
    if isinstance(a, Flow) and isinstance(b, Flow):
        flows = needs_flow(node, a, "A"), needs_flow(node, b, "B")
        return [_combined(importer, node, *flows, ARITHMETIC[node.op])]
    if isinstance(b, Flow):
        flow, constant = _spread(importer, node, needs_flow(node, b, "B"), a, "A")
        if node.op == "Div":
            flow = importer.elementwise(node, flow, Pointwise(flow.places.size, Activation("reciprocal"), importer.dtype))
    else:
        flow, constant = _spread(importer, node, needs_flow(node, a, "A"), b, "B")
        if node.op == "Div":
            constant = 1 / constant
    if node.op in ("Mul", "Div"):
        return [_scaled(importer, node, flow, constant, 0)]
    if node.op == "Sub":
        return [
            _scaled(importer, node, flow, -1, constant) if isinstance(b, Flow) else _scaled(importer, node, flow, 1, -constant)
        ]
    return [_scaled(importer, node, flow, 1, constant)]


def _scaled(importer: Importer, node: Node, flow: Flow, scale: Any, shift: Any) -> Flow:
    n = flow.places.size
    return importer.elementwise(node, flow, Affine(np.broadcast_to(scale, n), np.broadcast_to(shift, n), importer.dtype))


def _spread(importer: Importer, node: Node, flow: Flow, value: Value | None, name: str) -> tuple[Flow, NDArray[np.float64]]:
    """The flow, and a constant with a number for each of its values, as they meet: either may repeat along an axis."""
    if isinstance(value, Constant):
        array = value.array
    elif isinstance(value, Broadcast):
        array = full_rank(value)
    else:
        raise node.refused(f"its input {name} is missing")
    if array.dtype.kind != "f":
        raise node.refused(f"its input {name} is {describe(value)}, not a constant of floats")
    n_axes = max(array.ndim, rank(flow))
    flow = _lifted(importer, node, flow, n_axes)
    array = array.reshape((1,) * (n_axes - array.ndim) + array.shape)
    axes = list(flow.axes)
    for place, (size, axis) in enumerate(zip(array.shape, flow.axes, strict=True)):
        within = importer.is_within(axis)
        if size != 1 and (not within or axis.size not in (1, size)):
            expected = ", ".join(str(other.size) if importer.is_within(other) else "1" for other in flow.axes)
            raise node.refused(
                f"its input {name} has shape {array.shape}, which does not fit the values of a step, ({expected})"
            )
        if within and axis.size == 1 and size != 1:
            axes[place] = Axis(f"{node.outputs[0]}.{place}", size, "feature")
    places, spread = np.broadcast_arrays(flow.places, array.astype(np.float64))
    return replace(flow, axes=tuple(axes), places=places), spread.ravel()


def _lifted(importer: Importer, node: Node, flow: Flow, n_axes: int) -> Flow:
    """The flow with axes of size 1 put before its own, so that it has `n_axes`."""
    n_added = n_axes - len(flow.axes)
    added = tuple(importer.one(node, place) for place in range(n_added))
    return replace(flow, axes=(*added, *flow.axes), places=flow.places.reshape((1,) * n_added + flow.places.shape))


def _combined(importer: Importer, node: Node, a: Flow, b: Flow, operation: str) -> Flow:
    """Two flows, value by value, as they meet."""
    n_axes = max(len(a.axes), len(b.axes))
    a, b = _lifted(importer, node, a, n_axes), _lifted(importer, node, b, n_axes)
    axes = tuple(_met(importer, node, *pair, place) for place, pair in enumerate(zip(a.axes, b.axes, strict=True)))
    over_time = [any(importer.role(axis) == "time" and axis.size != 1 for axis in flow.axes) for flow in (a, b)]
    if (a.last, a.surplus, over_time[0]) != (b.last, b.surplus, over_time[1]):
        raise node.refused(
            f"combines {describe(a)} and {describe(b)}: every step of one with a single step of the other, or with steps at "
            "another place"
        )
    places = np.broadcast_arrays(a.places, b.places)
    reads = [importer.vector(node, replace(flow, places=own)) for flow, own in zip((a, b), places, strict=True)]
    importer.remark_last(a)
    layer: Layer = Arithmetic(places[0].size, operation, importer.dtype)
    whole = np.arange(places[0].size).reshape(places[0].shape)
    return replace(a, parts=(LayerOutput(layer, tuple(reads)),), axes=importer.anew(node, axes), places=whole)


def _met(importer: Importer, node: Node, one: Axis, other: Axis, place: int) -> Axis:
    """The axis along which two meet: they are of one kind, or one of them has size 1."""
    importer.alike(node, one, other)
    roles: Sequence[str] = [importer.role(axis) if not importer.is_within(axis) else "within" for axis in (one, other)]
    if roles[0] != roles[1] and "unknown" not in roles:
        across, within = (one, other) if roles[1] == "within" else (other, one)
        if "within" not in roles or within.size != 1:
            raise node.refused(
                f"combines the {importer.role(one)} axis of one signal with the {importer.role(other)} axis of the other"
            )
        return across
    if roles[0] == "within" and one.size == 1 and other.size != 1:
        return other
    if roles[0] == "within" and other.size not in (1, one.size):
        raise node.refused(f"combines {one.size} values with {other.size}")
    return one
