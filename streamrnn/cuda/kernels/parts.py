"""The passes of a layer on the GPU: the layout of their weights, and the parts that add up the sums of a thread."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from streamrnn.cuda.kernels.device import arithmetic, part, unsigned
from streamrnn.kernels.activations import ZERO
from streamrnn.kernels.exponential import flush_to_zero
from streamrnn.simd.arithmetic import any_lane, fma
from streamrnn.simd.vector import as_number, as_vector
from streamrnn.target.packing import DType

#: Stands for no vector.
NONE = -1


class Row(NamedTuple):
    """A row of weights, [gate][lane]. A gate below `kept` feeds the sum of its own index, another the sum `shift` further."""

    gates: int
    kept: int
    shift: int = 0


class Section(NamedTuple):
    """The weights of a panel that one vector multiplies: a row of biases, and a row for each value of the vector.

    With weights that are integers, a row of factors and one of corrections, which are not used here, come before the rows of
    words for four values each. `bounded` tells whether the vector has a fixed scale then.
    """

    biases: Row
    weights: Row
    bounded: bool = False


#: Stands for no section.
NOTHING = Section(Row(0, 0), Row(0, 0))


class Pass(NamedTuple):
    """One pass over weights: the sums of each unit, from which a cell computes two numbers.

    The vectors of a layer are numbered: first its states, then the vectors that one pass leaves for another. States are read as
    they were before the step.

    n_states    state vectors of the layer
    n_sums      sums of a unit
    inputs      the section of the layer's inputs
    recurrent   the section of the vector `multiplied`
    multiplied  number of the other vector that weights are multiplied with, or NONE
    reads       numbers of the two vectors that the cell takes besides the sums, or NONE
    writes      numbers of the two vectors that the cell returns, or NONE
    gives       whether the first of these is the layer's output
    cell        (options, unit, padded, four sums, two vectors) -> two numbers
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
    """The cell of a pass, with its sums in an array from index `at` on."""
    cell, n_sums = one.cell, one.n_sums

    @arithmetic
    def of_sums(options, unit, padded, sums, at, a, b):
        first = sums[unsigned(at)]
        second = sums[unsigned(at + 1)] if n_sums > 1 else first
        third = sums[unsigned(at + 2)] if n_sums > 2 else first
        fourth = sums[unsigned(at + 3)] if n_sums > 3 else first
        return cell(options, unit, padded, first, second, third, fourth, a, b)

    return of_sums


class DeviceRecipe(NamedTuple):
    """A layer: its passes, in the order of computing, and whether softmax is applied to its output."""

    passes: tuple[Pass, ...]
    distribution: bool = False

    @property
    def inputs(self) -> Section:
        """A section of the layer's inputs, or NOTHING."""
        return next((one.inputs for one in self.passes if one.inputs != NOTHING), NOTHING)


class Tile(NamedTuple):
    """The work of a block of threads.

    lanes     units of a panel: threads of a row, one for each unit
    at_once   streams of a thread, four at most
    rows      rows of threads, at most: each row has streams of its own
    depth     rows of weights that are in shared memory at once
    dtype     compute precision
    integers  whether weights are integers, four in a word (streamrnn/cuda/kernels/integers.py)
    """

    lanes: int
    at_once: int
    rows: int
    depth: int
    dtype: DType = np.float32
    integers: bool = False


def each_stream(at_once: int, body: Any) -> Any:
    """A part that calls `body(index, known)` for each stream of a thread; `known` is passed on.

    It is no loop, but written out for up to four streams: with an index that is not constant, the sums would be in slow memory.
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
    """Set the sums, [stream][sum], to the biases of a unit, of which the first is at index `at` of `weights`."""
    for gate in range(gates):
        bias = weights[at + gate * lanes]
        for stream in range(at_once):
            sums[stream * n_sums + (gate if gate < kept else gate + shift)] = bias


@arithmetic
def multiply(sums, weights, at, inputs, first, stride, count, gates, kept, shift, n_sums, lanes, at_once):
    """Add products to the sums, [stream][sum]: value by value, its row of weights times the value of each stream.

    The first weight of the unit is at index `at` of `weights`. The values are `inputs`, [value][stream], from index `first` on,
    with `stride` from one value to the next.
    """
    for _ in range(count):
        for gate in range(gates):
            weight = weights[unsigned(at + gate * lanes)]
            for stream in range(at_once):
                at_sum = unsigned(stream * n_sums + (gate if gate < kept else gate + shift))
                sums[at_sum] = fma(inputs[unsigned(first + stream)], weight, sums[at_sum])
        at += gates * lanes
        first += stride


@arithmetic
def is_finite(value):
    """Whether a number is neither infinite nor NaN."""
    number = as_vector(value)
    return not any_lane(number - number != ZERO)


@part
def as_it_is(value):
    """What it is given."""
    return value


@arithmetic
def audible(value):
    """A number of a layer's inputs as the layer takes it: 0 where it is tiny (the silence law)."""
    return as_number(flush_to_zero(as_vector(value)))
