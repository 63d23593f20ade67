"""Sums of products of integers on the GPU, where weights have 8 bits (streamrnn/kernels/integers.py for the CPU).

A word of a row of weights is an int32: four weights of a unit, for four values of the vector, the first in the lowest bits.
Words and numbers lie in one array, which is seen as either. A vector of values between -1 and 1 (`Section.bounded`) has a fixed
scale, that of another follows its largest value, which the threads find together.
"""

from typing import Any

import numpy as np
from numba import cuda

from streamrnn.cuda.kernels.device import arithmetic, part, unsigned
from streamrnn.cuda.kernels.parts import Section
from streamrnn.kernels.integers import nearest, step_of, within_one
from streamrnn.simd.arithmetic import absolute, fma, to_bits
from streamrnn.simd.integers import plus_four_products
from streamrnn.simd.vector import as_number, as_vector

#: Weights of a word.
FOUR = 4

_ONE = np.float32(1)


@part
def fours_of(count):
    """How many words hold the weights for so many values."""
    return (count + FOUR - 1) // FOUR


@arithmetic
def _size_of(value):
    """The bits of |value|, which are integers in the order of the sizes."""
    return to_bits(absolute(value))


@arithmetic
def _factor_of(largest, most):
    return as_number(_ONE / step_of(np.int32(largest), np.float32(most)))


@arithmetic
def _integer_of_bounded(value, factor, most):
    return as_number(nearest(within_one(as_vector(np.float32(value))), np.float32(factor), np.int32(most)))


@arithmetic
def _integer_of_any(value, factor, most):
    return as_number(nearest(as_vector(np.float32(value)), np.float32(factor), np.int32(most)))


@arithmetic
def _with_product_of_bounded(total, factor, largest, most, begin):
    return fma(np.float32(np.int32(total)), np.float32(factor), np.float32(begin))


@arithmetic
def _with_product_of_any(total, factor, largest, most, begin):
    scale = as_vector(np.float32(factor)) * step_of(np.int32(largest), np.float32(most))
    return fma(np.float32(np.int32(total)), as_number(scale), np.float32(begin))


def find_largest(section: Section, read: Any) -> Any:
    """A part that finds the bits of the largest |value| of a vector of each stream of a block; of a bounded one it need not.

    read  part (stream, value, known) -> number

    largest[at + stream] is set for `n_here` streams, with vectors of `count` values. All threads of the block take part.
    """

    @part
    def find(largest, at, count, n_here, known):
        lane, row = cuda.threadIdx.x, cuda.threadIdx.y
        lanes, rows = cuda.blockDim.x, cuda.blockDim.y
        for stream in range(row * lanes + lane, n_here, rows * lanes):
            largest[at + stream] = 0
        cuda.syncthreads()
        for stream in range(row, n_here, rows):
            found = np.int32(0)
            for value in range(lane, count, lanes):
                found = max(found, _size_of(read(stream, value, known)))
            cuda.atomic.max(largest, at + stream, found)
        cuda.syncthreads()

    @part
    def nothing(largest, at, count, n_here, known):
        pass

    return nothing if section.bounded else find


def as_integers(section: Section) -> tuple[Any, Any]:
    """Two parts: (largest, at, most) -> the factor of a stream's values; (value, factor, most) -> the integer of a value."""

    @part
    def fixed(largest, at, most):
        return np.float32(most)

    @part
    def of_largest(largest, at, most):
        return _factor_of(largest[at], most)

    return (fixed, _integer_of_bounded) if section.bounded else (of_largest, _integer_of_any)


@arithmetic
def multiply_fours(totals, words, at, integers, first, stride, count, gates, lanes, at_once):
    """Add products to sums of integers, [stream][gate]: four values after four values, each with its row of weights.

    As `multiply`: the first word of the unit is at index `at` of `words`; the values are `integers`, [value][stream].
    """
    for _ in range(count):
        for gate in range(gates):
            word = words[unsigned(at + gate * lanes)]
            for stream in range(at_once):
                at_total, place = unsigned(stream * gates + gate), first + stream
                totals[at_total] = plus_four_products(
                    totals[at_total],
                    word,
                    integers[unsigned(place)],
                    integers[unsigned(place + stride)],
                    integers[unsigned(place + 2 * stride)],
                    integers[unsigned(place + 3 * stride)],
                )
        at += gates * lanes
        first += FOUR * stride


def scaled(section: Section, n_sums: int, lanes: int, at_once: int) -> Any:
    """A part that adds sums of integers, [stream][gate], times their factors to the sums of a thread, [stream][sum].

    The first factor of the unit is at index `at` of `weights`. The bits of the largest |value| of a stream's vector are in
    `largest` from index `first` on.
    """
    gates, kept, shift = section.weights
    with_product = _with_product_of_bounded if section.bounded else _with_product_of_any

    @part
    def add(sums, totals, weights, at, largest, first, most):
        for stream in range(at_once):
            for gate in range(gates):
                at_sum = stream * n_sums + (gate if gate < kept else gate + shift)
                factor, total = weights[at + gate * lanes], totals[stream * gates + gate]
                sums[at_sum] = with_product(total, factor, largest[first + stream], most, sums[at_sum])

    return add
