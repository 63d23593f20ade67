"""Matrices of small integers: 8 bits for a weight, a scale for each row, 16 bits for an input.

A product of a row with inputs is then a sum of integers, in 32 bits. It is exact, so it does not depend on the order of adding,
and every machine gives the same bits. The largest integer of an input is chosen for each matrix so that no sum can overflow: it
is at most (2**31 - 1) divided by the largest sum of |weights| of a row.

x86-64 with AVX-512 VNNI adds four products of bytes to a sum at once (vpdpbusd), if those of one side have no sign. So there an
input x is taken as x + 2**15, in two bytes without a sign, a low one and a high one. The sum with x is then the sum with low
bytes, plus 2**8 times that with high bytes, less 2**15 times the sum of the weights: a correction, known beforehand. It is all
modulo 2**32, which does not matter, since the result fits. The bits are the same.

Scales have at most 17 significant bits, so that a scale times an integer is exact in float32. That is how a layer keeps its
weights: the integers and the scales can be found in them again.
"""

import numpy as np
from numpy.typing import NDArray

from streamrnn.target.layout import CACHE_LINE
from streamrnn.target.packing import Array

#: The largest integer of a weight, and of an input where no sum can overflow.
MOST_WEIGHT, MOST_INPUT = 127, 32767

#: The smallest step of an input's integers: what is smaller is silence, as in `flush_to_zero`.
LEAST_STEP = np.float32(1e-30)

#: Bytes from the scale of a vector's integers to the integers.
VALUES_AT = CACHE_LINE

_SCALE_BITS = 17
_LEAST_SCALE = 2.0**-100  # a row of smaller weights is taken as zeros: it keeps scales and products normal numbers


def row_scales(weights: Array) -> NDArray[np.float32]:
    """The scale of each row, (..., values of a row) -> (..., 1): its largest |weight| / 127, rounded down; 1 for zeros."""
    largest = np.abs(weights).max(axis=-1, keepdims=True).astype(np.float64)
    fraction, exponent = np.frexp(largest / MOST_WEIGHT)
    scales = np.ldexp(np.floor(np.ldexp(fraction, _SCALE_BITS)), exponent - _SCALE_BITS)
    return np.where(scales < _LEAST_SCALE, 1.0, scales).astype(np.float32)


def as_integers(weights: Array, scales: NDArray[np.float32] | None = None) -> NDArray[np.int8]:
    """The integers of weights for these scales, else for those of their rows: to the nearest, ties to even."""
    return np.rint(weights.astype(np.float64) / (row_scales(weights) if scales is None else scales)).astype(np.int8)


def as_weights(integers: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Integers times scales, which is exact."""
    return integers * scales


def most_input(weights: Array) -> int:
    """The largest integer of an input of a matrix, for which no sum over a row can overflow."""
    sums = np.abs(as_integers(weights).astype(np.int64)).sum(axis=-1)
    return int(min(MOST_INPUT, (2**31 - 1) // max(1, int(sums.max()))))


def corrections(integers: NDArray[np.int8]) -> NDArray[np.int32]:
    """What is added to a sum of int8 weights, (..., values of a row) -> (...), with inputs x + 2**15 instead of x."""
    whole: NDArray[np.int32] = (-integers.sum(axis=-1, dtype=np.int64) << 15).astype(np.int32)  # modulo 2**32
    return whole


def integer_room(n_values: int) -> int:
    """Bytes for a vector as integers: its scale, a float32; from `VALUES_AT` on the integers, int16, whole fours of them."""
    return VALUES_AT + -(-8 * -(-n_values // 4) // CACHE_LINE) * CACHE_LINE
