"""LSTM, GRU and RNN nodes as ONNX defines them, in float64: a second opinion that shares nothing with the importer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.converters.onnx.onnx_graphs import N_GATES, RecurrentNode

Array = NDArray[Any]

#: name -> function of x, alpha and beta; default alpha; default beta; None where it has none. From the text of ONNX LSTM-22.
FUNCTIONS: dict[str, tuple[Any, float | None, float | None]] = {
    "Relu": (lambda x, alpha, beta: np.maximum(0, x), None, None),
    "Tanh": (lambda x, alpha, beta: np.tanh(x), None, None),
    "Sigmoid": (lambda x, alpha, beta: 1 / (1 + np.exp(-x)), None, None),
    "Affine": (lambda x, alpha, beta: alpha * x + beta, 1.0, 0.0),
    "LeakyRelu": (lambda x, alpha, beta: np.where(x >= 0, x, alpha * x), 0.01, None),
    "ThresholdedRelu": (lambda x, alpha, beta: np.where(x >= alpha, x, 0), 1.0, None),
    "ScaledTanh": (lambda x, alpha, beta: alpha * np.tanh(beta * x), None, None),
    "HardSigmoid": (lambda x, alpha, beta: np.minimum(np.maximum(alpha * x + beta, 0), 1), 0.2, 0.5),
    "Elu": (lambda x, alpha, beta: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))), 1.0, None),
    "Softsign": (lambda x, alpha, beta: x / (1 + np.abs(x)), None, None),
    "Softplus": (lambda x, alpha, beta: np.logaddexp(0, x), None, None),
}
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}

#: Where alpha and beta are drawn from, by tests that draw them; the functions that have one.
ALPHAS = {
    "Affine": (0.3, 0.9),
    "LeakyRelu": (0.05, 0.5),
    "ThresholdedRelu": (0.1, 0.8),
    "ScaledTanh": (0.6, 1.3),
    "HardSigmoid": (0.15, 0.4),
    "Elu": (0.5, 1.5),
}
BETAS = {"Affine": (-0.3, 0.3), "ScaledTanh": (0.4, 1.2), "HardSigmoid": (0.3, 0.6)}
#: Which way each direction of a node runs.
WAYS = {"forward": (1,), "reverse": (-1,), "bidirectional": (1, -1)}


def ways(node: RecurrentNode) -> tuple[int, ...]:
    """For each direction of a node 1 or, backwards, -1."""
    return WAYS[node.attributes.get("direction", "forward")]


def functions(node: RecurrentNode) -> list[Any]:
    """f, g and h of each direction; alpha and beta are consumed in order, by those functions that have them."""
    alphas = iter(node.attributes.get("activation_alpha", ()))
    betas = iter(node.attributes.get("activation_beta", ()))
    chosen = []
    for name in node.attributes.get("activations", DEFAULTS[node.op] * len(ways(node))):
        function, alpha, beta = FUNCTIONS[name]
        alpha = next(alphas, alpha) if name in ALPHAS else None
        beta = next(betas, beta) if name in BETAS else None
        chosen.append(lambda x, function=function, alpha=alpha, beta=beta: function(x, alpha, beta))
    return chosen


class Direction:
    """What one direction of a node has: its part of each tensor in float64, by gate, and its functions."""

    def __init__(self, node: RecurrentNode, number: int) -> None:
        gates, hidden, count = N_GATES[node.op], node.tensors["R"].shape[2], len(DEFAULTS[node.op])
        layout = node.attributes.get("layout", 0)
        self.attributes = node.attributes
        self.functions = functions(node)[count * number : count * (number + 1)]
        self.clip = node.attributes.get("clip", np.inf)
        self.W, self.R = (np.array(np.split(node.tensors[name][number].astype(np.float64), gates)) for name in "WR")
        B = node.tensors.get("B", np.zeros((number + 1, 2 * gates * hidden)))[number].astype(np.float64)
        self.Wb, self.Rb = B.reshape(2, gates, hidden)
        self.P = node.tensors.get("P", np.zeros((number + 1, 3 * hidden)))[number].astype(np.float64).reshape(3, hidden)
        self.states = []
        for name in ("initial_h", "initial_c"):
            whole = node.tensors.get(name, np.zeros((1, number + 1, hidden) if layout else (number + 1, 1, hidden)))
            self.states.append((whole[:, number] if layout else whole[number]).astype(np.float64))

    def limited(self, x: Array) -> Array:
        """A pre-activation, clipped."""
        return np.clip(x, -self.clip, self.clip)


def lstm(node: Direction, X: Array, H: Array, C: Array) -> tuple[Array, Array]:
    """The equations of ONNX LSTM-22; gates i o f c, peepholes i o f.

    `clip` "is applied to the input of activations", it says; as onnxruntime has it, h() is not clipped.
    """
    f, g, h = node.functions
    i, o, forget, c = (X @ W.T + H @ R.T + Wb + Rb for W, R, Wb, Rb in zip(node.W, node.R, node.Wb, node.Rb, strict=True))
    Pi, Po, Pf = node.P
    i = f(node.limited(i + Pi * C))
    forget = 1 - i if node.attributes.get("input_forget", 0) else f(node.limited(forget + Pf * C))
    C = forget * C + i * g(node.limited(c))
    o = f(node.limited(o + Po * C))
    return o * h(C), C


def gru(node: Direction, X: Array, H: Array, C: Array) -> tuple[Array, Array]:
    """The equations of ONNX GRU-22; gates z r h."""
    f, g = node.functions
    Wz, Wr, Wh = node.W
    Rz, Rr, Rh = node.R
    Wbz, Wbr, Wbh = node.Wb
    Rbz, Rbr, Rbh = node.Rb
    z = f(node.limited(X @ Wz.T + H @ Rz.T + Wbz + Rbz))
    r = f(node.limited(X @ Wr.T + H @ Rr.T + Wbr + Rbr))
    inner = r * (H @ Rh.T + Rbh) if node.attributes.get("linear_before_reset", 0) else (r * H) @ Rh.T + Rbh
    h = g(node.limited(X @ Wh.T + inner + Wbh))
    return (1 - z) * h + z * H, C


def rnn(node: Direction, X: Array, H: Array, C: Array) -> tuple[Array, Array]:
    """The equation of ONNX RNN-22."""
    (f,) = node.functions
    return f(node.limited(X @ node.W[0].T + H @ node.R[0].T + node.Wb[0] + node.Rb[0])), C


STEPS = {"LSTM": lstm, "GRU": gru, "RNN": rnn}


def defined(node: RecurrentNode, x: Array, lengths: Array | None = None) -> list[Array]:
    """Y, Y_h and, of an LSTM, Y_c as ONNX defines them, in float64, for X of the node's layout.

    lengths  sequence_lens, (batch,): Y is zero behind the end of a sequence
    """
    layout = node.attributes.get("layout", 0)
    xs = (x.swapaxes(0, 1) if layout else x).astype(np.float64)
    n_steps, batch, _ = xs.shape
    hidden, ended = node.tensors["R"].shape[2], np.full(batch, n_steps) if lengths is None else np.asarray(lengths)
    Y = np.zeros((n_steps, len(ways(node)), batch, hidden))
    ends = np.zeros((2, len(ways(node)), batch, hidden))
    for number, way in enumerate(ways(node)):
        direction = Direction(node, number)
        H, C = (np.broadcast_to(state, (batch, hidden)) for state in direction.states)
        for t in range(n_steps)[::way]:
            runs = (t < ended)[:, None]
            new_H, new_C = STEPS[node.op](direction, xs[t], H, C)
            H, C = np.where(runs, new_H, H), np.where(runs, new_C, C)
            Y[t, number] = np.where(runs, H, 0)
        ends[:, number] = H, C
    states = list(ends if node.op == "LSTM" else ends[:1])
    return [Y.transpose(2, 0, 1, 3), *(end.swapaxes(0, 1) for end in states)] if layout else [Y, *states]
