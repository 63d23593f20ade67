"""The functions in which cells are written. They take NumPy arrays and numbers, and compute in the precision of these.

A cell is a plain function that calls them. On NumPy arrays it computes its equations in float64, as a reference. Kernels
compile the same source, but replace these functions by compiled ones of the same names (streamrnn/kernels/cells.py).

`sigmoid2` and `tanh2` take arguments that are already scaled, by -log2 e and by 2 log2 e, because the exponentials of kernels
work in base 2. Packing multiplies these factors into the weights (streamrnn/target/packing.py).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from streamrnn.activation import Activation

Value = Any

#: The functions for cells of your own.
__all__ = [
    "absolute", "exp", "fma", "log", "maximum", "minimum", "relu", "sigmoid", "softplus", "square_root", "tanh", "where",
]  # fmt: skip

#: By type, the size below which `flush_to_zero` gives 0: a state that decays must not become subnormal (the silence law).
TINY = {np.dtype(np.float32): 1e-30, np.dtype(np.float64): 1e-200}


def fma(a: Value, b: Value, c: Value) -> Value:
    """a b + c. Compiled, it is rounded once."""
    return a * b + c


def where(condition: Value, a: Value, b: Value) -> Value:
    """`a` where the condition is true, else `b`."""
    return np.where(condition, a, b)


def minimum(a: Value, b: Value) -> Value:
    """The smaller of two; NaN where `b` is."""
    return np.where(a < b, a, b)


def maximum(a: Value, b: Value) -> Value:
    """The larger of two; NaN where `b` is."""
    return np.where(a > b, a, b)


def absolute(x: Value) -> Value:
    """|x|."""
    return np.abs(x)


def square_root(x: Value) -> Value:
    """√x."""
    return np.sqrt(x)


def exp(x: Value) -> Value:
    """e to the power of x."""
    with np.errstate(over="ignore"):
        return np.exp(x)


def log(x: Value) -> Value:
    """The natural logarithm of x."""
    return np.log(x)


def times_log2e(x: Value) -> Value:
    """x log2 e: the argument of an exponential in base 2."""
    return x * np.log2(np.e)


def sigmoid2(t: Value) -> Value:
    """1 / (1 + 2**t): the logistic function of x for t = -log2(e) x."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp2(t))


def tanh2(t: Value) -> Value:
    """(2**t - 1) / (2**t + 1): tanh(x) for t = 2 log2(e) x."""
    return np.tanh(t * (np.log(2) / 2))


def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def tanh(x: Value) -> Value:
    """The hyperbolic tangent of x."""
    return np.tanh(x)


def relu(x: Value) -> Value:
    """max(0, x)."""
    return maximum(0, x)


def softplus(x: Value) -> Value:
    """log(1 + exp(x))."""
    return np.logaddexp(0, x)


def flush_to_zero(x: Value) -> Value:
    """x, or 0 where |x| is below `TINY` of its type."""
    return np.where(np.abs(x) < TINY.get(np.result_type(x), 0), 0, x)


def option(options: Value, index: int, like: Value) -> Value:
    """The number at an index of a cell's options. Compiled, it has the type of `like`."""
    return options[index]


def clipped(clip: Value, x: Value) -> Value:
    """x limited to [-clip, clip]; x where clip is 0."""
    return maximum(-clip, minimum(clip, x)) if clip > 0 else x


def activate(options: Value, index: int, x: Value) -> Value:
    """The function of `streamrnn.Activation` whose code, alpha and beta are at an index of a cell's options."""
    name = list(Activation.DEFAULTS)[int(options[index])]
    return _ACTIVATIONS[name](x, options[index + 1], options[index + 2])


def applied(activation: Activation, x: Value) -> Value:
    """A function of cells on an array."""
    return _ACTIVATIONS[activation.name](x, activation.alpha, activation.beta)


def transform(options: Value, index: int, x: Value) -> Value:
    """As `activate`, with also the functions that cells do not have: those after softmax."""
    name, alpha, beta = list(Activation.DEFAULTS)[int(options[index])], options[index + 1], options[index + 2]
    return _TRANSFORMS[name](x, alpha, beta) if name in _TRANSFORMS else activate(options, index, x)


def _erf(x: Value) -> Value:
    return np.vectorize(math.erf, otypes=[float])(x)


_TRANSFORMS: dict[str, Callable[..., Value]] = {
    "exp": lambda x, alpha, beta: exp(x),
    "log": lambda x, alpha, beta: log(x),
    "sqrt": lambda x, alpha, beta: square_root(x),
    "absolute": lambda x, alpha, beta: absolute(x),
    "reciprocal": lambda x, alpha, beta: 1 / x,
    "clip": lambda x, alpha, beta: maximum(alpha, minimum(beta, x)),
    "erf": lambda x, alpha, beta: _erf(x),
    "gelu": lambda x, alpha, beta: x * (1 + _erf(x / np.sqrt(2))) / 2,
    "gelu_tanh": lambda x, alpha, beta: x * (1 + tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    "silu": lambda x, alpha, beta: x * sigmoid(alpha * x),
    "sin": lambda x, alpha, beta: np.sin(x),
    "cos": lambda x, alpha, beta: np.cos(x),
    "power": lambda x, alpha, beta: np.power(x, alpha),
    "sign": lambda x, alpha, beta: np.sign(x),
    "floor": lambda x, alpha, beta: np.floor(x),
    "ceil": lambda x, alpha, beta: np.ceil(x),
    "round": lambda x, alpha, beta: np.round(x),
}

_ACTIVATIONS: dict[str, Callable[..., Value]] = {
    "linear": lambda x, alpha, beta: x,
    "affine": lambda x, alpha, beta: alpha * x + beta,
    "relu": lambda x, alpha, beta: relu(x),
    "leaky_relu": lambda x, alpha, beta: np.where(x < 0, alpha * x, x),
    "thresholded_relu": lambda x, alpha, beta: np.where(x < alpha, 0, x),
    "tanh": lambda x, alpha, beta: tanh(x),
    "scaled_tanh": lambda x, alpha, beta: alpha * tanh(beta * x),
    "sigmoid": lambda x, alpha, beta: sigmoid(x),
    "hard_sigmoid": lambda x, alpha, beta: maximum(0, minimum(1, alpha * x + beta)),
    "elu": lambda x, alpha, beta: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x),
    "softsign": lambda x, alpha, beta: x / (1 + np.abs(x)),
    "softplus": lambda x, alpha, beta: softplus(x),
}
