"""The gates of a layer over a whole block of steps, from its inputs and its states: the equations, in NumPy.

Since the states of each step are known, no step waits for the one before it, and a block takes a few matrix products.
"""

from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.functions import applied
from streamrnn.layers import GRU, LSTM, RNN, OwnCell
from streamrnn.layers.recipe_layer import Parameters, Recurrent
from streamrnn.recipe import X

Array = NDArray[Any]
Vectors = Mapping[str, Array]


@singledispatch
def gates_of(layer: Recurrent, before: Vectors, after: Vectors) -> dict[str, Array]:
    """The gates of each step by name, (n_steps, H), as the layer's docstring names them.

    before  "x", the inputs, (n_steps, I), and each state as it was before the step, (n_steps, size), all of one dtype, in which
            the gates are computed
    after   each state after the step
    """
    raise NotImplementedError(layer.kind)


@gates_of.register
def _of_lstm(layer: LSTM, before: Vectors, after: Vectors) -> dict[str, Array]:
    parameters = layer.parameters()
    i, f, g, o = _sums(parameters, "ifgo", before)
    p_i, p_f, p_o = np.zeros((3, 1), i.dtype) if layer.peepholes is None else layer.peepholes
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
    r, z, *rest = _sums(parameters, "rznp" if layer.form == "reset-after" else "rz", before)
    r, z = (applied(of_gates, _limited(gate, layer.clip)) for gate in (r, z))
    if layer.form == "reset-after":
        n = rest[0] + r * rest[1]
    else:
        (n,) = _sums(parameters, "n", {X: before[X], "reset_h": r * before["h"]})
    return {"r": r, "z": z, "n": applied(of_candidate, _limited(n, layer.clip))}


@gates_of.register
def _of_rnn(layer: RNN, before: Vectors, after: Vectors) -> dict[str, Array]:
    return {}  # it has none


@gates_of.register
def _of_own_cell(layer: OwnCell, before: Vectors, after: Vectors) -> dict[str, Array]:
    """The sums of all passes, before any function, and what passes before the last one return."""
    parameters, found = layer.parameters(), dict[str, Array]()
    per_unit = {name: np.asarray(vector, before[X].dtype) for name, vector in parameters.per_unit.items()}
    for one in layer.recipe.passes:
        sums = dict(zip(one.sums, _sums(parameters, one.sums, before), strict=True))
        found |= sums
        if not set(one.writes) <= set(layer.recipe.states):
            known = {**per_unit, **before, **sums}
            result = one.cell(*(known[name] for name in one.parameters))
            written = dict(zip(one.writes, result if isinstance(result, tuple) else (result,), strict=True))
            before = {**before, **written}
            found |= written
    return found


def _sums(parameters: Parameters, names: Iterable[str], vectors: Vectors) -> list[Array]:
    """Sums of each unit, unscaled: a bias, and weights times each vector that feeds the sum. (n_steps, units) each.

    A vector is multiplied with the weights of all sums that it feeds at once.
    """
    names, products = list(names), dict[str, list[Array]]()
    for vector, values in vectors.items():
        fed = [name for name in names if (vector, name) in parameters.weights]
        if fed:
            weights = np.concatenate([parameters.weights[vector, name] for name in fed]).astype(values.dtype, copy=False)
            for name, product in zip(fed, np.split(values @ weights.T, len(fed), axis=1), strict=True):
                products.setdefault(name, []).append(product)
    biases = {name: np.asarray(parameters.biases.get(name, 0.0), vectors[X].dtype) for name in names}
    return [sum(products[name], biases[name]) for name in names]


def _limited(sums: Array, clip: float | None) -> Array:
    return sums if clip is None else np.clip(sums, -clip, clip)
