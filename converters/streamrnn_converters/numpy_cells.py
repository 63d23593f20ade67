"""The cells of docs/equations.md in float64 NumPy: from the sums of the gates to their values and the new state.

Sums go by the letter of their gate: i f g o (LSTM), r z n (GRU). A sum is W x + R h + b, (..., H), with any leading axes.
They check and rank models, and never run one.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation
from streamrnn.activation import SIGMOID, TANH

Array = NDArray[np.float64]
Gates = dict[str, Array]


def lstm_cell(
    sums: Mapping[str, Array],
    c: Array,
    activations: tuple[Activation, ...] = (SIGMOID, TANH, TANH),
    *,
    peepholes: Mapping[str, Array] | None = None,
    clip: float | None = None,
    coupled: bool = False,
) -> tuple[Gates, Array, Array]:
    """The gates i, f and o, h before any projection, and the new c (ONNX LSTM-22).

    activations  of the gates, of the candidate, of the new c
    peepholes    of i, f and o, (H,) each; None: none
    clip         sums are limited to [-clip, clip]; None: not
    coupled      whether f = 1 - i
    """
    of_gates, of_candidate, of_cell = activations
    peepholes = peepholes or dict.fromkeys("ifo", np.zeros(1))
    i = activate(of_gates, _clipped(sums["i"] + peepholes["i"] * c, clip))
    f = 1 - i if coupled else activate(of_gates, _clipped(sums["f"] + peepholes["f"] * c, clip))
    c = f * c + i * activate(of_candidate, _clipped(sums["g"], clip))
    o = activate(of_gates, _clipped(sums["o"] + peepholes["o"] * c, clip))
    return {"i": i, "f": f, "o": o}, o * activate(of_cell, c), c


def gru_gates(sums: Mapping[str, Array], activation: Activation = SIGMOID, clip: float | None = None) -> Gates:
    """The gates r and z (ONNX GRU-22). The candidate needs r: its sum is made with it."""
    return {gate: activate(activation, _clipped(sums[gate], clip)) for gate in "rz"}


def gru_state(z: Array, candidate_sum: Array, h: Array) -> Array:
    """The new h = (1 - z) tanh(candidate_sum) + z h."""
    return (1 - z) * np.tanh(candidate_sum) + z * h


def activate(function: Activation, x: Array) -> Array:
    """A function of a cell, or softmax over the last axis. Raises KeyError for another."""
    return _FUNCTIONS[function.name](x, function.alpha or 0.0, function.beta or 0.0)


def _clipped(sums: Array, clip: float | None) -> Array:
    return sums if clip is None else np.clip(sums, -clip, clip)


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


#: Name -> the function of x, alpha and beta.
_FUNCTIONS: dict[str, Callable[[Array, float, float], Array]] = {
    "linear": lambda x, a, b: x,
    "affine": lambda x, a, b: a * x + b,
    "relu": lambda x, a, b: np.maximum(x, 0),
    "leaky_relu": lambda x, a, b: np.where(x >= 0, x, a * x),
    "thresholded_relu": lambda x, a, b: np.where(x >= a, x, 0),
    "tanh": lambda x, a, b: np.tanh(x),
    "scaled_tanh": lambda x, a, b: a * np.tanh(b * x),
    "sigmoid": lambda x, a, b: 0.5 + 0.5 * np.tanh(0.5 * x),
    "hard_sigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "elu": lambda x, a, b: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
    "softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "softplus": lambda x, a, b: np.logaddexp(0, x),
    "softmax": lambda x, a, b: _softmax(x),
}
