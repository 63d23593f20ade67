"""Numbers that one reads off the gates of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: A gate is saturated below and above these.
SATURATED = 0.05, 0.95
#: A unit is dead where |h| never exceeds this.
DEAD = 1e-6
#: A unit is stuck where h moves by less than this over the whole signal, but is not dead.
STUCK = 1e-3

#: Of the inputs that a gate moves with, at most so many are named, and none with a smaller correlation than this.
MOST_NAMED, LEAST_NAMED = 3, 0.1

#: The gates of a kind that lie between 0 and 1; and the one that keeps the past.
_BOUNDED = {"lstm": "ifo", "gru": "rz"}
_KEEPS = {"lstm": "f", "gru": "z"}


@dataclass(frozen=True, eq=False)
class LayerFigures:
    """What one reads off a layer's gates. A gate's mean is that over the steps of the signal.

    saturated  gate -> share of its values, over all steps and units, below 0.05 or above 0.95
    memory     (units,): steps in which a state falls to 1/e of its value, -1 / ln(mean of f, or of z); infinite where that
               mean is 1. None for layers without such a gate
    reset      (units,): mean of r, how far the reset gate opens; None for other layers than GRU
    dead       units whose |h| never exceeds 1e-6
    stuck      units, not dead, whose h moves by less than 1e-3 over the whole signal
    """

    saturated: dict[str, float]
    memory: Array | None
    reset: Array | None
    dead: tuple[int, ...]
    stuck: tuple[int, ...]

    @property
    def memory_quantiles(self) -> dict[str, float]:
        """The memory of the units at which 10, 50 and 90 % of them have less; {} where there is none."""
        if self.memory is None:
            return {}
        return {f"{q} %": float(np.quantile(self.memory, q / 100, method="nearest")) for q in (10, 50, 90)}

    def lines(self) -> list[tuple[str, str]]:
        """The numbers by name, as text."""
        lines = [(f"{gate} saturated", f"{share:.1%} of values") for gate, share in self.saturated.items()]
        if quantiles := self.memory_quantiles:
            shown = ", ".join(f"{name} of units below {steps:.3g}" for name, steps in quantiles.items())
            lines.append(("memory in steps", shown))
        if self.reset is not None:
            lines.append(("r open", f"{self.reset.mean():.1%} on average"))
        for what, units in (("dead units", self.dead), ("stuck units", self.stuck)):
            lines.append((what, ", ".join(map(str, units)) or "none"))
        return lines

    def to_json(self) -> dict[str, Any]:
        """The numbers as JSON values; an infinite memory is null."""
        finite = {name: value if np.isfinite(value) else None for name, value in self.memory_quantiles.items()}
        return {
            "saturated": self.saturated,
            "memory_steps": finite,
            "reset_mean": None if self.reset is None else float(self.reset.mean()),
            "dead": list(self.dead),
            "stuck": list(self.stuck),
        }


def correlation(values: Array, inputs: Array) -> Array:
    """(n_inputs,): the mean over the units of |r|, Pearson's correlation of a unit with an input over the steps.

    values  (n_steps, units)
    inputs  (n_steps, n_inputs)
    """
    if not len(values):
        return np.zeros(inputs.shape[1])
    means: Array = np.abs(_standardised(values).T @ _standardised(inputs)).mean(axis=0) / len(values)
    return means


def moves_with(correlations: dict[str, Array], names: Sequence[str]) -> list[tuple[str, str]]:
    """What each gate moves with, as text: the inputs with the largest correlations."""
    lines = []
    for gate, found in correlations.items():
        strongest = np.argsort(-found, kind="stable")[:MOST_NAMED]
        shown = ", ".join(f"{names[index]} ({found[index]:.2f})" for index in strongest if found[index] >= LEAST_NAMED)
        lines.append((f"{gate} moves with", shown or "no input"))
    return lines


def by_memory(figures: LayerFigures | None, n_units: int) -> Array:
    """The units of an array, those that remember longest first; in their own order where nothing is known of their memory."""
    if figures is None or figures.memory is None or len(figures.memory) != n_units:
        return np.arange(n_units)
    return np.argsort(-figures.memory, kind="stable")


def figures_of(kind: str, arrays: dict[str, Array]) -> LayerFigures:
    """The numbers of a layer of a kind, from its gates and states over (n_steps, units)."""
    low, high = SATURATED
    bounded = _BOUNDED.get(kind, "")
    saturated = {gate: float(np.mean((arrays[gate] < low) | (arrays[gate] > high))) for gate in bounded}
    memory = _memory(arrays[_KEEPS[kind]]) if kind in _KEEPS else None
    reset = arrays["r"].mean(axis=0, dtype=np.float64) if kind == "gru" else None
    h = next(reversed(arrays.values()))  # the layer's output
    size, motion = np.abs(h).max(axis=0), np.ptp(h, axis=0)
    dead = np.flatnonzero(size <= DEAD)
    stuck = np.flatnonzero((motion < STUCK) & (size > DEAD))
    return LayerFigures(saturated, memory, reset, tuple(map(int, dead)), tuple(map(int, stuck)))


def _standardised(values: Array) -> Array:
    """Each column with the mean 0 and the variance 1, in float64; 0 where it does not vary."""
    centred = values - values.mean(axis=0, dtype=np.float64)
    deviation = centred.std(axis=0)
    varies = deviation > 1e-9 * np.abs(values).max(axis=0)
    result: Array = np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
    return result


def _memory(keeps: Array) -> Array:
    mean = np.clip(keeps.mean(axis=0, dtype=np.float64), 1e-300, 1)
    with np.errstate(divide="ignore"):
        steps: Array = -1 / np.log(mean)
    return steps
