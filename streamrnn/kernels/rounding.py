"""Whole numbers near x, and its sign, for float32 and for float64."""

import numpy as np

from streamrnn.kernels.formats import Format, Function, for_both
from streamrnn.kernels.inline import inline
from streamrnn.simd.arithmetic import absolute, select

_ZERO, _ONE = np.float32(0), np.float32(1)


def _rounded(form: Format) -> Function:
    whole, zero = form.number(2.0**form.mantissa_bits), form.number(0)  # numbers from it on are whole

    def rounded(x):
        size = absolute(x)
        nearest = (size + whole) - whole
        return select(size < whole, select(x < zero, -nearest, nearest), x)

    return rounded


#: The nearest whole number, of two the even one.
rounded = for_both(_rounded)


@inline
def floor(x):
    """The largest whole number <= x."""
    nearest = rounded(x)
    return select(nearest > x, nearest - _ONE, nearest)


@inline
def ceil(x):
    """The smallest whole number >= x."""
    nearest = rounded(x)
    return select(nearest < x, nearest + _ONE, nearest)


@inline
def sign(x):
    """1 where x > 0, -1 where x < 0, else x."""
    return select(x < _ZERO, -_ONE, select(x > _ZERO, _ONE, x))
