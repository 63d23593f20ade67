"""Activation functions, each written once for vectors and scalars, of float32 and float64.

Exponentials work in base 2. `sigmoid2` and `tanh2` take arguments that are already scaled, by -log2 e and by 2 log2 e, which
packing multiplies into the weights; the others take plain ones. NaN passes through every function: where a value is limited,
the constant is the first operand.
"""

import numpy as np

from streamrnn.activation import Activation
from streamrnn.kernels.error_function import erf
from streamrnn.kernels.exponential import (
    exp,
    exp2,
    log,
    log1p,
    scaled,
    split_exponential,
    times_log2e,
    times_two_log2e,
    within_exponents,
    within_tanh,
)
from streamrnn.kernels.inline import inline
from streamrnn.kernels.power import power
from streamrnn.kernels.rounding import ceil, floor, rounded, sign
from streamrnn.kernels.sine import cos, sin
from streamrnn.simd.arithmetic import absolute, fma, select, square_root
from streamrnn.simd.memory import load_like

times_root_half, times_root_two_over_pi, times_gelu_cube = map(scaled, (2**-0.5, (2 / np.pi) ** 0.5, 0.044715))

# Exact in every type: beside a float64 they become float64.
ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)

(
    _,
    _AFFINE,
    _RELU,
    _LEAKY_RELU,
    _THRESHOLDED_RELU,
    _TANH,
    _SCALED_TANH,
    _SIGMOID,
    _HARD_SIGMOID,
    _ELU,
    _SOFTSIGN,
    _SOFTPLUS,
    _,
    _EXP,
    _LOG,
    _SQRT,
    _ABSOLUTE,
    _RECIPROCAL,
    _CLIP,
    _ERF,
    _GELU,
    _GELU_TANH,
    _SILU,
    _SIN,
    _COS,
    _POWER,
    _SIGN,
    _FLOOR,
    _CEIL,
    _ROUND,
) = map(np.float32, range(len(Activation.DEFAULTS)))


@inline
def minimum(limit, x):
    """min(limit, x); NaN where x is NaN."""
    return select(limit < x, limit, x)


@inline
def maximum(limit, x):
    """max(limit, x); NaN where x is NaN."""
    return select(limit > x, limit, x)


@inline
def sigmoid2(t):
    """1 / (1 + 2**t): the logistic function of x for t = -log2(e) x."""
    s, p = split_exponential(within_exponents(t))
    return ONE / (ONE + fma(s, p, s))


@inline
def tanh2(t):
    """(2**t - 1) / (2**t + 1): tanh(x) for t = 2 log2(e) x."""
    s, p = split_exponential(within_tanh(t))
    e = fma(s, p, s - ONE)
    return e / (e + TWO)


@inline
def tanh(x):
    """tanh(x)."""
    return tanh2(times_two_log2e(x))


@inline
def expm1(x):
    """exp(x) - 1 for x <= 0."""
    s, p = split_exponential(within_exponents(times_log2e(x)))
    return fma(s, p, s - ONE)


@inline
def relu(x):
    """max(0, x)."""
    return maximum(ZERO, x)


@inline
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return sigmoid2(-times_log2e(x))


@inline
def softplus(x):
    """log(1 + exp(x)), as max(0, x) + log(1 + exp(-|x|))."""
    return relu(x) + log1p(exp2(times_log2e(-absolute(x))))


@inline
def gelu(x):
    """x (1 + erf(x / √2)) / 2."""
    half = x * HALF
    return fma(half, erf(times_root_half(x)), half)


@inline
def gelu_tanh(x):
    """x (1 + tanh(√(2 / π) (x + 0.044715 x³))) / 2."""
    half = x * HALF
    return fma(half, tanh(times_root_two_over_pi(fma(times_gelu_cube(x * x), x, x))), half)


@inline
def transform(options, index, x):
    """As `activate`, with also the functions that cells do not have: those after softmax."""
    code = load_like(options, index, x)
    if code == _EXP:
        return exp(x)
    if code == _LOG:
        return log(x)
    if code == _SQRT:
        return square_root(x)
    if code == _ABSOLUTE:
        return absolute(x)
    if code == _RECIPROCAL:
        return ONE / x
    if code == _CLIP:
        return maximum(load_like(options, index + 1, x), minimum(load_like(options, index + 2, x), x))
    if code == _ERF:
        return erf(x)
    if code == _GELU:
        return gelu(x)
    if code == _GELU_TANH:
        return gelu_tanh(x)
    if code == _SILU:
        return x / (ONE + exp(-load_like(options, index + 1, x) * x))
    if code == _SIN:
        return sin(x)
    if code == _COS:
        return cos(x)
    if code == _POWER:
        return power(x, load_like(options, index + 1, x))
    if code == _SIGN:
        return sign(x)
    if code == _FLOOR:
        return floor(x)
    if code == _CEIL:
        return ceil(x)
    if code == _ROUND:
        return rounded(x)
    return activate(options, index, x)


@inline
def clipped(clip, x):
    """x limited to [-clip, clip]; x where clip is 0."""
    return maximum(-clip, minimum(clip, x)) if clip > ZERO else x


@inline
def activate(options, index, x):
    """The function of `streamrnn.Activation` whose code, alpha and beta are at `index` of the numbers at address `options`."""
    code = load_like(options, index, x)
    alpha = load_like(options, index + 1, x)
    beta = load_like(options, index + 2, x)
    if code == _AFFINE:
        x = fma(alpha, x, beta)
    elif code == _RELU:
        x = relu(x)
    elif code == _LEAKY_RELU:
        x = select(x < ZERO, alpha * x, x)
    elif code == _THRESHOLDED_RELU:
        x = select(x < alpha, ZERO, x)
    elif code == _TANH:
        x = tanh(x)
    elif code == _SCALED_TANH:
        x = alpha * tanh(beta * x)
    elif code == _SIGMOID:
        x = sigmoid(x)
    elif code == _HARD_SIGMOID:
        x = maximum(ZERO, minimum(ONE, fma(alpha, x, beta)))
    elif code == _ELU:
        x = select(x < ZERO, alpha * expm1(x), x)
    elif code == _SOFTSIGN:
        x = x / (ONE + absolute(x))
    elif code == _SOFTPLUS:
        x = softplus(x)
    return x
