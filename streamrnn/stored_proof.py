"""The proof of a quantised model: against its own integers, computed anew in NumPy, and against the model it was made from.

Each layer takes one step after the other by its equations, from the states that its stream had. Sums of integers are exact
there, and everything else is in float64. So what is left is the rounding of one step, and a single wrong integer shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import VerificationError
from streamrnn.layers import Layer, StateOutput
from streamrnn.layers.layer import Tensor
from streamrnn.layers.recipe_layer import Parameters, RecipeLayer
from streamrnn.model import Model
from streamrnn.quantization import Cost, Trial
from streamrnn.recipe import OPTIONS, Recipe, X
from streamrnn.stream import Stream
from streamrnn.target.integers import LEAST_STEP, MOST_INPUT, as_integers, most_input, row_scales
from streamrnn.target.packing import INT8

_Array = NDArray[np.float64]

#: Of a step in float32 beside the same step in float64, times the largest of 1 and the output.
TOLERANCE = 2e-5

_LOUDNESS, _N_STEPS = (1e-3, 1.0), 50  # of the noise that a layer gets


@dataclass(frozen=True)
class LayerProof:
    """A layer beside its own equations. `largest_error` is that of a step, None where the kind has no equations to compute."""

    layer: int
    kind: str
    weights: str
    largest_error: float | None
    differs: str  # the first number that is not the parent's, rounded; "" where all are

    @property
    def proven(self) -> bool:
        """Whether its numbers are those of the parent, and its steps those of its numbers."""
        return not self.differs and (self.largest_error is None or self.largest_error <= TOLERANCE)


@dataclass(frozen=True)
class StoredProof:
    """What was found. `cost` is the error of the whole against the parent, on noise; `noted` that of the notes, where it is
    theirs too."""

    layers: tuple[LayerProof, ...]
    cost: Cost
    noted: float | None

    @property
    def proven(self) -> bool:
        """Whether all layers are, and the cost is what the archive says."""
        return all(layer.proven for layer in self.layers) and self.noted in (None, self.cost.largest)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        layers = [asdict(layer) | {"proven": layer.proven} for layer in self.layers]
        return {"proven": self.proven, "layers": layers, "noise": self.cost._asdict(), "noted_largest_error": self.noted}


def prove_stored(model: Model, parent: Model) -> StoredProof:
    """Prove a quantised model against its own numbers, and against the model that it was made from.

    Raises VerificationError where it is not made from that model, as far as its notes and layers tell.
    """
    noted = model.notes.get("quantization", {})
    if noted.get("parent") != parent.fingerprint:
        raise VerificationError("the archive does not say that it was quantised from this model; give that one")
    if [layer.kind for layer in model.layers] != [layer.kind for layer in parent.layers]:
        raise VerificationError("the two models have layers of other kinds; give the one that the archive was made from")
    layers = tuple(_proven(index, *pair) for index, pair in enumerate(zip(model.layers, parent.layers, strict=True)))
    cost = Trial(parent, None).cost_of(model)
    return StoredProof(layers, cost, noted["largest_error"] if noted.get("signal") == "noise" else None)


def _proven(index: int, layer: Layer, parent: Layer) -> LayerProof:
    rounded = parent.with_stored(layer.stored) if layer.stored else parent
    differs = ""
    for name, expected in rounded.tensors().items():
        have = layer.tensors()[name]
        if not differs and not np.array_equal(have, expected):
            places = np.argwhere(have != expected) if have.shape == expected.shape else np.zeros((1, have.ndim), int)
            at = tuple(int(place) for place in places[0])
            differs = f"{name}{list(at)} and {len(places) - 1} more"
    cell = layer if isinstance(layer, RecipeLayer | StateOutput) and layer.stored is not None else None
    error = largest_error(cell) if cell is not None and not cell.recipe.gathered else None
    return LayerProof(index, layer.row.kind, layer.stored or layer.dtype, error, differs)


def largest_error(layer: RecipeLayer | StateOutput) -> float:
    """How far a step of a stream is from the layer's equations with its own numbers, relative to 1 and the output, on noise."""
    rng, equations, worst = np.random.default_rng(0), _Equations(layer), 0.0
    for loudness in _LOUDNESS:
        stream = Stream(Model([layer]))
        for x in (loudness * rng.standard_normal((_N_STEPS, layer.input_size))).astype(layer.dtype):
            (before,) = stream.states
            y, expected = stream.step(x), equations.step(x, before)
            found = dict(stream.states[0]) | {layer.recipe.output: y}
            for name, values in found.items():
                worst = max(worst, float(np.max(np.abs(values - expected[name]) / np.maximum(1, np.abs(expected[name])))))
    return worst


