"""What each of a number of arrays could be, by its shape: input or recurrent weights, a bias, a dense head."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConversionError
from streamrnn_converters.torch.parts import N_GATES

Array = NDArray[np.float64]
_MOST = 10  # two matrices, two biases, three peepholes, a projection, a head of two arrays


@dataclass(frozen=True)
class Head:
    """A dense layer after the recurrent one: weights (O, H), bias (O,)."""

    weights: Array
    bias: Array


@dataclass(frozen=True)
class Reading:
    """One way to read the arrays. The G gates are in the order of the file, which is not known yet."""

    kind: str  # lstm, gru or rnn
    layout: str  # "rows": (G H, I), "columns": (I, G H), "mixed": one of each, "buffer": all in one array
    roles: Mapping[str, str]  # name of an array -> what it is
    inputs: Array  # (G, H, I)
    recurrent: Array  # (G, H, P), P = H without a projection
    biases: tuple[Array, ...]  # none, one or two of (G, H)
    head: Head | None = None
    peepholes: Array | None = None  # of an LSTM: (3, H), in an order not known yet
    projection: Array | None = None  # of an LSTM: (P, H)

    @property
    def state_sizes(self) -> dict[str, int]:
        """The sizes of the initial states by their names in a recording: P, and of an LSTM also H."""
        _, hidden, projected = self.recurrent.shape
        return {"initial_hidden": projected} | ({"initial_cell": hidden} if self.kind == "lstm" else {})


def readings(arrays: Mapping[str, Array], n_inputs: int, n_outputs: int) -> list[Reading]:
    """All ways to read the arrays as one recurrent layer of these sizes, with or without a dense head. None may be left over.

    arrays  leading axes of size 1 (a direction) are dropped; of more than two axes all but the last are rows

    Raises ConversionError where there is none.
    """
    named = {name: _squeezed(array) for name, array in arrays.items()}
    if len(named) > _MOST:
        raise ConversionError(
            f"{len(named)} arrays are more than the {_MOST} of one recurrent layer and a dense head; leave out the others"
        )
    found = [*_of_buffer(named, n_inputs, n_outputs), *_of_matrices(named, n_inputs, n_outputs)]
    if not found:
        shapes = ", ".join(f"{name!r} {array.shape}" for name, array in arrays.items())
        raise ConversionError(
            f"the arrays ({shapes}) are not one recurrent layer of {n_inputs} inputs and {n_outputs} outputs: "
            "input weights (G·H, I), recurrent weights (G·H, H), either of them transposed, biases (G·H,), (2·G·H,) or two, "
            "optionally a dense head (O, H) and (O,), with G = 4, 3 or 1 gates; for an LSTM also peepholes (3·H,) or three "
            "(H,) and a projection (P, H); leave out the arrays of other layers"
        )
    return found


def _of_matrices(arrays: Mapping[str, Array], n_inputs: int, n_outputs: int) -> Iterator[Reading]:
    for first, second in permutations(arrays, 2):
        rest = {name: array for name, array in arrays.items() if name not in (first, second)}
        for kind, layout, recurrent, projection in _recurrent(arrays[second], rest):
            n_gates, hidden, _ = recurrent.shape
            for of_inputs, inputs in _matrices(arrays[first], n_gates * hidden, n_inputs):
                taken = {projection: "projection"} if projection else {}
                for reading in _others(_without(rest, taken), kind, recurrent.shape, n_outputs):
                    yield replace(
                        reading,
                        layout=layout if layout == of_inputs else "mixed",
                        roles={first: "input weights", second: "recurrent weights", **taken, **reading.roles},
                        inputs=inputs.reshape(n_gates, hidden, n_inputs),
                        recurrent=recurrent,
                        projection=_rows(rest[projection], recurrent.shape[2]) if projection else None,
                    )


def _of_buffer(arrays: Mapping[str, Array], n_inputs: int, n_outputs: int) -> Iterator[Reading]:
    """All weights in one vector, as cuDNN packs a layer: input weights, recurrent weights, none, one or two biases."""
    for name, array in arrays.items():
        if array.ndim != 1:
            continue
        rest = {other: value for other, value in arrays.items() if other != name}
        for kind, n_gates in N_GATES.items():
            for n_biases in (2, 1, 0):
                hidden = _positive_root(n_inputs + n_biases, array.size / n_gates)
                if hidden is None:
                    continue
                rows = n_gates * hidden
                inputs, recurrent, biases = np.split(array, [rows * n_inputs, rows * (n_inputs + hidden)])
                for reading in _others(rest, kind, (n_gates, hidden, hidden), n_outputs):
                    if not reading.biases:
                        yield replace(
                            reading,
                            layout="buffer",
                            roles={name: "all of the layer", **reading.roles},
                            inputs=inputs.reshape(n_gates, hidden, n_inputs),
                            recurrent=recurrent.reshape(n_gates, hidden, hidden),
                            biases=tuple(biases.reshape(n_biases, n_gates, hidden)),
                        )


def _recurrent(array: Array, others: Mapping[str, Array]) -> Iterator[tuple[str, str, Array, str]]:
    """Kind, layout and (G, H, P) of each way to read a matrix as recurrent weights, and the name of the projection or ""."""
    if array.ndim != 2:
        return
    for kind, n_gates in N_GATES.items():
        hidden = min(array.shape)
        for layout, matrix in _matrices(array, n_gates * hidden, hidden):
            yield kind, layout, matrix.reshape(n_gates, hidden, hidden), ""
    for name, other in others.items():
        hidden, projected = (max(other.shape), min(other.shape)) if other.ndim == 2 else (0, 0)
        if 0 < projected < hidden:
            for layout, matrix in _matrices(array, 4 * hidden, projected):
                yield "lstm", layout, matrix.reshape(4, hidden, projected), name


def _rows(matrix: Array, rows: int) -> Array:
    return matrix if len(matrix) == rows else matrix.T


def _without(arrays: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
    return {name: array for name, array in arrays.items() if name not in names}


def _matrices(array: Array, rows: int, columns: int) -> Iterator[tuple[str, Array]]:
    """The array as a matrix of rows and columns, and transposed, where it fits."""
    if array.shape == (rows, columns):
        yield "rows", array
    if array.shape == (columns, rows):
        yield "columns", array.T


def _others(arrays: Mapping[str, Array], kind: str, shape: tuple[int, ...], n_outputs: int) -> Iterator[Reading]:
    """Each way to read the other arrays. The readings still lack the weights of the layer, whose shape is (G, H, P)."""
    n_gates, hidden, projected = shape
    unknown = np.zeros(0)
    for peepholes, taken in _peepholes(arrays, kind, hidden):
        left = _without(arrays, taken)
        for biases, head, roles in _biases_and_head(left, n_gates, hidden, projected, n_outputs):
            roles |= dict.fromkeys(taken, "peepholes")
            yield Reading(kind, "", roles, unknown, unknown, biases, head, peepholes)


def _peepholes(arrays: Mapping[str, Array], kind: str, hidden: int) -> Iterator[tuple[Array | None, tuple[str, ...]]]:
    """None, one array of three vectors, or three arrays of one."""
    yield None, ()
    if kind != "lstm":
        return
    for name, array in arrays.items():
        if array.shape in [(3 * hidden,), (1, 3 * hidden), (3, hidden)]:
            yield array.reshape(3, hidden), (name,)
    vectors = [name for name, array in arrays.items() if array.shape in [(hidden,), (1, hidden)]]
    for names in combinations(vectors, 3):
        yield np.stack([arrays[name].reshape(hidden) for name in names]), names


def _biases_and_head(
    arrays: Mapping[str, Array], n_gates: int, hidden: int, projected: int, n_outputs: int
) -> Iterator[tuple[tuple[Array, ...], Head | None, dict[str, str]]]:
    if n_outputs == projected:
        biases = _biases(arrays, n_gates, hidden)
        if biases is not None:
            yield biases, None, dict.fromkeys(arrays, "bias")
    for weights in arrays:
        for _, matrix in _matrices(arrays[weights], n_outputs, projected):
            rest = _without(arrays, [weights])
            for bias in (None, *rest):
                if bias is not None and rest[bias].shape != (n_outputs,):
                    continue
                biases = _biases({name: array for name, array in rest.items() if name != bias}, n_gates, hidden)
                if biases is not None:
                    roles = dict.fromkeys(rest, "bias") | {weights: "head weights"} | ({bias: "head bias"} if bias else {})
                    yield biases, Head(matrix, np.zeros(n_outputs) if bias is None else rest[bias]), roles


def _biases(arrays: Mapping[str, Array], n_gates: int, hidden: int) -> tuple[Array, ...] | None:
    """The arrays as none, one or two biases, (G, H) each; None where they do not fit."""
    size = n_gates * hidden
    one = [(size,), (1, size), (n_gates, hidden)]
    two = [(2 * size,), (1, 2 * size), (2, size), (2 * n_gates, hidden)]
    if any(array.shape not in one + two for array in arrays.values()):
        return None
    together = np.concatenate([np.zeros(0), *(array.ravel() for array in arrays.values())])
    return tuple(together.reshape(-1, n_gates, hidden)) if together.size <= 2 * size else None


def _squeezed(array: Array) -> Array:
    """The array with two axes at most: leading axes of size 1 go, then all but the last become rows. (1, n) stays as it is."""
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    return array.reshape(-1, array.shape[-1]) if array.ndim > 2 else array


def _positive_root(b: float, c: float) -> int | None:
    """The positive integer h of h (h + b) = c."""
    root = round((-b + np.sqrt(b * b + 4 * c)) / 2)
    return int(root) if root > 0 and root * (root + b) == c else None
