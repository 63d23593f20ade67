"""What each of some nameless arrays could be: input or recurrent weights, a bias, a dense head. Shapes alone decide."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConversionError
from streamrnn_converters.torch.parts import N_GATES

Array = NDArray[np.float64]
_MOST = 6  # two matrices, two biases, a head of two arrays


@dataclass(frozen=True)
class Head:
    """A dense layer behind: weights (O, H), bias (O,)."""

    weights: Array
    bias: Array


@dataclass(frozen=True)
class Reading:
    """One way to read the arrays. The G gates are stacked as the file has them, in an order not yet known."""

    kind: str  # lstm, gru or rnn
    layout: str  # "rows": (G H, I), "columns": (I, G H), "mixed": one of each, "buffer": all in one array
    roles: Mapping[str, str]  # name of an array -> what it is taken for
    inputs: Array  # (G, H, I)
    recurrent: Array  # (G, H, H)
    biases: tuple[Array, ...]  # none, one or two of (G, H)
    head: Head | None = None

    @property
    def hidden_size(self) -> int:
        """H."""
        return len(self.recurrent[0])


def readings(arrays: Mapping[str, Array], n_inputs: int, n_outputs: int) -> list[Reading]:
    """All ways in which every array has its part in one recurrent layer, with or without a dense head, of these sizes.

    arrays  axes of size 1 (a direction) do not count; more than two axes: all but the last are rows

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
            "perhaps a dense head (O, H) and (O,), with G = 4, 3 or 1 gates; leave out what belongs to others"
        )
    return found


def _of_matrices(arrays: Mapping[str, Array], n_inputs: int, n_outputs: int) -> Iterator[Reading]:
    for first, second in permutations(arrays, 2):
        for kind, layout, recurrent in _recurrent(arrays[second]):
            n_gates, hidden, _ = recurrent.shape
            for of_inputs, inputs in _matrices(arrays[first], n_gates * hidden, n_inputs):
                rest = {name: array for name, array in arrays.items() if name not in (first, second)}
                for biases, head, roles in _others(rest, n_gates, hidden, n_outputs):
                    yield Reading(
                        kind,
                        layout if layout == of_inputs else "mixed",
                        {first: "input weights", second: "recurrent weights", **roles},
                        inputs.reshape(n_gates, hidden, n_inputs),
                        recurrent,
                        biases,
                        head,
                    )


def _of_buffer(arrays: Mapping[str, Array], n_inputs: int, n_outputs: int) -> Iterator[Reading]:
    """One vector of everything, as cuDNN packs a layer: input weights, recurrent weights, none, one or two biases."""
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
                for none, head, roles in _others(rest, n_gates, hidden, n_outputs):
                    if not none:
                        yield Reading(
                            kind,
                            "buffer",
                            {name: "all of the layer", **roles},
                            inputs.reshape(n_gates, hidden, n_inputs),
                            recurrent.reshape(n_gates, hidden, hidden),
                            tuple(biases.reshape(n_biases, n_gates, hidden)),
                            head,
                        )


def _recurrent(array: Array) -> Iterator[tuple[str, str, Array]]:
    """Kind, layout and (G, H, H) of each way to read a matrix as recurrent weights."""
    for kind, n_gates in N_GATES.items() if array.ndim == 2 else ():
        hidden = min(array.shape)
        for layout, matrix in _matrices(array, n_gates * hidden, hidden):
            yield kind, layout, matrix.reshape(n_gates, hidden, hidden)


def _matrices(array: Array, rows: int, columns: int) -> Iterator[tuple[str, Array]]:
    """The array as a matrix of rows and columns, and transposed, where it fits."""
    if array.shape == (rows, columns):
        yield "rows", array
    if array.shape == (columns, rows):
        yield "columns", array.T


def _others(
    arrays: Mapping[str, Array], n_gates: int, hidden: int, n_outputs: int
) -> Iterator[tuple[tuple[Array, ...], Head | None, dict[str, str]]]:
    """Biases, head and roles of each way to use up the arrays that are no weights of the layer."""
    if n_outputs == hidden:
        biases = _biases(arrays, n_gates, hidden)
        if biases is not None:
            yield biases, None, dict.fromkeys(arrays, "bias")
    for weights in arrays:
        for _, matrix in _matrices(arrays[weights], n_outputs, hidden):
            rest = {name: array for name, array in arrays.items() if name != weights}
            for bias in (None, *rest):
                if bias is not None and rest[bias].shape != (n_outputs,):
                    continue
                biases = _biases({name: array for name, array in rest.items() if name != bias}, n_gates, hidden)
                if biases is not None:
                    roles = dict.fromkeys(rest, "bias") | {weights: "head weights"} | ({bias: "head bias"} if bias else {})
                    yield biases, Head(matrix, np.zeros(n_outputs) if bias is None else rest[bias]), roles


def _biases(arrays: Mapping[str, Array], n_gates: int, hidden: int) -> tuple[Array, ...] | None:
    """The arrays as none, one or two biases, (G, H) each; None where they are not that."""
    size = n_gates * hidden
    one = [(size,), (1, size), (n_gates, hidden)]
    two = [(2 * size,), (1, 2 * size), (2, size), (2 * n_gates, hidden)]
    if any(array.shape not in one + two for array in arrays.values()):
        return None
    together = np.concatenate([np.zeros(0), *(array.ravel() for array in arrays.values())])
    return tuple(together.reshape(-1, n_gates, hidden)) if together.size <= 2 * size else None


def _squeezed(array: Array) -> Array:
    """Without leading axes of size 1, down to two; what has more becomes a matrix. (1, n): a vector or a matrix of one row."""
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    return array.reshape(-1, array.shape[-1]) if array.ndim > 2 else array


def _positive_root(b: float, c: float) -> int | None:
    """The positive integer h of h (h + b) = c."""
    root = round((-b + np.sqrt(b * b + 4 * c)) / 2)
    return int(root) if root > 0 and root * (root + b) == c else None
