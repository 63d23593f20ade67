"""The types in which weights can be stored: of fewer bytes than the type in which a layer computes.

A layer keeps its weights in its compute precision, rounded to numbers that the stored type holds exactly. So all that reads a
layer sees the numbers that are computed with. What is rounded already stays when it is rounded again.

    bfloat16   the upper half of a float32; NumPy has no such type, so its bits are uint16
    float16    IEEE 754 half precision
    int8       whole numbers from -127 to 127 times a scale, one for each row of a matrix (streamrnn/target/integers.py)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.target.packing import BFLOAT16, FLOAT16, INT8, Array

#: The types in which weights can be stored, the largest error last.
STORED_TYPES = (FLOAT16, BFLOAT16, INT8)


def rounded(weights: Array, stored: str) -> Array:
    """Weights rounded to the nearest numbers of a type of 16 bits. Raises ValueError for one that is too large for it."""
    return decoded(encoded(weights, stored), stored).astype(weights.dtype)


def encoded(weights: Array, stored: str) -> NDArray[Any]:
    """The bits of weights in bfloat16, as uint16, or in float16. Raises ValueError for a number that is too large."""
    if stored == FLOAT16:
        with np.errstate(over="ignore"):
            half = weights.astype(np.float16)
        _check_range(weights, np.isfinite(half), stored)
        return half
    bits = np.ascontiguousarray(weights, np.float32).view(np.uint32).astype(np.uint64)
    upper = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)  # to nearest, ties to even
    _check_range(weights, np.isfinite(decoded(upper, stored)), stored)
    return upper


def decoded(numbers: NDArray[Any], stored: str) -> NDArray[np.float32]:
    """The weights in float32 whose bits `encoded` returned."""
    if stored == FLOAT16:
        return numbers.astype(np.float32)
    whole: NDArray[np.float32] = (numbers.astype(np.uint32) << 16).view(np.float32)
    return whole


def _check_range(weights: Array, fits: NDArray[np.bool_], stored: str) -> None:
    if not fits.all():
        raise ValueError(f"{weights[~fits][0]} is too large for {stored}")
