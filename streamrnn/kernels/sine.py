"""sin(x) and cos(x), for float32 and for float64.

x is brought to |r| <= π/4 by taking away k quarter turns. π/2 is the sum of three numbers. Without the first, x loses no digit,
since the two are close; the other two are small. Then a Taylor polynomial gives sin r or cos r.
"""

from fractions import Fraction
from math import factorial

import numpy as np

from streamrnn.kernels.formats import DOUBLE, SINGLE, Format, Function, chosen, polynomial
from streamrnn.simd.arithmetic import absolute, fma, select, to_bits

_QUARTER = Fraction("1.570796326794896619231321691639751442098584699687552910487472296153908203143104499314")
_LONGEST = 3  # bits of a number of quarter turns that are left for the rounding of x


def _parts(form: Format) -> list[np.floating]:
    """Three numbers whose sum is π/2."""
    parts, left = [], _QUARTER
    for _ in range(3):
        parts.append(form.number(float(left)))
        left -= Fraction(float(parts[-1]))
    return parts


def _series(form: Format, first: int, n_terms: int) -> Function:
    """1 / first! with alternating signs, in x**2, each two powers on: what follows the first terms of sin or cos."""
    terms = range(first, first + 2 * n_terms, 2)
    return polynomial(form, [(-1) ** (power // 2) / factorial(power) for power in terms])


def _turned(form: Format, n_terms: int, quarters: int) -> Function:
    """sin(x + quarters π/2)."""
    one, half, nan = form.number(1), form.number(0.5), form.number(np.nan)
    rounding = form.number(1.5 * 2.0**form.mantissa_bits)  # adding and subtracting it rounds to the nearest integer
    per_quarter, limit = form.number(2 / np.pi), form.number(2.0 ** (form.mantissa_bits - _LONGEST))
    first, second, third = _parts(form)
    more, bit, two_bits, nothing = form.bits(quarters), form.bits(1), form.bits(2), form.bits(0)
    sine, cosine = _series(form, 3, n_terms), _series(form, 4, n_terms)

    def turned(x):
        shifted = x * per_quarter + rounding
        k = shifted - rounding
        r = fma(k, -third, fma(k, -second, fma(k, -first, x)))
        square = r * r
        quarter = to_bits(shifted) + more
        y = select(
            (quarter & bit) != nothing,
            fma(square * square, cosine(square), fma(square, -half, one)),
            fma(r * square, sine(square), r),
        )
        y = select((quarter & two_bits) != nothing, -y, y)
        return select(absolute(x) > limit, nan, y)

    return turned


#: sin(x) and cos(x); NaN where |x| is larger than 2**20 in float32, 2**49 in float64.
sin, cos = (chosen(_turned(SINGLE, 5, quarters), _turned(DOUBLE, 8, quarters)) for quarters in (0, 1))
