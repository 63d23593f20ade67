"""Three recurrent cells that streamrnn does not have, each as its equation."""

import streamrnn
from streamrnn.functions import fma, relu, sigmoid, tanh


@streamrnn.cell("min_gru", version=1, states=["h"], sums={"x": "z n"})
def min_gru(z, n, h):
    """minGRU (Feng et al. 2024): the gate and the candidate look at the inputs alone."""
    z = sigmoid(z)
    return (1 - z) * h + z * n


@streamrnn.cell("li_gru", version=1, states=["h"], sums={"x": "z n", "h": "z n"})
def li_gru(z, n, h):
    """Light GRU (Ravanelli et al. 2018), without its batch normalisation: no reset gate, a relu in place of tanh."""
    z = sigmoid(z)
    return z * h + (1 - z) * relu(n)


@streamrnn.cell("coupled_lstm", version=1, states=["h", "c"], sums={"x": "f g o", "h": "f g o"}, per_unit=["p_f", "p_o"])
def coupled_lstm(f, g, o, c, p_f, p_o):
    """An LSTM whose input gate is 1 - f, with peepholes (Greff et al. 2017)."""
    f = sigmoid(fma(p_f, c, f))
    c = fma(f, c, (1 - f) * tanh(g))
    return sigmoid(fma(p_o, c, o)) * tanh(c), c
