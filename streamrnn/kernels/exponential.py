"""What the activations are made of, for float32 and for float64: powers, logarithms, and the flush to zero.

The polynomials are minimax fits of our own. The type of the argument, of a vector's lanes or of a scalar, chooses the format.
So what is built on these functions is written once.
"""

from collections.abc import Callable

import numpy as np

from streamrnn.kernels.formats import DOUBLE, SINGLE, Format, Function, chosen, for_both, polynomial
from streamrnn.kernels.inline import inline
from streamrnn.simd.arithmetic import absolute, fma, from_bits, select, to_bits

# (2**r - 1) / r on [-1/2, 1/2]: relative errors 1.1e-8 and 4.9e-17
_SINGLE_POWERS = [
    0.6931471824645996,
    0.24022649228572845,
    0.05550357326865196,
    0.009618237614631653,
    0.0013390735257416964,
    0.00015403512225020677,
]
_DOUBLE_POWERS = [
    0.6931471805599453,
    0.24022650695910072,
    0.055504108664821625,
    0.00961812910762848,
    0.001333355814640647,
    0.00015403530393370734,
    1.5252733841556773e-05,
    1.3215486808705563e-06,
    1.0178057087733941e-07,
    7.0548973041554995e-09,
    4.4558179083360645e-10,
    2.5729324177362305e-11,
]

# (2 artanh(s) / s - 2) / s**2 in s**2 on [0, 1/9]: relative errors of log(1 + u) 1e-10 and 2e-18
_SINGLE_LOGARITHM = [0.6666668057441711, 0.3999869227409363, 0.2862072288990021, 0.21393249928951263, 0.2441306859254837]
_DOUBLE_LOGARITHM = [
    0.6666666666666666,
    0.39999999999999525,
    0.285714285716001,
    0.2222222219823677,
    0.18181819897962714,
    0.1538454396486055,
    0.13335178631449257,
    0.11734279061303197,
    0.10845178394880015,
    0.07492143795550767,
    0.1563057780092285,
]


def _square(form: Format) -> Function:
    shift = form.number(form.negligible)

    def square(x):
        shifted = x + shift
        return shifted * shifted

    return square


#: x * x, or, where that vanishes beside the constant of a polynomial, another small number. It is never subnormal, since that
#: would make quiet inputs slow, and a polynomial has the bits that it has with x * x.
square = for_both(_square)


def _single_remainder() -> Function:
    p0, p1, p2, p3, p4, p5 = map(np.float32, _SINGLE_POWERS)

    def remainder(x):
        x2 = square(x)
        return x * fma(x2, fma(x2, fma(x, p5, p4), fma(x, p3, p2)), fma(x, p1, p0))

    return remainder


def _double_remainder() -> Function:
    p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11 = map(np.float64, _DOUBLE_POWERS)

    def remainder(x):
        x2 = square(x)
        low = fma(x2, fma(x, p3, p2), fma(x, p1, p0))
        middle = fma(x2, fma(x, p7, p6), fma(x, p5, p4))
        high = fma(x2, fma(x, p11, p10), fma(x, p9, p8))
        x4 = x2 * x2
        return x * fma(x4, fma(x4, high, middle), low)

    return remainder


#: 2**r - 1 for |r| <= 1/2.
_remainder = chosen(_single_remainder(), _double_remainder())


def _split(form: Format) -> Function:
    rounding = form.number(1.5 * 2.0**form.mantissa_bits)  # adding and subtracting it rounds to the nearest integer
    one, shift = form.bits(form.bias << form.mantissa_bits), form.bits(form.mantissa_bits)

    def split_exponential(x):
        shifted = x + rounding
        scale = from_bits((to_bits(shifted) << shift) + one)
        return scale, _remainder(x - (shifted - rounding))

    return split_exponential


def _artanh(form: Format, coefficients: list[float]) -> Function:
    two, series = form.number(2), polynomial(form, coefficients)

    @inline
    def twice_artanh(s):
        s2 = square(s)
        return s * fma(s2, series(s2), two)

    return twice_artanh


def _log1p(form: Format, coefficients: list[float]) -> Function:
    two, twice_artanh = form.number(2), _artanh(form, coefficients)

    def log1p(x):
        return twice_artanh(x / (two + x))

    return log1p


def _within(limit_of: Callable[[Format], int]) -> Function:
    def build(form: Format) -> Function:
        limit = form.number(limit_of(form))

        def within(x):
            x = select(limit < x, limit, x)  # the constant first, so that NaN passes
            return select(-limit > x, -limit, x)

        return within

    return for_both(build)


