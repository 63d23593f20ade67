"""The gates of a layer over a whole block of steps, from its inputs and its states: the equations, in float64 NumPy.

Since the states of each step are known, no step waits for the one before it, and a block takes a few matrix products.
"""

from collections.abc import Mapping
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from streamrnn.functions import applied
from streamrnn.layers import GRU, LSTM, RNN, OwnCell
from streamrnn.layers.recipe_layer import Parameters, Recurrent
from streamrnn.recipe import X

Array = NDArray[np.float64]
Vectors = Mapping[str, Array]


@singledispatch
def gates_of(layer: Recurrent, before: Vectors, after: Vectors) -> dict[str, Array]:
    """The gates of each step by name, (n_steps, H), as the layer's docstring names them.

    before  "x", the inputs, (n_steps, I), and each state as it was before the step, (n_steps, size)
    after   each state after the step
    """
    raise NotImplementedError(layer.kind)


@gates_of.register
def _of_lstm(layer: LSTM, before: Vectors, after: Vectors) -> dict[str, Array]:
    parameters = layer.parameters()
    i, f, g, o = (_sum(parameters, name, before) for name in "ifgo")
    p_i, p_f, p_o = np.zeros((3, 1)) if layer.peepholes is None else layer.peepholes.astype(np.float64)
    of_gates, of_candidate, _ = layer.activations
    i = applied(of_gates, _limited(i + p_i * before["c"], layer.clip))
    f = 1 - i if layer.coupled else applied(of_gates, _limited(f + p_f * before["c"], layer.clip))
    g = applied(of_candidate, _limited(g, layer.clip))
    o = applied(of_gates, _limited(o + p_o * after["c"], layer.clip))
    return {"i": i, "f": f, "g": g, "o": o}


@gates_of.register
def _of_gru(layer: GRU, before: Vectors, after: Vectors) -> dict[str, Array]:
    parameters = layer.parameters()
    of_gates, of_candidate = layer.activations
    r, z = (applied(of_gates, _limited(_sum(parameters, name, before), layer.clip)) for name in "rz")
    if layer.form == "reset-after":
        n = _sum(parameters, "n", before) + r * _sum(parameters, "p", before)
    else:
        n = _sum(parameters, "n", {X: before[X], "reset_h": r * before["h"]})
    return {"r": r, "z": z, "n": applied(of_candidate, _limited(n, layer.clip))}


@gates_of.register
def _of_rnn(layer: RNN, before: Vectors, after: Vectors) -> dict[str, Array]:
    return {}  # it has none


@gates_of.register
def _of_own_cell(layer: OwnCell, before: Vectors, after: Vectors) -> dict[str, Array]:
    """The sums of all passes, before any function, and what passes before the last one return."""
    parameters, found = layer.parameters(), dict[str, Array]()
    per_unit = {name: np.asarray(vector, np.float64) for name, vector in parameters.per_unit.items()}
    for one in layer.recipe.passes:
        sums = {name: _sum(parameters, name, before) for name in one.sums}
        found |= sums
        if not set(one.writes) <= set(layer.recipe.states):
            known = {**per_unit, **before, **sums}
            result = one.cell(*(known[name] for name in one.parameters))
            written = dict(zip(one.writes, result if isinstance(result, tuple) else (result,), strict=True))
            before = {**before, **written}
            found |= written
    return found


def _sum(parameters: Parameters, name: str, vectors: Vectors) -> Array:
    """A sum of each unit, unscaled: its bias, and its weights times each vector that feeds it. (n_steps, units)"""
    total = np.asarray(parameters.biases.get(name, 0.0), np.float64)
    for (vector, fed), weights in parameters.weights.items():
        if fed == name and vector in vectors:
            total = total + vectors[vector] @ np.asarray(weights, np.float64).T
    return total


def _limited(sums: Array, clip: float | None) -> Array:
    return sums if clip is None else np.clip(sums, -clip, clip)
