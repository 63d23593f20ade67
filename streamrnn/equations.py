"""A layer's equations on NumPy arrays, in float64: its recipe, computed step by step. Slow, and independent of any kernel."""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.errors import ModelError
from streamrnn.layers import Layer, StateOutput
from streamrnn.layers.recipe_layer import RecipeLayer
from streamrnn.recipe import OPTIONS, X

Array = NDArray[np.float64]


def run_equations(
    layer: Layer, signal: ArrayLike, states: Mapping[str, ArrayLike] | None = None
) -> tuple[Array, dict[str, Array]]:
    """Run a layer by its equations, in float64.

    layer    of a kind that has a recipe: LSTM, GRU, RNN, Dense, or a cell of your own
    signal   (n_steps, input_size)
    states   name -> (size,), the states to begin with; None: the layer's initial states
    returns  the outputs, (n_steps, output_size), and name -> (size,), the states after the last step

    Raises ModelError for another kind of layer.
    """
    if not isinstance(layer, RecipeLayer | StateOutput):
        raise ModelError(f"run_equations: {layer.kind} layers have no recipe; use LSTM, GRU, RNN, Dense, or a cell of your own")
    recipe, given = layer.recipe, layer.parameters()
    scaled = {key: array * given.scales.get(key[1], 1.0) for key, array in _double(given.weights).items()}
    biases = {name: array * given.scales.get(name, 1.0) for name, array in _double(given.biases).items()}
    begin = layer.states if states is None else states
    vectors: dict[str, Array] = {name: np.array(value, np.float64) for name, value in begin.items()}
    vectors |= _double(given.per_unit)
    options = given.options.astype(layer.dtype).astype(np.float64)
    outputs = []
    for x in np.asarray(signal, np.float64):
        now, written = vectors | {X: x}, dict[str, Any]()
        for one in recipe.passes:
            sums: dict[str, Array] = {}
            for vector, begins, fed in one.sections:
                for name in begins:
                    sums[name] = biases.get(name, np.zeros(len(scaled[vector, name])))
                for name in fed:
                    sums[name] = sums[name] + scaled[vector, name] @ now[vector]
            known = {OPTIONS: options} | now | sums
            result = one.cell(*(known[name] for name in one.parameters))
            results = result if isinstance(result, tuple) else (result,)
            written |= dict(zip(one.writes, results, strict=True))
            now |= {name: value for name, value in written.items() if name not in recipe.states}
        outputs.append(_distribution(written[recipe.output]) if recipe.distribution else written[recipe.output])
        vectors |= {name: written[name] for name in recipe.states}
    y = np.array(outputs).reshape(len(outputs), layer.output_size)
    return y, {name: vectors[name] for name in recipe.states}


def _double(arrays: Mapping[Any, Any]) -> dict[Any, Array]:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def _distribution(logits: Array) -> Array:
    """Softmax in base 2, for which the rows are scaled."""
    powers: Array = np.exp2(logits - logits.max())
    shares: Array = powers / powers.sum()
    return shares
