"""Nodes as ONNX defines them, in float64 NumPy: operators for onnx's own evaluator, which lacks them or has them wrong.

Slow, and independent of what a graph is imported as. They are asked where float32 leaves open who is right. As onnxruntime has
it, `clip` bounds the sums of the gates, and not c on its way through h.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun
from onnx.reference.ops import op_conv_transpose, op_scatternd

from streamrnn import Activation
from streamrnn.gates import GATE_ORDERS
from streamrnn_converters.numpy_cells import activate, lstm_cell
from streamrnn_converters.onnx.operators.attributes import ACTIVATIONS

Array = NDArray[np.float64]

_HALF_ULP = 2.0**-24  # of float32
_DEFAULTS = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}
_DIRECTIONS = {"forward": (1,), "reverse": (-1,), "bidirectional": (1, -1)}


def jittered(array: NDArray[Any], rng: np.random.Generator | None) -> NDArray[Any]:
    """An array whose numbers are off as far as rounding to float32 may put them; the array itself without `rng`."""
    if rng is None or array.dtype.kind != "f":
        return array
    off = np.where(rng.random(array.shape, np.float32) < 0.5, 1 - _HALF_ULP, 1 + _HALF_ULP)
    return np.asarray(array * off, array.dtype)


def own_operators(rng: np.random.Generator | None) -> list[type[OpRun]]:
    """The operators. With `rng` every state of a recurrent node is off by rounding after every step."""

    class LSTM(OpRun):
        op_domain = ""

        def _run(self, X, W, R, B=None, lens=None, h=None, c=None, P=None, **attributes: Any) -> Any:  # type: ignore[no-untyped-def]
            return tuple(_run("LSTM", [X, W, R, B, lens, h, c, P], attributes, rng))

    class GRU(OpRun):
        op_domain = ""

        def _run(self, X, W, R, B=None, lens=None, h=None, **attributes: Any) -> Any:  # type: ignore[no-untyped-def]
            return tuple(_run("GRU", [X, W, R, B, lens, h, None, None], attributes, rng))

    class RNN(OpRun):
        op_domain = ""

        def _run(self, X, W, R, B=None, lens=None, h=None, **attributes: Any) -> Any:  # type: ignore[no-untyped-def]
            return tuple(_run("RNN", [X, W, R, B, lens, h, None, None], attributes, rng))

    return [LSTM, GRU, RNN, BatchNormalization, ConvTranspose, ScatterND]


class ScatterND(op_scatternd.ScatterND):
    """Without reduction. onnx's own, which does the rest, takes 100 times as long."""

    op_domain = ""

    def _run(self, data, indices, updates, reduction=None) -> Any:  # type: ignore[no-untyped-def]
        if reduction not in (None, "none"):
            return super()._run(data, indices, updates, reduction=reduction)  # type: ignore[no-untyped-call]
        output = np.copy(data)
        output[tuple(np.moveaxis(indices, -1, 0))] = updates
        return (output,)


class BatchNormalization(OpRun):
    """Outside training. onnx's own takes the statistics of the batch where a node before opset 14 has a momentum."""

    op_domain = ""

    def _run(self, X, scale, bias, mean, variance, epsilon=None, **others: Any) -> Any:  # type: ignore[no-untyped-def]
        scale = scale / np.sqrt(variance + (1e-5 if epsilon is None else epsilon))
        scale, shift = (each.reshape(-1, *[1] * (X.ndim - 2)) for each in (scale, bias - mean * scale))
        return (X * scale + shift,)


class ConvTranspose(op_conv_transpose.ConvTranspose):
    """With explicit pads. onnx's own, which does the rest, is wrong for groups, and takes 100 times as long."""

    op_domain = ""

    def _run(self, X, W, B=None, **given: Any) -> Any:  # type: ignore[no-untyped-def, override]
        if given.get("auto_pad") not in (None, "NOTSET") or given.get("output_shape"):
            return super()._run(X, W, B, **given)  # type: ignore[no-untyped-call]
        n_axes, groups = X.ndim - 2, given.get("group") or 1
        one, none = [1] * n_axes, [0] * n_axes
        strides, dilations = given.get("strides") or one, given.get("dilations") or one
        padding, pads = given.get("output_padding") or none, given.get("pads") or 2 * none
        x = X.reshape(len(X), groups, -1, *X.shape[2:])
        w = W.reshape(groups, -1, *W.shape[1:])
        spread = [(n - 1) * stride + 1 for n, stride in zip(X.shape[2:], strides, strict=True)]
        reach = [(n - 1) * step + extra for n, step, extra in zip(W.shape[2:], dilations, padding, strict=True)]
        whole = np.zeros((len(X), groups, W.shape[1], *map(sum, zip(spread, reach, strict=True))), X.dtype)
        for tap in np.ndindex(W.shape[2:]):
            begins = [k * step for k, step in zip(tap, dilations, strict=True)]
            met: Any = [slice(b, b + n, stride) for b, n, stride in zip(begins, spread, strides, strict=True)]
            whole[(..., *met)] += np.einsum("bgc...,gcm->bgm...", x, w[(..., *tap)])
        kept: Any = [slice(pads[k], size - pads[k + n_axes]) for k, size in enumerate(whole.shape[3:])]
        y = whole.reshape(len(X), -1, *whole.shape[3:])[(..., *kept)]
        return (y if B is None else y + B.reshape(-1, *one),)


