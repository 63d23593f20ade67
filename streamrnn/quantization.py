"""`quantize`: a model whose weights are stored in fewer bytes, and what that costs in accuracy, measured on a signal."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.boundary import refusing
from streamrnn.errors import InputError, ModelError
from streamrnn.model import Model
from streamrnn.offline import run_offline
from streamrnn.stream import Stream
from streamrnn.target.packing import BFLOAT16, FLOAT16, INT8, Array
from streamrnn.target.storage import STORED_TYPES

AUTO = "auto"
#: Steps of a signal on which the cost is measured, at most.
N_STEPS = 10_000

_BY_SIZE = (INT8, FLOAT16, BFLOAT16)  # what "auto" tries for a layer; of types of one size, the more exact one first


class Cost(NamedTuple):
    """How far outputs are from those of the model with all its weights in full.

    largest  the largest |difference| of a value
    rms      the square root of the mean of all squared differences
    """

    largest: float
    rms: float


def quantize(model: Model, weights: str, calibration: ArrayLike | None = None, tolerance: float | None = None) -> Model:
    """The model with its weights stored in fewer bytes. What they cost is measured, and is in its notes, "quantization".

    Weights are rounded to the nearest number of the type. Biases, states and all computing stay in float32, but for the sums of
    int8 weights, which are exact sums of integers (docs/quantization.md). Layers without sums, such as an embedding, stay as
    they are.

    weights      "bfloat16", "float16", "int8"; or "auto": for each layer the smallest type with which the whole stays within
                 the tolerance
    calibration  a signal like those that the model will get, (n_steps, input_size), or with a stride (n_steps * stride,
                 input_size); the cost is measured on its first 10 000 steps. None: noise, which is a poor stand-in for it
    tolerance    the largest |difference| of an output that "auto" allows on this signal; with a type, more is refused

    Raises ModelError for another type, a weight that is too large for it, or an error above the tolerance; InputError for a
    signal that does not fit.
    """
    if weights not in (*STORED_TYPES, AUTO):
        raise ModelError(f"quantize, weights: {weights!r} is not one of {', '.join(STORED_TYPES)}, {AUTO}")
    if tolerance is not None and not (isinstance(tolerance, int | float) and 0 <= tolerance < np.inf):
        raise ModelError(f"quantize, tolerance: {tolerance!r} is not a number from 0 on")
    if weights == AUTO and tolerance is None:
        raise ModelError("quantize: 'auto' needs a tolerance, the largest error of an output that you accept")
    trial = Trial(model, calibration)
    if weights == AUTO:
        assert tolerance is not None
        types = _smallest(trial, tolerance)
    else:
        types = dict.fromkeys(trial.storable, weights)
    made, cost = trial.made(types), trial.cost(types)
    if tolerance is not None and cost.largest > tolerance:
        raise ModelError(
            f"quantize: with {weights} weights an output is off by {cost.largest:.3g}, more than {tolerance:.3g}; "
            f"take a larger type, or '{AUTO}'"
        )
    return made.with_notes(model.notes | {"quantization": trial.report(weights, types, cost, tolerance)})


def _smallest(trial: Trial, tolerance: float) -> dict[int, str]:
    """For each layer, the smallest type with which the whole stays within the tolerance.

    All layers begin with the smallest type. While the whole is off by more, the layer that alone costs most gets the next one.
    """
    left = {index: [stored for stored in _BY_SIZE if trial.fits(index, stored)] for index in trial.storable}
    types = {index: kinds[0] for index, kinds in left.items() if kinds}
    while types and trial.cost(types).largest > tolerance:
        worst = max(types, key=lambda index: trial.cost({index: types[index]}).largest)
        left[worst].pop(0)
        if left[worst]:
            types[worst] = left[worst][0]
        else:
            del types[worst]
    return types


class Trial:
    """A model and a signal, to try stored types on.

    storable  indices of the layers whose weights can be stored in another type
    """

    def __init__(self, model: Model, calibration: ArrayLike | None) -> None:
        self._model, self._is_noise = model, calibration is None
        self.storable = [index for index, layer in enumerate(model.layers) if layer.can_store]
        self._signal = _noise(model) if calibration is None else _checked(model, calibration)
        self._expected = self._run(model)
        self._costs: dict[tuple[tuple[int, str], ...], Cost] = {}

    def made(self, types: dict[int, str]) -> Model:
        """The model with these types, by the index of a layer; the other layers stay as they are."""
        layers = list(self._model.layers)
        for index, stored in types.items():
            try:
                layers[index] = layers[index].with_stored(stored)
            except ModelError as error:
                raise ModelError(f"layer {index}: {error}") from None
        return Model(layers, self._model.notes, self._model.sources)

    def fits(self, index: int, stored: str) -> bool:
        """Whether a layer can be stored in a type."""
        try:
            self._model.layers[index].with_stored(stored)
        except ModelError:
            return False
        return True

    def cost(self, types: dict[int, str]) -> Cost:
        """What these types cost on the signal. It is measured once."""
        key = tuple(sorted(types.items()))
        if key not in self._costs:
            self._costs[key] = self.cost_of(self.made(types))
        return self._costs[key]

    def errors_of(self, other: Model) -> NDArray[np.float64]:
        """What another model gives for the signal, less what this one gives: (n_steps, output_size)."""
        errors: NDArray[np.float64] = self._run(other).astype(np.float64) - self._expected
        return errors

    def cost_of(self, other: Model) -> Cost:
        """What another model costs on the signal, in place of this one."""
        difference = self.errors_of(other)
        return Cost(float(np.abs(difference).max()), float(np.sqrt(np.mean(difference**2))))

    def report(self, weights: str, types: dict[int, str], cost: Cost, tolerance: float | None) -> dict[str, Any]:
        """What is written to the notes: the cost of the whole, and of each layer alone."""
        layers = []
        for index in self.storable:
            alone = self.cost({index: types[index]} if index in types else {})
            layer = self._model.layers[index]
            found = {"layer": index, "kind": layer.row.kind, "weights": types.get(index, layer.stored or layer.dtype)}
            layers.append(found | {"largest_error": alone.largest, "rms_error": alone.rms})
        return {
            "weights": weights,
            "parent": self._model.fingerprint,
            "signal": "noise" if self._is_noise else "calibration",
            "steps": len(self._expected),
            "largest_output": float(np.abs(self._expected).max()),
            "largest_error": cost.largest,
            "rms_error": cost.rms,
            "tolerance": tolerance,
            "layers": layers,
        }

    def _run(self, model: Model) -> Array:
        y: Array = Stream(model).process(self._signal) if model.streamable else run_offline(model, self._signal)
        return y


def _noise(model: Model) -> Array:
    """Noise as loud as most signals are after normalisation."""
    shape = (N_STEPS * model.stride, model.input_size)
    return np.random.default_rng(0).standard_normal(shape).astype(model.dtype)


def _checked(model: Model, calibration: ArrayLike) -> Array:
    """The first steps of a recording. Raises InputError for one that does not fit."""
    with refusing(InputError, "quantize, calibration: not an array of numbers"):
        signal = np.asarray(calibration, model.dtype)
    if signal.ndim != 2 or signal.shape[1] != model.input_size or len(signal) < model.stride:
        raise InputError(
            f"quantize, calibration: shape {signal.shape} does not fit, expected (n_steps, {model.input_size}), "
            f"at least {model.stride} rows"
        )
    return signal[: min(N_STEPS, len(signal) // model.stride) * model.stride]
