"""`record_gates`: every gate and state of a model's recurrent layers, at each step of a signal.

The engine itself gives the states: a model runs whose output is all of them, side by side. The gates follow from these by the
equations, a block of steps at a time.
"""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.door.arguments import block_of, converted, non_finite_input, real_array
from streamrnn.errors import InputError, ModelError, StreamRNNError
from streamrnn.layers import Bank, Concat, Layer, Scan
from streamrnn.layers.recipe_layer import Recurrent
from streamrnn.layers.state_output import StateOutput
from streamrnn.model import Model
from streamrnn.recipe import X
from streamrnn.recording.cell_gates import gates_of
from streamrnn.recording.figures import LayerFigures, correlation, figures_of
from streamrnn.stream import Stream

Array = NDArray[Any]
#: A snapshot, or the states of each layer by name.
Start = bytes | Sequence[Mapping[str, ArrayLike]]

#: Steps of a block: few enough that the sums of a wide layer stay small.
BLOCK = 4096


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """What a model did on a signal.

    kinds   the kind of each layer of the model; "bank of gru", "scan of lstm" for layers on the rows of a step
    layers  for each layer of the model its gates and states by name, (n_steps, units) each; {} where it has none:
            LSTM  i, f, g, o, and after the step c, h (with a projection, h is (n_steps, P))
            GRU   r, z, n, and after the step h. h' = (1 - z) n + z h: z = 1 keeps the past. Keras and torch mean the same z;
                  papers after Chung et al. (2014) turn it round
            RNN   h after the step
            own cells  their sums before any function, what earlier passes return, and after the step their states
    output  of the model, (n_steps, output_size)
    stride  rows of the signal in a step

    All arrays are of the model's dtype.
    """

    kinds: tuple[str, ...]
    layers: tuple[dict[str, Array], ...]
    output: Array
    stride: int = 1

    def __repr__(self) -> str:
        shown = [
            f"{kind}({', '.join(arrays)}; {next(iter(arrays.values())).shape[1]} units)" if arrays else kind
            for kind, arrays in zip(self.kinds, self.layers, strict=True)
        ]
        return f"<Trace {', '.join(shown)}; {self.n_steps} steps>"

    @property
    def n_steps(self) -> int:
        """Steps of the signal."""
        return len(self.output)

    @property
    def figures(self) -> tuple[LayerFigures | None, ...]:
        """For each layer what one reads off its gates, see `LayerFigures`; None where it has none."""
        pairs = zip(self.kinds, self.layers, strict=True)
        return tuple(figures_of(kind.split()[-1], arrays) if arrays else None for kind, arrays in pairs)

    def correlations(self, signal: ArrayLike) -> tuple[dict[str, Array], ...]:
        """Which gate moves with which input: for each layer and gate or state the correlation with each input.

        signal   that was recorded
        returns  for each layer name -> (input_size,): the mean over the units of |r|, where r is Pearson's correlation of a
                 unit's values with those of the input, over the steps. What never changes has r = 0

        Raises InputError for a signal of another length.
        """
        inputs = self.inputs(signal)
        return tuple({name: correlation(array, inputs) for name, array in layer.items()} for layer in self.layers)

    def inputs(self, signal: ArrayLike) -> Array:
        """Of a recorded signal the last row of each step, (n_steps, input_size). Raises InputError for another length."""
        rows = real_array("trace, signal", signal)
        if rows.ndim != 2 or len(rows) != self.n_steps * self.stride:
            expected = f"({self.n_steps * self.stride}, input_size)"
            raise InputError(f"trace, signal: shape {rows.shape} is not {expected}; give the signal that was recorded")
        return rows[self.stride - 1 :: self.stride]

    def arrays(self) -> dict[str, Array]:
        """All arrays by name: "0.f" is the forget gate of layer 0; and "output"."""
        named = {f"{index}.{name}": array for index, layer in enumerate(self.layers) for name, array in layer.items()}
        return named | {"output": self.output}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `arrays` to a file NAME.npz. Raises InputError for another name, StreamRNNError where it cannot be written."""
        if not os.fspath(path).endswith(".npz"):
            raise InputError(f"{os.fspath(path)}: a trace is saved as .npz; end the name in .npz")
        try:
            with open(path, "wb") as file:
                np.savez_compressed(file, **self.arrays())  # type: ignore[arg-type]
        except OSError as error:
            raise StreamRNNError(f"{os.fspath(path)}: cannot be written ({error.strerror})") from error

    def to_pandas(self) -> Any:
        """A pandas DataFrame with a row for each step and a column for each unit: ("0.f", 3), ("output", 0).

        Raises StreamRNNError without pandas.
        """
        try:
            import pandas
        except ImportError:
            raise StreamRNNError("to_pandas needs pandas; install it: pip install pandas") from None
        arrays = self.arrays()
        names = [(name, unit) for name, array in arrays.items() for unit in range(array.shape[1])]
        columns = pandas.MultiIndex.from_tuples(names, names=["name", "unit"])
        return pandas.DataFrame(np.concatenate(list(arrays.values()), axis=1), columns=columns)


def record_gates(model: Model, signal: ArrayLike, start: Start | None = None) -> Trace:
    """Run a model on a signal, and record the gates and states of its recurrent layers.

    signal   (n_steps, input_size); for a model whose steps take several rows (`Model.stride`), (n_steps * stride, input_size)
    start    where the signal begins: a snapshot of a `Stream` of the model, or what `Stream.states` gives; None: the initial
             states
    returns  a `Trace`, all of it in memory: n_steps x units values for each gate. `gate_blocks` gives it in parts

    States are those of a `Stream`, bit for bit. Gates are computed from them, and are within 1e-5 of the engine's own.
    Of a layer that a `Bank` or a `Scan` runs on the rows of a step, the units of all rows stand side by side, row after row.

    Raises InputError for anything but a Model, ModelError for one without recurrent layers or that cannot be streamed; what
    `Stream.process`, `restore` and `set_states` raise.
    """
    blocks = list(gate_blocks(model, signal, start=start))
    layers = [
        {name: np.concatenate([block.layers[index][name] for block in blocks]) for name in arrays}
        for index, arrays in enumerate(blocks[0].layers)
    ]
    return replace(blocks[0], layers=tuple(layers), output=np.concatenate([block.output for block in blocks]))


def gate_blocks(model: Model, signal: ArrayLike, n_steps: int = BLOCK, start: Start | None = None) -> Iterator[Trace]:
    """What `record_gates` records, in blocks of so many steps: for signals whose trace is larger than the memory.

    Raises as `record_gates` does, when the first block is asked for.
    """
    recorder = _Recorder(model, start)
    rows = block_of("record_gates", signal, model.input_size, model.stride)
    length = n_steps * model.stride
    for begin in range(0, max(1, len(rows)), length):
        block = converted(rows[begin : begin + length], model.dtype)
        if not np.isfinite(block).all():
            raise non_finite_input(block, "replace the value with a number", begin)
        yield recorder.record(block)


def _states_at(model: Model, start: Start | None) -> list[Mapping[str, ArrayLike]]:
    """The states of each layer of the model at a start. Raises SnapshotError or InputError for one of another model."""
    stream = Stream(model)
    if isinstance(start, bytes):
        stream.restore(start)
    elif start is not None:
        stream.set_states(start)
    return list(stream.states)


class _Recorder:
    """A stream of a model that gives all that the equations need, and the states before the next step."""

    def __init__(self, model: Model, start: Start | None) -> None:
        if not isinstance(model, Model):
            raise InputError(
                f"record_gates: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one, and Stream.model"
            )
        if not model.streamable:
            raise ModelError("record_gates: the model reads its input backwards and cannot be streamed; record its parts")
        self._model = model
        self._recurrent = [index for index, layer in enumerate(model.layers) if isinstance(layer.row, Recurrent)]
        if not self._recurrent:
            raise ModelError("record_gates: the model has no LSTM, GRU, RNN or own cell")
        last = len(model.layers) - 1
        for index in self._recurrent:
            if model.rows[index] != model.rows[last]:
                times = f"it runs {model.rows[index]} times a step"
                raise ModelError(f"record_gates, layer {index}: {times}; record its part alone")
        layers: list[Layer] = list(model.layers)
        sources = [tuple(each) for each in model.sources]
        states = _states_at(model, start)
        self._places: dict[tuple[int, str], slice] = {}  # (layer, vector), where it stands in the output
        joined: list[int] = []

        def join(key: tuple[int, str], source: int, size: int) -> None:
            at = sum(layers[each].output_size for each in joined)
            self._places[key] = slice(at, at + size)
            joined.append(source)

        join((last, "y"), last, model.output_size)
        for index in self._recurrent:
            layer, (source,) = model.layers[index], model.sources[index]
            cell, n_rows = _cell(layer)
            if source != -1:
                join((index, X), source, layer.input_size)
            for state, initial in cell.states.items():
                shown = index
                if state != cell.recipe.output:
                    shown = len(layers)
                    gives_state = StateOutput(cell, state)
                    layers.append(replace(layer, layer=gives_state) if isinstance(layer, Bank | Scan) else gives_state)
                    sources.append((source,))
                    states.append(states[index])
                join((index, state), shown, n_rows * initial.size)
        sizes = tuple(layers[each].output_size for each in joined)
        recorder = Model([*layers, Concat(sizes, str(model.dtype))], sources=[*sources, tuple(joined)])
        self._stream = Stream(recorder)
        self._stream.set_states([*states, {}])
        self._states = {index: states[index] for index in self._recurrent}

    def record(self, rows: Array) -> Trace:
        """The next steps."""
        found = self._stream.process(rows)
        layers: list[dict[str, Array]] = [{} for _ in self._model.layers]
        for index in self._recurrent:
            layer = self._model.layers[index]
            cell, n_rows = _cell(layer)
            after = {
                name: found[:, self._places[index, name]].reshape(len(found), n_rows, initial.size)
                for name, initial in cell.states.items()
            }
            if isinstance(layer, Scan):  # along the rows of a step, each time from the initial states
                first = {name: np.broadcast_to(initial, (len(found), 1, initial.size)) for name, initial in cell.states.items()}
                before = {name: np.concatenate([first[name], values], 1)[:, :-1] for name, values in after.items()}
            else:
                first = {name: np.reshape(vector, (1, n_rows, -1)) for name, vector in self._states[index].items()}
                before = {name: np.concatenate([first[name], values])[:-1] for name, values in after.items()}
                if len(found):
                    self._states[index] = {name: values[-1] for name, values in after.items()}
            place = self._places.get((index, X))
            inputs = rows if place is None else found[:, place]
            before[X] = inputs.reshape(len(found), n_rows, cell.input_size).astype(found.dtype, copy=False)
            layers[index] = _side_by_side(cell, before, after)
        output = found[:, self._places[len(layers) - 1, "y"]]
        return Trace(tuple(map(_kind, self._model.layers)), tuple(layers), output, self._model.stride)


def _cell(layer: Layer) -> tuple[Recurrent, int]:
    """The recurrent layer that a layer is, or that it runs on the rows of a step; and how many rows."""
    assert isinstance(layer.row, Recurrent)
    return layer.row, layer.rows if isinstance(layer, Bank | Scan) else 1


def _kind(layer: Layer) -> str:
    """The kind of a layer; of one that runs another one both, such as "bank of gru"."""
    return layer.kind if layer.row is layer else f"{layer.kind} of {layer.row.kind}"


def _side_by_side(cell: Recurrent, before: dict[str, Array], after: dict[str, Array]) -> dict[str, Array]:
    """Gates and states, (n_steps, n_rows * units), of what comes as (n_steps, n_rows, size)."""
    n_steps, n_rows, _ = before[X].shape

    def flat(vectors: dict[str, Array]) -> dict[str, Array]:
        return {name: values.reshape(n_steps * n_rows, values.shape[-1]) for name, values in vectors.items()}

    found = gates_of(cell, flat(before), flat(after)) | {name: after[name] for name in reversed(list(cell.states))}
    return {name: np.array(values).reshape(n_steps, n_rows * values.shape[-1]) for name, values in found.items()}