class _Equations:
    """The equations of a layer with its own numbers: a step, from the states before it."""

    def __init__(self, layer: RecipeLayer | StateOutput) -> None:
        self._layer, self._recipe, self._given = layer, layer.recipe, layer.parameters()
        self._options = self._given.options.astype(layer.dtype).astype(np.float64)
        self._integers = _IntegerSums(self._recipe, self._given) if layer.stored == INT8 else None

    def step(self, x: Tensor, states: Mapping[str, Tensor]) -> dict[str, _Array]:
        """The vectors that a step writes."""
        recipe, given = self._recipe, self._given
        now: dict[str, Any] = {name: np.asarray(value, np.float64) for name, value in {**states, **given.per_unit}.items()}
        now[X], written = np.asarray(x, np.float64), dict[str, Any]()
        for one in recipe.passes:
            sums: dict[str, Any] = {}
            for vector, begins, fed in one.sections:
                for name in begins:
                    units = len(given.weights[vector, name])
                    sums[name] = np.float64(given.biases.get(name, np.zeros(units))) * given.scales.get(name, 1.0)
                for name in fed:
                    product = self._product(vector, name, now[vector])
                    sums[name] = sums[name] + product * given.scales.get(name, 1.0)
            known = {OPTIONS: self._options} | now | sums
            results = one.cell(*(known[name] for name in one.parameters))
            written |= dict(zip(one.writes, results if isinstance(results, tuple) else (results,), strict=True))
            now |= {name: value for name, value in written.items() if name not in recipe.states}
        if recipe.distribution:
            powers = np.exp2(written[recipe.output] - written[recipe.output].max())
            written[recipe.output] = powers / powers.sum()
        return written

    def _product(self, vector: str, name: str, values: _Array) -> _Array:
        if self._integers is not None:
            return self._integers.product(vector, name, values)
        product: _Array = self._given.weights[vector, name].astype(np.float64) @ values
        return product


class _IntegerSums:
    """Products of int8 weights with vectors as integers: sums of int64, exact, and scaled once."""

    def __init__(self, recipe: Recipe, given: Parameters) -> None:
        self._recipe = recipe
        self._scales = {key: row_scales(matrix) for key, matrix in given.weights.items()}
        self._integers = {key: as_integers(matrix, self._scales[key]) for key, matrix in given.weights.items()}
        self._most: dict[str, int] = {}
        for (vector, _), matrix in given.weights.items():
            self._most[vector] = min(most_input(matrix), self._most.get(vector, MOST_INPUT))

    def product(self, vector: str, name: str, values: _Array) -> _Array:
        """The product of the weights that a vector feeds a sum with. Raises VerificationError for a sum beyond 32 bits."""
        most, narrow = self._most[vector], values.astype(np.float32)
        if vector in self._recipe.bounded:
            step: Any = 1 / most
            whole: Any = np.rint(np.clip(narrow.astype(np.float64), -1, 1) * most)
        else:
            step = max(np.abs(narrow).max() / np.float32(most), LEAST_STEP)
            whole = np.clip(np.rint(narrow.astype(np.float64) * np.float64(np.float32(1) / step)), -most, most)
        sums = self._integers[vector, name].astype(np.int64) @ whole.astype(np.int64)
        if np.abs(sums).max() >= 2**31:
            raise VerificationError(f"a sum of integers that {vector} feeds does not fit 32 bits")
        product: _Array = sums * self._scales[vector, name][:, 0].astype(np.float64) * float(step)
        return product