def scaled(factor: float) -> Function:
    """A function that multiplies by a constant, which is rounded to the format."""

    def build(form: Format) -> Function:
        rounded = form.number(factor)

        def times(x):
            return x * rounded

        return times

    return for_both(build)


def _flush(form: Format) -> Function:
    tiny, zero = form.number(form.tiny), form.number(0)

    def flush_to_zero(x):
        return select(absolute(x) < tiny, zero, x)

    return flush_to_zero


def _normal_or_zero(form: Format) -> Function:
    smallest, zero = form.number(2.0 ** (1 - form.bias)), form.number(0)

    def normal_or_zero(x):
        return select(x < smallest, zero, x)

    return normal_or_zero


def _exp2(form: Format) -> Function:
    lowest, zero = form.number(-form.largest_exponent), form.number(0)

    def exp2(x):
        s, p = split_exponential(select(lowest > x, lowest, x))
        return select(x > lowest, fma(s, p, s), zero)

    return exp2


def _exp(form: Format) -> Function:
    half_log2e, smallest, zero = form.number(np.log2(np.e) / 2), form.number(2.0**-form.largest_exponent), form.number(0)

    def exp(x):
        s, p = split_exponential(within_exponents(x * half_log2e))
        root = fma(s, p, s)
        power = root * root  # infinite where exp(x) is too large for the format
        return select(power < smallest, zero, power)

    return exp


def _split_logarithm(form: Format, coefficients: list[float]) -> Function:
    one, shift = form.number(1), form.bits(form.mantissa_bits)
    half_root = form.number(np.sqrt(0.5)).view(form.bits)
    rounding = form.number(1.5 * 2.0**form.mantissa_bits)
    rounding_bits = rounding.view(form.bits)
    log_of_mantissa = _artanh(form, coefficients)

    def split_logarithm(x):
        bits = to_bits(x)
        exponent = (bits - half_root) >> shift
        mantissa = from_bits(bits - (exponent << shift))  # between the roots of 1/2 and of 2
        number = from_bits(exponent + rounding_bits) - rounding
        return number, log_of_mantissa((mantissa - one) / (mantissa + one))

    return split_logarithm


def _log(form: Format) -> Function:
    smallest, largest = form.number(2.0 ** (1 - form.bias)), np.finfo(form.number).max
    ln2, zero, infinity, nan = form.number(np.log(2)), form.number(0), form.number(np.inf), form.number(np.nan)

    def log(x):
        number, of_mantissa = split_logarithm(x)
        result = fma(number, ln2, of_mantissa)
        result = select(x < zero, nan, select(x < smallest, -infinity, result))
        return select(x > largest, infinity, select(x != x, x, result))

    return log


#: 2**x as (s, p): 2**x = s * (1 + p), s a power of two, for x within the exponents of normal numbers.
split_exponential = for_both(_split)
#: log(1 + x) for 0 <= x <= 1, as 2 artanh(x / (2 + x)).
log1p = chosen(_log1p(SINGLE, _SINGLE_LOGARITHM), _log1p(DOUBLE, _DOUBLE_LOGARITHM))
#: log(x) as (n, l): log(x) = n log 2 + l, n a whole number, for normal x > 0.
split_logarithm = chosen(_split_logarithm(SINGLE, _SINGLE_LOGARITHM), _split_logarithm(DOUBLE, _DOUBLE_LOGARITHM))
#: log(x); a subnormal x counts as 0.
log = for_both(_log)
#: x; 0 where x >= 0 is subnormal.
normal_or_zero = for_both(_normal_or_zero)
#: exp(x); 0 where that would be subnormal.
exp = for_both(_exp)
#: x, limited to the exponents of normal numbers.
within_exponents = _within(lambda form: form.largest_exponent)
#: x, limited to where (2**x - 1) / (2**x + 1) rounds to less than 1.
within_tanh = _within(lambda form: form.saturated)
#: log2(e) x and 2 log2(e) x.
times_log2e, times_two_log2e = scaled(float(np.log2(np.e))), scaled(float(2 * np.log2(np.e)))
#: x, or 0 where |x| is tiny: a state that decays must not become subnormal (flush to zero, the silence law).
flush_to_zero = for_both(_flush)
#: 2**x for x <= 0; 0 where that would be subnormal.
exp2 = for_both(_exp2)
