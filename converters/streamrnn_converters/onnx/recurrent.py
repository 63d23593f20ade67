"""LSTM, GRU and RNN nodes (opset 7 to 22) as layers: everything of their definition that can be streamed.

What is found of onnxruntime and followed, since it is what imports are compared with: alpha and beta are consumed, in order, by
those activations that have them; `clip` bounds pre-activations, and not c on its way through h. Not followed: it takes alpha
and beta that are left out for 0 where Affine and ThresholdedRelu have other defaults.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, Activation, Layer
from streamrnn.gates import reorder
from streamrnn_converters.onnx.interpret import Inputs, Walk, needs_flow, operator
from streamrnn_converters.onnx.parse import Node
from streamrnn_converters.onnx.values import Axis, Constant, Flow, Size, Spread, Value, describe
from streamrnn_converters.onnx.vectors import Applied, Final, Source

Array = NDArray[Any]

#: ONNX's names, in lower case, to ours.
ACTIVATIONS = {
    "affine": "affine",
    "elu": "elu",
    "hardsigmoid": "hard_sigmoid",
    "leakyrelu": "leaky_relu",
    "relu": "relu",
    "scaledtanh": "scaled_tanh",
    "sigmoid": "sigmoid",
    "softplus": "softplus",
    "softsign": "softsign",
    "tanh": "tanh",
    "thresholdedrelu": "thresholded_relu",
}


#: The attributes of all three operators, and what their values must be.
_ATTRIBUTES: dict[str, tuple[type, bool]] = {
    "activation_alpha": (float, True),
    "activation_beta": (float, True),
    "activations": (str, True),
    "clip": (float, False),
    "direction": (str, False),
    "hidden_size": (int, False),
    "input_forget": (int, False),
    "layout": (int, False),
    "linear_before_reset": (int, False),
}


@dataclass(frozen=True)
class _Tensors:
    """The constant inputs of a recurrent node, by their names in the ONNX definition, the axis of directions gone."""

    input_weights: Array  # W: (n_gates, H, I), gates in ONNX's order
    recurrent_weights: Array  # R: (n_gates, H, H)
    input_bias: Array  # Wb: (n_gates, H)
    recurrent_bias: Array  # Rb: (n_gates, H)
    initial: tuple[Array, ...]  # (H,) each: initial_h, and of an LSTM initial_c
    carried: tuple[Flow | None, ...]  # where these come from graph inputs, those; else None


@operator("LSTM")
def _lstm(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    inputs = _arguments(node, inputs, 8, 3)
    x, layout = _signal(walk, node, inputs)
    tensors = _tensors(walk, node, inputs, x, layout, n_gates=4, n_states=2)
    hidden = tensors.input_weights.shape[1]
    peepholes = None
    if inputs[7] is not None:
        peepholes = reorder(_constant(walk, node, inputs[7], "P", (1, 3 * hidden)).reshape(3, hidden), "lstm.peepholes", "onnx")
    layer = LSTM(
        input_weights=reorder(tensors.input_weights, "lstm", "onnx"),
        recurrent_weights=reorder(tensors.recurrent_weights, "lstm", "onnx"),
        bias=reorder(tensors.input_bias + tensors.recurrent_bias, "lstm", "onnx"),
        peepholes=peepholes,
        initial_hidden=tensors.initial[0],
        initial_cell=tensors.initial[1],
        activations=_activations(walk, node, ("Sigmoid", "Tanh", "Tanh")),
        dtype=walk.dtype,
        clip=_clip(node),
        coupled=_flag(node, "input_forget"),
    )
    return _outputs(walk, node, x, layer, layout, tensors.carried)


@operator("GRU")
def _gru(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    inputs = _arguments(node, inputs, 6, 2)
    x, layout = _signal(walk, node, inputs)
    tensors = _tensors(walk, node, inputs, x, layout, n_gates=3, n_states=1)
    reset_after = _flag(node, "linear_before_reset")
    bias = reorder(tensors.input_bias + tensors.recurrent_bias, "gru", "onnx")
    recurrent_bias = None
    if reset_after:
        recurrent_bias = reorder(tensors.recurrent_bias, "gru", "onnx")[2]
        bias[2] = reorder(tensors.input_bias, "gru", "onnx")[2]
    layer = GRU(
        input_weights=reorder(tensors.input_weights, "gru", "onnx"),
        recurrent_weights=reorder(tensors.recurrent_weights, "gru", "onnx"),
        bias=bias,
        recurrent_bias=recurrent_bias,
        form="reset-after" if reset_after else "reset-before",
        initial_hidden=tensors.initial[0],
        activations=_activations(walk, node, ("Sigmoid", "Tanh")),
        dtype=walk.dtype,
        clip=_clip(node),
    )
    return _outputs(walk, node, x, layer, layout, tensors.carried)


@operator("RNN")
def _rnn(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    inputs = _arguments(node, inputs, 6, 2)
    x, layout = _signal(walk, node, inputs)
    tensors = _tensors(walk, node, inputs, x, layout, n_gates=1, n_states=1)
    layer = RNN(
        input_weights=tensors.input_weights,
        recurrent_weights=tensors.recurrent_weights,
        bias=tensors.input_bias + tensors.recurrent_bias,
        initial_hidden=tensors.initial[0],
        activations=_activations(walk, node, ("Tanh",)),
        dtype=walk.dtype,
        clip=_clip(node),
    )
    return _outputs(walk, node, x, layer, layout, tensors.carried)


def _arguments(node: Node, inputs: Inputs, most_inputs: int, most_outputs: int) -> Inputs:
    """All inputs of the operator, None where one is left out. Refuses more of them, and attributes of a wrong type."""
    for what, have, most in (("inputs", len(inputs), most_inputs), ("outputs", len(node.outputs), most_outputs)):
        if have > most:
            raise node.refused(f"it has {have} {what}, but the operator has {most}")
    for name, value in node.attributes.items():
        kind, repeated = _ATTRIBUTES.get(name, (object, False))
        if isinstance(value, list) != repeated and kind is not object:
            raise node.refused(f"{name}={value!r} is {'not a list' if repeated else 'a list'}; export the model again")
        for item in value if repeated else [value]:
            if not isinstance(item, kind):
                raise node.refused(f"{name}={value!r} is not of type {kind.__name__}; export the model again")
    return [*inputs, *[None] * (most_inputs - len(inputs))]


def _signal(walk: Walk, node: Node, inputs: Inputs) -> tuple[Flow, int]:
    """X with its axes bound, and the layout. Refuses directions and lengths that cannot be streamed."""
    direction = node.take("direction", "forward")
    if direction != "forward":
        raise node.refused(
            f"direction={direction!r} cannot be streamed, the backward pass needs the end of the signal; export it as 'forward'"
        )
    if inputs[4] is not None:
        raise node.refused("sequence_lens is given: a stream has no length that is known beforehand; export without it")
    layout = node.take("layout", 0)
    if layout not in (0, 1):
        raise node.refused(f"layout={layout!r} is neither 0 nor 1")
    x = needs_flow(node, inputs[0], "X")
    if len(x.axes) != 3:
        raise node.refused(f"its input X has {len(x.axes)} axes, expected 3: time, batch and feature")
    if x.last:
        raise node.refused("its input is the last step of a signal only; export the model so that it gets every step")
    if x.surplus:
        raise node.refused(f"its input has {x.surplus} steps more than the model's; cut them off at its end")
    for axis, role in zip(x.axes, ("time", "batch") if layout == 0 else ("batch", "time"), strict=False):
        walk.bind(node, axis, role)
    walk.bind(node, x.axes[2], "feature")
    return x, layout


def _tensors(walk: Walk, node: Node, inputs: Inputs, x: Flow, layout: int, n_gates: int, n_states: int) -> _Tensors:
    """W, R, B and the initial states, checked against each other."""
    recurrent = _constant(walk, node, inputs[2], "R", (1, None, None))
    hidden = recurrent.shape[2]
    declared = node.take("hidden_size")
    if declared is not None and declared != hidden:
        raise node.refused(f"hidden_size={declared}, but R has shape {recurrent.shape}, which makes it {hidden}")
    _expect(node, "R", recurrent.shape, (1, n_gates * hidden, hidden))
    n_inputs = x.axes[2].size if isinstance(x.axes[2].size, int) else None
    weights = _constant(walk, node, inputs[1], "W", (1, n_gates * hidden, n_inputs))
    walk.bind(node, x.axes[2], "feature", weights.shape[2])
    bias = np.zeros((1, 2 * n_gates * hidden))
    if inputs[3] is not None:
        bias = _constant(walk, node, inputs[3], "B", (1, 2 * n_gates * hidden))
    halves = bias.reshape(2, n_gates, hidden)
    n_signals = x.axes[1 - layout].size
    batch = n_signals if isinstance(n_signals, int) else None
    states = (1, batch, hidden) if layout == 0 else (batch, 1, hidden)
    given = [(inputs[5 + index], f"initial_{'hc'[index]}") for index in range(n_states)]
    return _Tensors(
        weights.reshape(n_gates, hidden, -1),
        recurrent.reshape(n_gates, hidden, hidden),
        halves[0],
        halves[1],
        tuple(_initial(walk, node, value, name, states, layout) for value, name in given),
        tuple(value if isinstance(value, Flow) else None for value, _ in given),
    )


def _constant(walk: Walk, node: Node, value: Value | None, name: str, shape: tuple[int | None, ...]) -> Array:
    """A constant input as float64 (its sums are rounded once), of the shape that the operator asks for."""
    if value is None:
        raise node.refused(f"its input {name} is missing")
    if not isinstance(value, Constant):
        raise node.refused(f"its input {name} is {describe(value)}, not a constant; export the model with its weights inside")
    _expect(node, name, value.array.shape, shape)
    return _floats(walk, node, value.array, name)


def _floats(walk: Walk, node: Node, array: Array, name: str) -> Array:
    """An array of any type of floats as float64; its values must be finite in the type in which the layer computes."""
    if array.dtype.name not in walk.precision.kinds:
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            raise node.refused(f"its input {name} is of type {array.dtype}, not of floats")
        walk.remark(f"node {node.name!r} ({node.op}): {name} was converted from {array.dtype} to {walk.dtype}")
    with np.errstate(invalid="ignore", over="ignore"):  # a signalling NaN, refused below like any other
        finite = np.isfinite(array.astype(walk.dtype, copy=False)).all()
    if not finite:
        raise node.refused(
            f"its input {name} has values that are not finite in {walk.dtype}; the model was not trained or saved well"
        )
    wide: Array = array.astype(np.float64)
    return wide


def _expect(node: Node, name: str, have: tuple[int | Size | None, ...], want: tuple[int | None, ...]) -> None:
    if len(have) != len(want) or any(w not in (None, h) for h, w in zip(have, want, strict=True)) or 0 in have:
        wanted = ", ".join("any" if size is None else str(size) for size in want)
        raise node.refused(f"its input {name} has shape {have}, expected ({wanted})")


def _initial(walk: Walk, node: Node, value: Value | None, name: str, shape: tuple[int | None, ...], layout: int) -> Array:
    """The initial state of one signal, (H,), from that of all signals of the batch, which must be the same.

    Zeros, if a graph input brings it: whoever carries states from run to run begins with those.
    """
    hidden = shape[2]
    assert hidden is not None
    if value is None:
        return np.zeros(hidden)
    if isinstance(value, Flow) and all(isinstance(part, Source) for part in value.parts):
        _carried(walk, node, value, name, shape, batch=1 - layout)
        return np.zeros(hidden)
    if not isinstance(value, Constant | Spread):
        raise node.refused(f"its {name} is {describe(value)}, not a constant")
    if isinstance(value, Constant):
        array = _constant(walk, node, value, name, shape)
    else:
        _expect(node, name, value.sizes, shape)
        array = _floats(walk, node, value.array, name)
    rows = np.broadcast_to(array, np.broadcast_shapes(array.shape, (1, 1, hidden))).reshape(-1, hidden)
    if not (rows == rows[0]).all():
        raise node.refused(f"its {name} differs between the signals of the batch; a model has one initial state")
    row: Array = rows[0].copy()
    return row


def _carried(walk: Walk, node: Node, flow: Flow, name: str, shape: tuple[int | None, ...], batch: int) -> None:
    """Take graph inputs for states that the caller carries from run to run."""
    walk.axes.states |= {part.name for part in flow.parts if isinstance(part, Source)}
    sizes = (axis.size for axis in flow.axes)
    _expect(node, name, tuple(own if isinstance(own, int) else want for own, want in zip(sizes, shape, strict=True)), shape)
    for place, axis in enumerate(flow.axes):
        walk.bind(node, axis, "batch" if place == batch else "feature", shape[place])


def _activations(walk: Walk, node: Node, default: tuple[str, ...]) -> tuple[Activation, ...]:
    """The activations, each with what it consumes of alpha and beta."""
    names = node.take("activations") or list(default)
    given = {name: list(node.take(f"activation_{name}") or []) for name in ("alpha", "beta")}
    if len(names) != len(default):
        raise node.refused(f"activations={names} are {len(names)}, expected {len(default)}")
    chosen = []
    for name in names:
        known = ACTIVATIONS.get(name.lower())
        if known is None:
            raise node.refused(f"activation {name!r} is not one of ONNX's: {', '.join(sorted(ACTIVATIONS))}")
        has = dict(zip(("alpha", "beta"), Activation.DEFAULTS[known], strict=True))
        taken = {p: given[p].pop(0) for p in ("alpha", "beta") if has[p] is not None and given[p]}
        missing = [p for p in ("alpha", "beta") if has[p] is not None and p not in taken]
        if missing and known == "scaled_tanh":
            raise node.refused(f"activation {name!r} has no {missing[0]}, and ONNX gives it no default; export it with one")
        if missing and known in ("affine", "thresholded_relu"):
            walk.remark(
                f"node {node.name!r} ({node.op}): {name} has no {' and '.join(missing)}: ONNX's default holds, but onnxruntime "
                "takes 0"
            )
        chosen.append(Activation(known, **taken))
    for parameter, left in given.items():
        if left:
            raise node.refused(
                f"activation_{parameter} has {len(left)} values more than {', '.join(names)} take, so that it is not sure "
                "which belongs to which; export one for each activation that has it, in their order"
            )
    return tuple(chosen)


def _clip(node: Node) -> float | None:
    clip = node.take("clip")
    if clip is not None and not clip > 0:
        raise node.refused(f"clip={clip} is not positive")
    return clip if clip is None or clip < 3e38 else None


def _flag(node: Node, name: str) -> bool:
    value = node.take(name, 0)
    if value not in (0, 1):
        raise node.refused(f"{name}={value!r} is neither 0 nor 1")
    return bool(value)


def _outputs(walk: Walk, node: Node, x: Flow, layer: Layer, layout: int, carried: tuple[Flow | None, ...]) -> list[Value]:
    """Y, Y_h and, of an LSTM, Y_c."""
    applied = Applied(layer, (walk.vector(node, x),))
    for state, flow in zip(layer.states, carried, strict=True):
        if flow is not None:
            walk.initial[applied, state] = flow
    time, batch = (x.axes[place] for place in ((0, 1) if layout == 0 else (1, 0)))
    name = next(filter(None, node.outputs))
    feature = Axis(f"{name}.feature", layer.output_size, "feature")
    direction, layers = Axis(f"{name}.direction", 1, "one"), Axis(f"{name}.layer", 1, "layer")
    y = (time, direction, batch, feature) if layout == 0 else (batch, time, direction, feature)
    last = (layers, batch, feature) if layout == 0 else (batch, layers, feature)
    whole = np.arange(layer.output_size)
    states = [Flow((Final(applied, state),), whole[None, None], last, last=time.size != 1) for state in layer.states]
    return [Flow((applied,), whole[None, None, None], y), *states]