def _run(op: str, inputs: Sequence[Any], attributes: dict[str, Any], rng: np.random.Generator | None) -> list[Array]:
    """Y, Y_h and, of an LSTM, Y_c, for X of layout 0."""
    x, weights, recurrent, bias, lengths, h, c, peepholes = inputs
    ways = _DIRECTIONS[attributes.get("direction") or "forward"]
    n_steps, batch, _ = x.shape
    hidden = recurrent.shape[2]
    ended = np.full(batch, n_steps) if lengths is None else np.asarray(lengths)
    zeros = np.zeros((len(ways), batch, hidden))
    h, c = (np.array(zeros if state is None else state, np.float64) for state in (h, c))
    y = np.zeros((n_steps, len(ways), batch, hidden))
    functions = list(_functions(op, attributes, len(ways)))
    for k, way in enumerate(ways):
        biases = np.zeros((2, len(weights[k]))) if bias is None else bias[k].reshape(2, -1)
        step = _Step(
            op, weights[k], recurrent[k], biases, None if peepholes is None else peepholes[k], functions[k], attributes
        )
        own = step.of_inputs(x)
        for t in range(n_steps)[::way]:
            states = step(own[t], h[k], c[k], rng)
            if lengths is None:
                h[k], c[k] = states
                y[t, k] = states[0]
                continue
            runs = (t < ended)[:, None]
            h[k], c[k] = (np.where(runs, new, old) for new, old in zip(states, (h[k], c[k]), strict=True))
            y[t, k] = np.where(runs, h[k], 0)
    return [y, h, c] if op == "LSTM" else [y, h]


def _functions(op: str, attributes: dict[str, Any], n_directions: int) -> Iterator[tuple[Activation, ...]]:
    """The activations of each direction; alpha and beta are consumed in order, by those that have them."""
    names = [ACTIVATIONS[name.lower()] for name in attributes.get("activations") or ()] or [*_DEFAULTS[op]] * n_directions
    given = {name: [float(value) for value in attributes.get(f"activation_{name}") or ()] for name in ("alpha", "beta")}
    chosen = []
    for name in names:
        has = dict(zip(("alpha", "beta"), Activation.DEFAULTS[name], strict=True))
        chosen.append(Activation(name, **{p: given[p].pop(0) for p in given if has[p] is not None and given[p]}))
    for k in range(n_directions):
        yield tuple(chosen[k * len(_DEFAULTS[op]) :][: len(_DEFAULTS[op])])


def _gates(sums: Array, n: int) -> Array:
    """Sums, (batch, n * hidden), by gate: (n, batch, hidden)."""
    return sums.reshape(len(sums), n, -1).swapaxes(0, 1)


class _Step:
    """One direction of a node: from what x adds, h and c to the new h and c; c stays as it is where there is none."""

    def __init__(
        self,
        op: str,
        weights: Array,
        recurrent: Array,
        biases: Array,
        peepholes: Array | None,
        functions: tuple[Activation, ...],
        attributes: dict[str, Any],
    ) -> None:
        self._op, self._functions, self._attributes = op, functions, attributes
        self._weights, self._recurrent, self._biases = weights.astype(np.float64), recurrent.astype(np.float64), biases
        self._clip = attributes.get("clip")
        letters = GATE_ORDERS["lstm.peepholes"]["onnx"]
        self._peepholes = None if peepholes is None else dict(zip(letters, np.split(peepholes, 3), strict=True))

    def of_inputs(self, x: Array) -> Array:
        """What the inputs of any number of steps add to the sums of the gates."""
        return np.asarray(x @ self._weights.T + self._biases[0])

    def __call__(self, own: Array, h: Array, c: Array, rng: np.random.Generator | None) -> tuple[Array, Array]:
        h, new_c = self._states(own, h, c)
        return jittered(h, rng), new_c if new_c is c else jittered(new_c, rng)

    def _states(self, own: Array, h: Array, c: Array) -> tuple[Array, Array]:
        fed = h @ self._recurrent.T + self._biases[1]
        if self._op == "RNN":
            return self._activated(0, own + fed), c
        if self._op == "LSTM":
            sums = dict(zip(GATE_ORDERS["lstm"]["onnx"], _gates(own + fed, 4), strict=True))
            coupled = bool(self._attributes.get("input_forget"))
            return lstm_cell(sums, c, self._functions, peepholes=self._peepholes, clip=self._clip, coupled=coupled)[1:]
        own_gates, fed_gates = _gates(own, 3), _gates(fed, 3)
        z, r = self._activated(0, own_gates[:2] + fed_gates[:2])  # "zrn"
        if self._attributes.get("linear_before_reset"):
            inner = r * fed_gates[2]
        else:
            n = 2 * h.shape[1]
            inner = (r * h) @ self._recurrent[n:].T + self._biases[1][n:]
        return (1 - z) * self._activated(1, own_gates[2] + inner) + z * h, c

    def _activated(self, index: int, sums: Array) -> Array:
        return activate(self._functions[index], sums if self._clip is None else np.clip(sums, -self._clip, self._clip))
