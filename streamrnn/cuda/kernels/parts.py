"""What a layer's passes are made of: how the weights of a pass are laid out, and the sums of a thread."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from streamrnn.cuda.kernels.device import arithmetic, part, place
from streamrnn.kernels.activations import ZERO
from streamrnn.simd.arithmetic import any_lane, fma
from streamrnn.simd.vector import as_vector
from streamrnn.target.packing import DType

#: No vector.
NONE = -1


class Row(NamedTuple):
    """A row of weights, [gate][lane]: gates below `kept` belong to the sums of their number, the others to `shift` further."""

    gates: int
    kept: int
    shift: int = 0


class Section(NamedTuple):
    """Weights of one input of a panel: a row of biases, and a row for each value."""

    biases: Row
    weights: Row

    def size(self, count: int) -> int:
        """Numbers of it per unit, with `count` values."""
        return self.biases.gates + count * self.weights.gates


#: A section that is not there.
NOTHING = Section(Row(0, 0), Row(0, 0))


class Pass(NamedTuple):
    """One pass over weights: the sums of each unit, from which a cell makes two numbers.

    A layer's vectors have numbers: its states come first, then what passes leave to each other. State vectors are read as they
    were before the step.

    n_states    state vectors of the layer
    n_sums      sums of a unit
    inputs      the section that the layer's inputs multiply
    recurrent   the section that the vector `multiplied` multiplies
    multiplied  its number
    reads       the two vectors that the cell takes beside the sums, or NONE
    writes      the two vectors that it gives, or NONE
    gives       whether the first of them is the layer's output
    cell        (options, unit, padded, four sums, two arguments) -> two results
    """

    n_states: int
    n_sums: int
    inputs: Section
    recurrent: Section
    multiplied: int
    reads: tuple[int, int]
    writes: tuple[int, int]
    gives: bool
    cell: Callable[..., Any]

    def is_state(self, vector: int) -> bool:
        """Whether a vector is one of the layer's states."""
        return NONE < vector < self.n_states


@cache
def cell_of_sums(one: Pass) -> Any:
    """The cell of a pass, with the sums from a place of an array on."""
    cell, n_sums = one.cell, one.n_sums

    @arithmetic
    def of_sums(options, unit, padded, sums, at, a, b):
        first = sums[place(at)]
        second = sums[place(at + 1)] if n_sums > 1 else first
        third = sums[place(at + 2)] if n_sums > 2 else first
        fourth = sums[place(at + 3)] if n_sums > 3 else first
        return cell(options, unit, padded, first, second, third, fourth, a, b)

    return of_sums


class DeviceRecipe(NamedTuple):
    """A layer: its passes one behind the other, and whether a softmax is made of what they give."""

    passes: tuple[Pass, ...]
    distribution: bool = False


class Tile(NamedTuple):
    """What a block of threads does.

    lanes    units of a panel, one for each thread of a row
    at_once  streams of a thread, four at most
    rows     rows of threads, at most: each has other streams
    depth    rows of weights that lie in shared memory at once
    dtype    of the numbers
    """

    lanes: int
    at_once: int
    rows: int
    depth: int
    dtype: DType = np.float32


def each_stream(at_once: int, body: Any) -> Any:
    """A part that calls `body(index, known)` for each stream of a thread; `known` is passed on.

    Written out, for four at most, because an index that is no constant would put the sums into slow memory.
    """

    @part
    def each(known):
        body(0, known)
        if at_once > 1:
            body(1, known)
        if at_once > 2:
            body(2, known)
        if at_once > 3:
            body(3, known)

    return each


@part
def begin(sums, weights, at, gates, kept, shift, n_sums, lanes, at_once):
    """Biases: those of the unit whose first is at a place of `weights`, to the sums [stream][sum]."""
    for gate in range(gates):
        bias = weights[at + gate * lanes]
        for stream in range(at_once):
            sums[stream * n_sums + (gate if gate < kept else gate + shift)] = bias


@arithmetic
def multiply(sums, weights, at, inputs, first, stride, count, gates, kept, shift, n_sums, lanes, at_once):
    """Products: for each value in turn a row of weights, the unit's first at a place of `weights`, times that of each stream.

    Values lie in `inputs`, [value][stream], from place `first` on, with `stride` from one to the next.
    """
    for _ in range(count):
        for gate in range(gates):
            weight = weights[place(at + gate * lanes)]
            for stream in range(at_once):
                at_sum = place(stream * n_sums + (gate if gate < kept else gate + shift))
                sums[at_sum] = fma(inputs[place(first + stream)], weight, sums[at_sum])
        at += gates * lanes
        first += stride


@arithmetic
def is_finite(value):
    """Whether a number is neither infinite nor NaN."""
    number = as_vector(value)
    return not any_lane(number - number != ZERO)
