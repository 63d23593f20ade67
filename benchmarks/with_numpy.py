"""NumPy, one thread: a tick of many streams, with one BLAS product for the weights of each vector, and the gates in place."""

from typing import Any

import numpy as np

from benchmarks.case import Array
from benchmarks.contender import Contender
from benchmarks.crowd import Crowd
from streamrnn import Model


def batch(crowd: Crowd, model: Model) -> Contender:
    """A tick of all streams, whose states are one array."""
    layer: Any = model.layers[0]
    case, x = crowd.case, crowd.inputs()
    w, r = (weights.reshape(-1, weights.shape[2]).T.copy() for weights in (layer.input_weights, layer.recurrent_weights))
    bias = layer.bias.ravel()
    h, c = np.zeros((2, crowd.n_streams, case.hidden), np.float32)
    sums = np.empty((crowd.n_streams, case.n_gates * case.hidden), np.float32)
    recurrent = np.empty_like(sums)

    def multiply() -> None:
        np.matmul(x, w, out=sums)
        np.matmul(h, r, out=recurrent)
        np.add(sums, bias, out=sums)

    def lstm() -> None:
        multiply()
        i, f, g, o = np.split(np.add(sums, recurrent, out=sums), 4, axis=1)
        for gate in (i, f, o):
            _sigmoid(gate)
        np.tanh(g, out=g)
        np.multiply(i, g, out=g)
        np.multiply(f, c, out=c)
        np.add(c, g, out=c)
        np.tanh(c, out=h)
        np.multiply(h, o, out=h)

    def gru() -> None:
        multiply()
        (reset, z, n), (reset_product, z_product, inner) = np.split(sums, 3, axis=1), np.split(recurrent, 3, axis=1)
        for gate, product in ((reset, reset_product), (z, z_product)):
            np.add(gate, product, out=gate)
            _sigmoid(gate)
        np.add(inner, layer.recurrent_bias, out=inner)
        np.multiply(inner, reset, out=inner)
        np.add(n, inner, out=n)
        np.tanh(n, out=n)
        np.subtract(h, n, out=h)
        np.multiply(h, z, out=h)
        np.add(h, n, out=h)

    tick = {"lstm": lstm, "gru": gru}[case.kind]

    def run() -> object:
        for _ in range(crowd.n_ticks):
            tick()
        return h

    return Contender(run, crowd.n_ticks * crowd.n_streams)


def _sigmoid(x: Array) -> None:
    """1 / (1 + exp(-x)), in place."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    np.add(x, 1, out=x)
    np.reciprocal(x, out=x)
