"""LSTM, GRU and RNN nodes (opset 7 to 22) as layers, one for each direction: everything of their definition.

What is found of onnxruntime and followed, since it is what imports are compared with: `clip` bounds pre-activations, and not c
on its way through h.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, Layer
from streamrnn.gates import reorder
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, operator
from streamrnn_converters.onnx.operators.attributes import activations, arguments, clip, flag
from streamrnn_converters.onnx.operators.directions import Signal, outputs_of, signal_of
from streamrnn_converters.onnx.operators.recurrence_within import outputs_within
from streamrnn_converters.onnx.recurrent_kinds import INITIAL_STATES, RECURRENT_KINDS
from streamrnn_converters.onnx.values import Broadcast, Constant, Flow, Size, Value, describe
from streamrnn_converters.onnx.vectors import Source

Array = NDArray[Any]


@dataclass(frozen=True)
class _Tensors:
    """The constant inputs of a recurrent node for one direction, by their names in the ONNX definition."""

    input_weights: Array  # W: (n_gates, H, I), gates in ONNX's order
    recurrent_weights: Array  # R: (n_gates, H, H)
    input_bias: Array  # Wb: (n_gates, H)
    recurrent_bias: Array  # Rb: (n_gates, H)
    initial: tuple[Array, ...]  # (H,) each: initial_h, and of an LSTM initial_c


@operator("LSTM")
def _lstm(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    inputs = arguments(node, inputs, 8, 3)
    x = signal_of(importer, node, inputs)
    directions = _tensors(importer, node, inputs, x)
    peepholes: list[Array | None] = [None] * len(directions)
    if inputs[7] is not None:
        hidden = directions[0].input_weights.shape[1]
        rows = _constant(importer, node, inputs[7], "P", (len(directions), 3 * hidden)).reshape(-1, 3, hidden)
        peepholes = [reorder(own, "lstm.peepholes", "onnx") for own in rows]
    functions = activations(importer, node, ("Sigmoid", "Tanh", "Tanh"), len(directions))
    bound, coupled = clip(node), flag(node, "input_forget")
    layers = [
        LSTM(
            input_weights=reorder(own.input_weights, "lstm", "onnx"),
            recurrent_weights=reorder(own.recurrent_weights, "lstm", "onnx"),
            bias=reorder(own.input_bias + own.recurrent_bias, "lstm", "onnx"),
            peepholes=looks,
            initial_hidden=own.initial[0],
            initial_cell=own.initial[1],
            activations=chosen,
            dtype=importer.dtype,
            clip=bound,
            coupled=coupled,
        )
        for own, looks, chosen in zip(directions, peepholes, functions, strict=True)
    ]
    return _outputs(importer, node, x, layers, inputs[5:7])


@operator("GRU")
def _gru(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    inputs = arguments(node, inputs, 6, 2)
    x = signal_of(importer, node, inputs)
    directions = _tensors(importer, node, inputs, x)
    functions = activations(importer, node, ("Sigmoid", "Tanh"), len(directions))
    reset_after, bound = flag(node, "linear_before_reset"), clip(node)
    layers = []
    for own, chosen in zip(directions, functions, strict=True):
        bias = reorder(own.input_bias + own.recurrent_bias, "gru", "onnx")
        recurrent_bias = None
        if reset_after:
            recurrent_bias = reorder(own.recurrent_bias, "gru", "onnx")[2]
            bias[2] = reorder(own.input_bias, "gru", "onnx")[2]
        layers.append(
            GRU(
                input_weights=reorder(own.input_weights, "gru", "onnx"),
                recurrent_weights=reorder(own.recurrent_weights, "gru", "onnx"),
                bias=bias,
                recurrent_bias=recurrent_bias,
                form="reset-after" if reset_after else "reset-before",
                initial_hidden=own.initial[0],
                activations=chosen,
                dtype=importer.dtype,
                clip=bound,
            )
        )
    return _outputs(importer, node, x, layers, inputs[5:6])


@operator("RNN")
def _rnn(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    inputs = arguments(node, inputs, 6, 2)
    x = signal_of(importer, node, inputs)
    directions = _tensors(importer, node, inputs, x)
    functions, bound = activations(importer, node, ("Tanh",), len(directions)), clip(node)
    layers = [
        RNN(
            input_weights=own.input_weights,
            recurrent_weights=own.recurrent_weights,
            bias=own.input_bias + own.recurrent_bias,
            initial_hidden=own.initial[0],
            activations=chosen,
            dtype=importer.dtype,
            clip=bound,
        )
        for own, chosen in zip(directions, functions, strict=True)
    ]
    return _outputs(importer, node, x, layers, inputs[5:6])


def _outputs(importer: Importer, node: Node, x: Signal, layers: Sequence[Layer], states: Inputs) -> list[Value]:
    """What the layers give: over time, or along an axis within a step."""
    outputs = outputs_within if x.within else outputs_of
    return outputs(importer, node, x, layers, _carried(states))


def _tensors(importer: Importer, node: Node, inputs: Inputs, x: Signal) -> list[_Tensors]:
    """W, R, B and the initial states of each direction, checked against each other."""
    n_gates, states = RECURRENT_KINDS[node.op]
    n = len(x.directions)
    recurrent = _constant(importer, node, inputs[2], "R", (n, None, None))
    hidden = recurrent.shape[2]
    declared = node.take("hidden_size")
    if declared is not None and declared != hidden:
        raise node.refused(f"hidden_size={declared}, but R has shape {recurrent.shape}, which makes it {hidden}")
    _expect(node, "R", recurrent.shape, (n, n_gates * hidden, hidden))
    n_inputs = x.feature.size if isinstance(x.feature.size, int) else None
    weights = _constant(importer, node, inputs[1], "W", (n, n_gates * hidden, n_inputs))
    importer.axes_of(node)
    bias = np.zeros((n, 2 * n_gates * hidden))
    if inputs[3] is not None:
        bias = _constant(importer, node, inputs[3], "B", (n, 2 * n_gates * hidden))
    halves = bias.reshape(n, 2, n_gates, hidden)
    batch = x.batch.size if isinstance(x.batch.size, int) else None
    shape = (n, batch, hidden) if x.layout == 0 else (batch, n, hidden)
    given = [(inputs[INITIAL_STATES + index], f"initial_{state}") for index, state in enumerate(states)]
    initial = [_initial(importer, node, value, name, shape, x) for value, name in given]
    return [
        _Tensors(
            weights[k].reshape(n_gates, hidden, -1),
            recurrent[k].reshape(n_gates, hidden, hidden),
            halves[k, 0],
            halves[k, 1],
            tuple(state[k] for state in initial),
        )
        for k in range(n)
    ]


def _constant(importer: Importer, node: Node, value: Value | None, name: str, shape: tuple[int | None, ...]) -> Array:
    """A constant input as float64 (its sums are rounded once), of the shape that the operator asks for."""
    if value is None:
        raise node.refused(f"its input {name} is missing")
    if not isinstance(value, Constant):
        raise node.refused(f"its input {name} is {describe(value)}, not a constant; export the model with its weights inside")
    _expect(node, name, value.array.shape, shape)
    return _floats(importer, node, value.array, name)


def _floats(importer: Importer, node: Node, array: Array, name: str) -> Array:
    """An array of any type of floats as float64; its values must be finite in the type in which the layer computes."""
    if array.dtype.name not in importer.precision.kinds:
        if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
            raise node.refused(f"its input {name} is of type {array.dtype}, not of floats")
        importer.remark(f"node {node.name!r} ({node.op}): {name} was converted from {array.dtype} to {importer.dtype}")
    with np.errstate(invalid="ignore", over="ignore"):  # a signalling NaN, refused below like any other
        finite = np.isfinite(array.astype(importer.dtype, copy=False)).all()
    if not finite:
        raise node.refused(
            f"its input {name} has values that are not finite in {importer.dtype}; the model was not trained or saved well"
        )
    wide: Array = array.astype(np.float64)
    return wide


def _expect(node: Node, name: str, have: tuple[int | Size | None, ...], want: tuple[int | None, ...]) -> None:
    if len(have) != len(want) or any(w not in (None, h) for h, w in zip(have, want, strict=True)) or 0 in have:
        wanted = ", ".join("any" if size is None else str(size) for size in want)
        raise node.refused(f"its input {name} has shape {have}, expected ({wanted})")


def _initial(importer: Importer, node: Node, value: Value | None, name: str, shape: tuple[int | None, ...], x: Signal) -> Array:
    """The initial state of one signal, (n_directions, H), from that of all signals of the batch, which must be the same.

    Zeros, if a graph input brings it: whoever carries states from run to run begins with those.
    """
    hidden, n = shape[2], len(x.directions)
    assert hidden is not None
    if value is None:
        return np.zeros((n, hidden))
    if isinstance(value, Flow) and _carried([value]) != (None,):
        if x.directions != ("forward",):
            raise node.refused(f"its {name} is a graph input, but what is read backwards cannot go on; export it as a constant")
        _check_state(node, value, name, shape)
        return np.zeros((n, hidden))
    if not isinstance(value, Constant | Broadcast):
        raise node.refused(
            f"its {name} is {describe(value)}, not a constant, nor what a graph input brings; export the model with such "
            "states as inputs and the final ones as outputs"
        )
    if isinstance(value, Constant):
        array = _constant(importer, node, value, name, shape)
    else:
        _expect(node, name, value.sizes, shape)
        array = _floats(importer, node, value.array, name)
    whole = np.broadcast_to(array, np.broadcast_shapes(array.shape, (n, 1, hidden) if x.layout == 0 else (1, n, hidden)))
    signals = np.moveaxis(whole, 1 - x.layout, 0)
    if not (signals == signals[0]).all():
        raise node.refused(f"its {name} differs between the signals of the batch; a model has one initial state")
    one: Array = signals[0].copy()
    return one


def _carried(states: Inputs) -> tuple[Flow | None, ...]:
    """Those of the states that graph inputs bring; None for the others."""
    return tuple(
        value if isinstance(value, Flow) and all(isinstance(part, Source) for part, _ in value.elements()) else None
        for value in states
    )


def _check_state(node: Node, flow: Flow, name: str, shape: tuple[int | None, ...]) -> None:
    """Check the shape of a state that graph inputs bring."""
    sizes = (axis.size for axis in flow.axes)
    _expect(node, name, tuple(own if isinstance(own, int) else want for own, want in zip(sizes, shape, strict=True)), shape)
