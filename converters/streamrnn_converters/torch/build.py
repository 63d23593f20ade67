"""Makes the layers of a model from parts and their tensors."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, RNN, Arithmetic, Concat, Dense, Layer, Model, Reverse, Select
from streamrnn.activation import LINEAR, TANH
from streamrnn.errors import ConversionError, ModelError
from streamrnn.gates import GATE_ORDERS, reorder
from streamrnn_converters.torch.parts import N_GATES, SKIP, Part
from streamrnn_converters.torch.tensors import Tensors

_STACKED = re.compile(r"(?:weight|bias)_(?:ih|hh|hr)_l(\d+)(_reverse)?")


class _LayerList:
    """The layers of a model so far, and the sources of each."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.sources: list[tuple[int, ...]] = []

    def add(self, layer: Layer, *sources: int) -> int:
        """Add a layer that reads `sources`, or else the last layer. Returns its index."""
        self.sources.append(sources or (self.last,))
        self.layers.append(layer)
        return self.last

    @property
    def last(self) -> int:
        """The index of the last layer; -1, the input, where there is none."""
        return len(self.layers) - 1


def build(parts: Sequence[Part], tensors: Tensors, dtype: str, notes: Mapping[str, Any], *, offline: bool = False) -> Model:
    """The model of all parts. Raises ConversionError, naming part and tensor, unless every tensor fits and is used.

    offline  whether modules may be bidirectional, which only whole recordings allow
    """
    model = _LayerList()
    before = None
    for part in parts:
        begin = model.last + 1
        try:
            if part.kind == SKIP:
                _skip(model, dtype)
                continue
            if part.kind == "dense":
                model.add(_dense(part, tensors, dtype))
            else:
                _recurrent(model, part, tensors, dtype, offline)
        except (ConversionError, ModelError) as error:
            raise ConversionError(f"{part}: {error}") from error
        takes = model.layers[begin].input_size
        if before is not None and takes != model.layers[begin - 1].output_size:
            raise ConversionError(
                f"{part}: takes {takes} values, but {before} before it gives {model.layers[begin - 1].output_size}"
            )
        before = part
    if tensors.unused:
        names = ", ".join(map(repr, tensors.unused))
        described = ", ".join(map(str, parts))
        raise ConversionError(f"not used by {described}: {names}; describe their layers, or leave them out")
    return Model(model.layers, notes, model.sources)


def _skip(model: _LayerList, dtype: str) -> None:
    """Add the first values of the model's input to its output, as many as that has."""
    if not model.layers:
        raise ConversionError("comes before the layers to whose output it adds the input; name it after them")
    core, n_inputs, n_outputs = model.last, model.layers[0].input_size, model.layers[-1].output_size
    if n_outputs > n_inputs:
        raise ConversionError(f"adds the input to the output, but the model takes {n_inputs} values and gives {n_outputs}")
    source = -1 if n_outputs == n_inputs else model.add(Select(n_inputs, tuple(range(n_outputs)), dtype), -1)
    model.add(Arithmetic(n_outputs, "add", dtype), core, source)


def _dense(part: Part, tensors: Tensors, dtype: str) -> Dense:
    """torch.nn.Linear."""
    weight = tensors.take(part.tensor("weight"), None, None)
    has_bias = part.tensor("bias") in tensors
    bias = tensors.take(part.tensor("bias"), len(weight)) if has_bias else np.zeros(len(weight))
    return Dense(weight, bias, part.activation or LINEAR, dtype)


def _recurrent(model: _LayerList, part: Part, tensors: Tensors, dtype: str, offline: bool) -> None:
    """torch.nn.LSTM, GRU or RNN, or a Cell, whose names have no "_l0"."""
    if part.tensor("weight_ih") in tensors:
        model.add(_cell(part, tensors, dtype, "", None))
        return
    n_layers, both_ways = 1, False
    for name in tensors.shapes:
        match = _STACKED.fullmatch(name.removeprefix(part.tensor("")))
        if match and name == part.tensor(match[0]):
            if match[2] and not offline:
                raise ConversionError(
                    f"tensor {name!r} belongs to a bidirectional module, which cannot be streamed, the backward pass needs the "
                    "end of the signal; train it with bidirectional=False, or import it for whole recordings by "
                    "from_torch(…, offline=True)"
                )
            n_layers, both_ways = max(n_layers, int(match[1]) + 1), both_ways or bool(match[2])
    n_inputs = None
    for index in range(n_layers):
        forward = _cell(part, tensors, dtype, f"_l{index}", n_inputs)
        before = model.last
        there = model.add(forward, before)
        if both_ways:
            model.add(Reverse(forward.input_size, dtype), before)
            model.add(_cell(part, tensors, dtype, f"_l{index}_reverse", forward.input_size))
            back = model.add(Reverse(model.layers[-1].output_size, dtype))
            model.add(Concat((forward.output_size, model.layers[-1].output_size), dtype), there, back)
        n_inputs = model.layers[-1].output_size


def _cell(part: Part, tensors: Tensors, dtype: str, suffix: str, n_inputs: int | None) -> Layer:
    """One layer of the tensors "weight_ih" + suffix and so on; n_inputs is the size of the layer before, None for the first."""
    kind, n_gates = part.kind, N_GATES[part.kind]

    def name(of: str) -> str:
        return part.tensor(of + suffix)

    input_weights = tensors.take(name("weight_ih"), None, n_inputs)
    n_rows = len(input_weights)
    hidden, remainder = divmod(n_rows, n_gates)
    if remainder:
        raise ConversionError(f"tensor {name('weight_ih')!r}: {n_rows} rows are not {n_gates} gates of one size")
    projection = tensors.take(name("weight_hr"), None, hidden) if kind == "lstm" and name("weight_hr") in tensors else None
    outputs = hidden if projection is None else len(projection)
    recurrent_weights = tensors.take(name("weight_hh"), n_rows, outputs)
    has_bias = name("bias_ih") in tensors or name("bias_hh") in tensors
    input_bias, recurrent_bias = (
        tensors.take(name(bias), n_rows).astype(np.float64).reshape(n_gates, hidden)
        if has_bias
        else np.zeros((n_gates, hidden))
        for bias in ("bias_ih", "bias_hh")
    )
    of_inputs, of_states = (_gates(kind, array.reshape(n_gates, hidden, -1)) for array in (input_weights, recurrent_weights))
    bias = input_bias + recurrent_bias
    if kind == "lstm":
        return LSTM(of_inputs, of_states, _gates(kind, bias), projection=projection, dtype=dtype)
    if kind == "gru":
        candidate = GATE_ORDERS["gru"]["torch"].index("n")
        bias[candidate] = input_bias[candidate]  # its other bias is multiplied by the reset gate
        return GRU(of_inputs, of_states, _gates(kind, bias), recurrent_bias[candidate], form="reset-after", dtype=dtype)
    return RNN(of_inputs, of_states, bias, activations=(part.activation or TANH,), dtype=dtype)


def _gates(kind: str, gates: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Gates, (n_gates, H, …), from torch's order to that of a layer; a plain RNN has one gate."""
    return reorder(gates, kind, "torch") if kind in GATE_ORDERS else gates
