"""What looks wrong in a model but is no error: a form that its producer does not have, weights that look untrained."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, Embedding, InputError, Layer, Model, NonFiniteStateError, Stream, run_offline
from streamrnn.activation import SIGMOID
from streamrnn.gates import GATE_ORDERS
from streamrnn_converters.numpy_cells import gru_gates, lstm_cell
from streamrnn_converters.proof.submodel import up_to

Array = NDArray[Any]

_WEIGHTS = {"input_weights", "recurrent_weights", "weights", "projection", "peepholes", "table"}
_GATES = {"i": "input", "f": "forget", "o": "output", "r": "reset", "z": "update"}
_STEPS = 300
_OPEN, _SHUT = 0.99, 0.01


def suspicions(model: Model, seed: int = 0) -> tuple[str, ...]:
    """A sentence for each thing about a model that looks wrong. It may still be right.

    A GRU in the reset-before form, which torch does not have, in a file by torch. A tensor, or the part of one gate, whose
    weights are all the same. Gates of more than half of a layer's units that stay open or shut, and units that never change,
    over a signal of normally distributed numbers.
    """
    return (*_check_forms(model), *_check_weights(model), *_check_units(model, seed))


def _check_forms(model: Model) -> Iterator[str]:
    producer = str(model.notes.get("source", {}).get("producer", ""))
    for index, layer in enumerate(model.layers):
        if isinstance(layer, GRU) and layer.form == "reset-before" and "torch" in producer.lower():
            yield (
                f"{_name(index, layer)}: is reset-before (linear_before_reset=0), but {producer!r} made the file, and torch "
                "has reset-after only; compare with the model in torch itself"
            )


def _check_weights(model: Model) -> Iterator[str]:
    for index, layer in enumerate(model.layers):
        for name, tensor in layer.tensors().items():
            if name not in _WEIGHTS or tensor.size < 2:
                continue
            if (tensor == tensor.flat[0]).all():
                yield f"{_name(index, layer)}: all {tensor.size} numbers of {name} are {tensor.flat[0]:g}; were they trained?"
            elif isinstance(layer, LSTM | GRU) and tensor[0].size > 1 and len(tensor) == len(_order(layer)):
                for gate, own in zip(_order(layer), tensor, strict=True):
                    if (own == own.flat[0]).all():
                        same = f"all {own.size} numbers of {name} of gate {gate!r} are {own.flat[0]:g}"
                        yield f"{_name(index, layer)}: {same}; were they trained?"


def _check_units(model: Model, seed: int) -> Iterator[str]:
    signal = _signal(model, seed)
    for index, layer in enumerate(model.layers):
        if not isinstance(layer, LSTM | GRU | RNN):
            continue
        x = _layer_input(model, index, signal)
        states = _run(Model([layer]), x)[1]
        if len(states) < 2:
            continue
        hidden = np.array([step["h"] for step in states])
        dead = int(np.count_nonzero((hidden == hidden[0]).all(axis=0)))
        if 2 * dead > hidden.shape[1]:
            yield f"{_name(index, layer)}: {dead} of {hidden.shape[1]} units never change on a normal signal; they are dead"
        if isinstance(layer, LSTM | GRU) and layer.activations[0] == SIGMOID:
            for gate, values in gate_values(layer, x[: len(states)], states).items():
                yield from _check_gate(_name(index, layer), gate, values)


def _check_gate(where: str, gate: str, values: Array) -> Iterator[str]:
    """Whether the values of a gate, (n_steps, H), stay open or shut in most units."""
    n_units = values.shape[1]
    for always, verb in ((values > _OPEN, f"open (above {_OPEN})"), (values < _SHUT, f"shut (below {_SHUT})")):
        stuck = int(np.count_nonzero(always.all(axis=0)))
        if 2 * stuck > n_units:
            yield f"{where}: the {_GATES[gate]} gate of {stuck} of {n_units} units is {verb} at every step of a normal signal"


def gate_values(layer: LSTM | GRU, x: Array, states: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The values of the sigmoid gates by letter, (n_steps, H), from the layer's input and the states after each step."""
    before = [dict(layer.states), *states[:-1]]
    hidden = np.array([step["h"] for step in before], float)
    sums = np.einsum("ghi,ti->gth", layer.input_weights, x, dtype=float)
    sums += np.einsum("ghp,tp->gth", layer.recurrent_weights, hidden, dtype=float) + layer.bias[:, None, :]
    by_letter = dict(zip(_order(layer), sums, strict=True))
    if isinstance(layer, GRU):
        return gru_gates(by_letter, layer.activations[0], layer.clip)
    cells = np.array([step["c"] for step in before], float)
    letters = GATE_ORDERS["lstm.peepholes"]["streamrnn"]
    peepholes = None if layer.peepholes is None else dict(zip(letters, layer.peepholes, strict=True))
    return lstm_cell(by_letter, cells, layer.activations, peepholes=peepholes, clip=layer.clip, coupled=layer.coupled)[0]


def _layer_input(model: Model, index: int, signal: Array) -> Array:
    """The signal that reaches a layer, in the direction of its steps; it ends where a layer before it overflows."""
    (source,) = model.sources[index]
    if source == -1:
        return signal
    before = up_to(model, source)
    if before.streamable:
        return _run(before, signal)[0]
    try:
        return run_offline(before, signal)
    except (NonFiniteStateError, InputError):
        return np.zeros((0, before.output_size))


def _run(model: Model, signal: Array) -> tuple[Array, list[dict[str, Array]]]:
    """The outputs, and the states of the last layer after each step, up to where the model overflows or refuses the input."""
    stream = Stream(model)
    rows, states = [], []
    try:
        for x in signal:
            rows.append(stream.step(x))
            states.append(stream.states[-1])
    except (NonFiniteStateError, InputError):
        pass
    return np.array(rows).reshape(len(rows), model.output_size), states


def _signal(model: Model, seed: int) -> Array:
    """Normally distributed numbers; for a model with tables, indices that the smallest of them has."""
    rng = np.random.default_rng(seed)
    shape = _STEPS, model.input_size
    tables = [len(layer.table) for layer in model.layers if isinstance(layer, Embedding)]
    return (rng.integers(0, min(tables), shape) if tables else rng.normal(size=shape)).astype(model.dtype)


def _order(layer: Layer) -> str:
    return GATE_ORDERS[layer.kind]["streamrnn"]


def _name(index: int, layer: Layer) -> str:
    return f"layer {index} ({layer.kind})"
