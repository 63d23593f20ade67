"""The two floating-point formats, and functions that are written for each: Numba chooses by the type of the argument."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import overload

from streamrnn.kernels.inline import OPTIONS, inline
from streamrnn.simd.arithmetic import fma
from streamrnn.simd.vector import scalar_of

Function = Callable[..., Any]


class Format(NamedTuple):
    """A floating-point format, and the numbers of it that elementary functions need."""

    number: type[np.floating[Any]]
    bits: type[np.signedinteger[Any]]
    mantissa_bits: int
    bias: int  # of the exponent
    saturated: int  # tanh is 1 from 2**saturated = exp(2 x) on
    tiny: float  # what is smaller is next to nothing

    @property
    def largest_exponent(self) -> int:
        """2**x is normal for |x| up to here."""
        return self.bias - 1


SINGLE = Format(np.float32, np.int32, 23, 127, 30, 1e-30)
DOUBLE = Format(np.float64, np.int64, 52, 1023, 60, 1e-200)


def chosen(single: Function, double: Function) -> Function:
    """A function that Numba takes for `single` where its argument, called x in all three, is float32, and else for `double`."""

    def function(x):
        raise TypeError("this function exists compiled only")

    @overload(function, jit_options=OPTIONS)
    def choose(x):
        return {types.float32: single, types.float64: double}[scalar_of(x)]

    return function


def for_both(build: Callable[[Format], Function]) -> Function:
    """A function that is built alike for both formats."""
    return chosen(build(SINGLE), build(DOUBLE))


def polynomial(form: Format, coefficients: Sequence[float]) -> Function:
    """The polynomial of these coefficients, the constant first (Horner, by FMA)."""
    highest, *rest = map(form.number, reversed(coefficients))
    others = tuple(rest)

    @inline
    def horner(x):
        total = fma(x, highest, others[0])
        for place in range(1, len(others)):
            total = fma(x, total, others[place])
        return total

    return horner
