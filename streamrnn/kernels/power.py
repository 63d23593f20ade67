"""x**p for one exponent p, for float32 and for float64.

x**p = 2**(p log2 x). Of log2 x the whole part n and the rest l are kept apart, so that the error does not grow with n:
the product p n is kept exactly, in two numbers. What the exponent loses by rounding is multiplied in at the end.
"""

import numpy as np

from streamrnn.kernels.exponential import (
    normal_or_zero,
    scaled,
    split_exponential,
    split_logarithm,
    times_log2e,
    within_exponents,
)
from streamrnn.kernels.inline import inline
from streamrnn.kernels.rounding import floor
from streamrnn.simd.arithmetic import absolute, fma, in_every_lane, select

_times_ln2 = scaled(float(np.log(2)))
_ZERO, _HALF, _ONE, _NAN = np.float32(0), np.float32(0.5), np.float32(1), np.float32(np.nan)


@inline
def power(x, exponent):
    """x**exponent; NaN where x < 0 and the exponent is no whole number. Subnormal numbers count as 0."""
    exponent = in_every_lane(exponent, x)
    size = normal_or_zero(absolute(x))
    number, logarithm = split_logarithm(size)
    half = exponent * _HALF  # of the root, whose square cannot be too large before the end
    whole = half * number
    left = fma(half, number, -whole)
    of_mantissa = times_log2e(logarithm)
    t = fma(half, of_mantissa, whole)
    lost = (whole - t) + fma(half, of_mantissa, left)
    limited = within_exponents(t)
    s, p = split_exponential(limited)
    root = fma(s, p, s)
    root = select(limited != t, root, fma(root, _times_ln2(lost), root))
    result = normal_or_zero(root * root)
    edge = select(exponent > _ZERO, size, _ONE / size)
    result = select(size > _ZERO, result, edge)
    result = select(size - size != _ZERO, edge, result)  # infinite, or NaN
    odd = floor(half) != half
    signed = select(floor(exponent) != exponent, _NAN + x, select(odd, -result, result))
    result = select(x < _ZERO, signed, result)
    return select(exponent != _ZERO, result, exponent + _ONE)
