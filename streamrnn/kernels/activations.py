"""Activation functions, each written once for vectors and scalars of float32.

Exponentials work in base 2. `sigmoid2` and `tanh2` take arguments that are already scaled (by -log2 e and 2 log2 e, which
packing multiplies into the weights); the others take plain ones. The polynomials are minimax fits of our own. NaN passes
through every function: a clamp has its constant as the first operand.
"""

import numpy as np

from streamrnn.activation import Activation
from streamrnn.kernels.inline import inline
from streamrnn.simd.arithmetic import absolute, fma, from_bits, select, to_bits
from streamrnn.simd.memory import load_like

_f = np.float32
_i = np.int32
ZERO, ONE, TWO = _f(0), _f(1), _f(2)
LOG2E, TWO_LOG2E = _f(np.log2(np.e)), _f(2 * np.log2(np.e))

_ROUND = _f(1.5 * 2**23)  # adding and subtracting it rounds to the nearest integer
_EXPONENT_ONE = _i(0x3F800000)
_MANTISSA_BITS = _i(23)
_LARGEST_EXPONENT = _f(126)
_SATURATED = _f(30)  # 2**30 is so large that tanh is 1 in float32

# (2**r - 1) / r on [-1/2, 1/2], relative error 1.1e-8
_P0, _P1, _P2 = _f(0.6931471824645996), _f(0.24022649228572845), _f(0.05550357326865196)
_P3, _P4, _P5 = _f(0.009618237614631653), _f(0.0013390735257416964), _f(0.00015403512225020677)

# 2 artanh(s) / s in s**2 on [0, 1/9], relative error 1e-10; the first coefficient is 2
_A1, _A2, _A3 = _f(0.6666668057441711), _f(0.3999869227409363), _f(0.2862072288990021)
_A4, _A5 = _f(0.21393249928951263), _f(0.2441306859254837)

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
) = (_f(code) for code, name in enumerate(Activation.DEFAULTS) if name != "softmax")


@inline
def below(limit, x):
    """min(limit, x) that lets NaN through."""
    return select(limit < x, limit, x)


@inline
def above(limit, x):
    """max(limit, x) that lets NaN through."""
    return select(limit > x, limit, x)


@inline
def _split_exponential(t):
    """2**t as (s, p): 2**t = s * (1 + p), s a power of two, |t| <= 126."""
    shifted = t + _ROUND
    r = t - (shifted - _ROUND)
    s = from_bits((to_bits(shifted) << _MANTISSA_BITS) + _EXPONENT_ONE)
    r2 = r * r
    p = fma(r2, fma(r2, fma(r, _P5, _P4), fma(r, _P3, _P2)), fma(r, _P1, _P0))
    return s, r * p


@inline
def sigmoid2(t):
    """1 / (1 + 2**t): the logistic function of x for t = -log2(e) x."""
    s, p = _split_exponential(above(-_LARGEST_EXPONENT, below(_LARGEST_EXPONENT, t)))
    return ONE / (ONE + fma(s, p, s))


@inline
def tanh2(t):
    """(2**t - 1) / (2**t + 1): tanh(x) for t = 2 log2(e) x."""
    s, p = _split_exponential(above(-_SATURATED, below(_SATURATED, t)))
    e = fma(s, p, s - ONE)
    return e / (e + TWO)


@inline
def tanh(x):
    """tanh(x)."""
    return tanh2(x * TWO_LOG2E)


@inline
def flush(x):
    """x, or 0 where |x| < 1e-30: a state that decays to nothing must not become subnormal (the silence law)."""
    return select(absolute(x) < _f(1e-30), ZERO, x)


@inline
def exp2(t):
    """2**t for t <= 0; 0 from -126 down."""
    s, p = _split_exponential(above(-_LARGEST_EXPONENT, t))
    return select(t > -_LARGEST_EXPONENT, fma(s, p, s), ZERO)


@inline
def expm1(x):
    """exp(x) - 1 for x <= 88."""
    s, p = _split_exponential(above(-_LARGEST_EXPONENT, below(_LARGEST_EXPONENT, x * LOG2E)))
    return fma(s, p, s - ONE)


@inline
def log1p(u):
    """log(1 + u) for 0 <= u <= 1, as 2 artanh(u / (2 + u))."""
    s = u / (TWO + u)
    s2 = s * s
    return s * fma(s2, fma(s2, fma(s2, fma(s2, fma(s2, _A5, _A4), _A3), _A2), _A1), TWO)


@inline
def relu(x):
    """max(0, x)."""
    return above(ZERO, x)


@inline
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return sigmoid2(x * -LOG2E)


@inline
def softplus(x):
    """log(1 + exp(x)), as max(0, x) + log(1 + exp(-|x|))."""
    return relu(x) + log1p(exp2(-absolute(x) * LOG2E))


@inline
def clipped(clip, x):
    """x limited to [-clip, clip]; x where clip is 0."""
    return above(-clip, below(clip, x)) if clip > ZERO else x


@inline
def activate(options, place, x):
    """The function of `streamrnn.Activation` whose code, alpha and beta lie at a place of the numbers at an address."""
    code = load_like(options, place, x)
    alpha = load_like(options, place + 1, x)
    beta = load_like(options, place + 2, x)
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
        x = above(ZERO, below(ONE, fma(alpha, x, beta)))
    elif code == _ELU:
        x = select(x < ZERO, alpha * expm1(x), x)
    elif code == _SOFTSIGN:
        x = x / (ONE + absolute(x))
    elif code == _SOFTPLUS:
        x = softplus(x)
    return x
