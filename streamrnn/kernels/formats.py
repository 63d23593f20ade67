"""The two floating-point formats, and functions with a version for each. Numba chooses the version by the argument's type."""

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
    """A floating-point format, and its numbers that the elementary functions need."""

    number: type[np.floating[Any]]
    bits: type[np.signedinteger[Any]]
    mantissa_bits: int
    bias: int  # of the exponent
    saturated: int  # tanh is 1 from 2**saturated = exp(2 x) on
    tiny: float  # smaller values are flushed to zero
    negligible: float  # x + negligible is x, unless x * x vanishes beside 1/2; where it is not 0, its square is normal

    @property
    def largest_exponent(self) -> int:
        """2**x is a normal number for |x| up to this."""
        return self.bias - 1


SINGLE = Format(np.float32, np.int32, 23, 127, 30, 1e-30, 2.0**-38)
DOUBLE = Format(np.float64, np.int64, 52, 1023, 60, 1e-200, 2.0**-80)


def chosen(single: Function, double: Function) -> Function:
    """A function of x that is `single` where x is float32, `double` where it is float64. All three name their argument x."""

    def function(x):
        raise TypeError("this function exists in compiled code only; streamrnn.functions has it for NumPy arrays")

    @overload(function, jit_options=OPTIONS)
    def choose(x):
        return {types.float32: single, types.float64: double}[scalar_of(x)]

    return function


def for_both(build: Callable[[Format], Function]) -> Function:
    """A function with a version for each format, both made by `build`."""
    return chosen(build(SINGLE), build(DOUBLE))


def polynomial(form: Format, coefficients: Sequence[float]) -> Function:
    """The polynomial with these coefficients, the constant first (Horner's scheme, by FMA)."""
    highest, *rest = map(form.number, reversed(coefficients))
    others = tuple(rest)

    @inline
    def horner(x):
        total = fma(x, highest, others[0])
        for index in range(1, len(others)):
            total = fma(x, total, others[index])
        return total

    return horner
