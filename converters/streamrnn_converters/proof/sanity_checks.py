"""What looks wrong in a model that is not refused for it: forms that its producer does not have, weights nobody has trained."""

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
    """A sentence for each thing about a model that looks wrong; none of them proves it so.

    A GRU in the reset-before form, which torch does not have, from a torch exporter; a tensor, or the part of one gate, all of
    whose weights are the same; gates of more than half of a layer's units that are open or shut at every step of a signal of
    normally distributed numbers; units that never move.
    """
    return (*_forms(model), *_weights(model), *_units(model, seed))


def _forms(model: Model) -> Iterator[str]:
    producer = str(model.notes.get("source", {}).get("producer", ""))
    for index, layer in enumerate(model.layers):
        if isinstance(layer, GRU) and layer.form == "reset-before" and "torch" in producer.lower():
            yield (
                f"{_named(index, layer)}: is reset-before (linear_before_reset=0), but {producer!r} made the file, and torch "
                "has reset-after only; compare with the model in torch itself"
            )


def _weights(model: Model) -> Iterator[str]:
    for index, layer in enumerate(model.layers):
        for name, tensor in layer.tensors().items():
            if name not in _WEIGHTS or tensor.size < 2:
                continue
            if (tensor == tensor.flat[0]).all():
                yield f"{_named(index, layer)}: all {tensor.size} numbers of {name} are {tensor.flat[0]:g}; were they trained?"
            elif isinstance(layer, LSTM | GRU) and tensor[0].size > 1 and len(tensor) == len(_order(layer)):
                for gate, own in zip(_order(layer), tensor, strict=True):
                    if (own == own.flat[0]).all():
                        same = f"all {own.size} numbers of {name} of gate {gate!r} are {own.flat[0]:g}"
                        yield f"{_named(index, layer)}: {same}; were they trained?"


def _units(model: Model, seed: int) -> Iterator[str]:
    """What can be told of units by watching them."""
    signal = _signal(model, seed)
    for index, layer in enumerate(model.layers):
        if not isinstance(layer, LSTM | GRU | RNN):
            continue
        x = _reaching(model, index, signal)
        states = _watched(Model([layer]), x)[1]
        if len(states) < 2:
            continue
        hidden = np.array([step["h"] for step in states])
        still = int(np.count_nonzero((hidden == hidden[0]).all(axis=0)))
        if 2 * still > hidden.shape[1]:
            yield f"{_named(index, layer)}: {still} of {hidden.shape[1]} units never change on a normal signal; they are dead"
        if isinstance(layer, LSTM | GRU) and layer.activations[0] == SIGMOID:
            for gate, values in _gates(layer, x[: len(states)], states).items():
                yield from _stuck(_named(index, layer), gate, values)


def _stuck(where: str, gate: str, values: Array) -> Iterator[str]:
    """Of a gate's values, (n_steps, H): whether they stay at one end in most units."""
    n_units = values.shape[1]
    for always, verb in ((values > _OPEN, f"open (above {_OPEN})"), (values < _SHUT, f"shut (below {_SHUT})")):
        stuck = int(np.count_nonzero(always.all(axis=0)))
        if 2 * stuck > n_units:
            yield f"{where}: the {_GATES[gate]} gate of {stuck} of {n_units} units is {verb} at every step of a normal signal"


def _gates(layer: LSTM | GRU, x: Array, states: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
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


def _reaching(model: Model, index: int, signal: Array) -> Array:
    """What a layer gets of a signal, step by step in its own direction: up to where a layer before it overflows."""
    (source,) = model.sources[index]
    if source == -1:
        return signal
    before = up_to(model, source)
    if before.streamable:
        return _watched(before, signal)[0]
    try:
        return run_offline(before, signal)
    except (NonFiniteStateError, InputError):
        return np.zeros((0, before.output_size))


def _watched(model: Model, signal: Array) -> tuple[Array, list[dict[str, Array]]]:
    """What a stream gives, and the state of the last layer after each step: up to where it overflows, or refuses the input."""
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
    """Normally distributed numbers; where a model looks numbers up, those that the smallest of its tables has."""
    rng = np.random.default_rng(seed)
    shape = _STEPS, model.input_size
    tables = [len(layer.table) for layer in model.layers if isinstance(layer, Embedding)]
    return (rng.integers(0, min(tables), shape) if tables else rng.normal(size=shape)).astype(model.dtype)


def _order(layer: Layer) -> str:
    return GATE_ORDERS[layer.kind]["streamrnn"]


def _named(index: int, layer: Layer) -> str:
    return f"layer {index} ({layer.kind})"
