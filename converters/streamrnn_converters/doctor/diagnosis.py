"""Finds the convention under which weights reproduce a reference: all are tried, and the errors decide."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrnn import ConversionError, Model
from streamrnn_converters.doctor.canonical import layers
from streamrnn_converters.doctor.conventions import Convention, families, heads, orders
from streamrnn_converters.doctor.equations import apply_head, hidden_states
from streamrnn_converters.doctor.readings import readings
from streamrnn_converters.proof.recording import Recording

Array = NDArray[np.float64]
_STEPS = 50  # of the reference: enough to tell conventions apart, too few for rounding errors to grow large
_MOST_NAMED = 4  # conventions that a verdict names


@dataclass(frozen=True)
class Finding:
    """A convention, and its largest |ours - reference| / max(1, |reference|); infinite where it overflows."""

    convention: Convention
    error: float


@dataclass(frozen=True)
class Diagnosis:
    """Every convention by its error, best first. `str` is the verdict."""

    findings: tuple[Finding, ...]
    #: Those that reproduce the reference, in groups of conventions that are the same function.
    reproducing: tuple[tuple[Finding, ...], ...]
    tolerance: float
    n_steps: int
    n_recorded: int

    @property
    def convention(self) -> Convention | None:
        """The one that reproduces the reference; None where none does, or several that differ on other signals."""
        return self.reproducing[0][0].convention if len(self.reproducing) == 1 else None

    def model(self) -> Model:
        """The model of the convention. Raises ConversionError where there is none."""
        if self.convention is None:
            raise ConversionError(str(self))
        return Model(layers(self.convention), {"source": {"format": "arrays", "convention": str(self.convention)}})

    def __str__(self) -> str:
        steps = (
            f"{self.n_steps} steps" if self.n_steps == self.n_recorded else f"first {self.n_steps} of {self.n_recorded} steps"
        )
        rule = f"tolerance {self.tolerance:g} · max(1, |reference|), {steps}, {len(self.findings)} conventions tried"
        best = self.findings[0]
        if not self.reproducing:
            return f"NOT found: no convention reproduces the reference; the best is off by {best.error:.2g}; {rule}"
        if len(self.reproducing) > 1:
            named = "; ".join(str(group[0].convention) for group in self.reproducing[:_MOST_NAMED])
            more = len(self.reproducing) - _MOST_NAMED
            return (
                f"NOT decided: {len(self.reproducing)} conventions reproduce the reference and differ on other signals: "
                f"{named}{f'; {more} more' if more > 0 else ''}; a longer or louder reference may tell them apart; {rule}"
            )
        (group,) = self.reproducing
        others = [finding.error for finding in self.findings if finding.error > self.tolerance]
        next_best = f"next best {others[0]:.2g}" if others else "no convention differs from it"
        lines = [f"found: {group[0].convention}: reproduces the reference to {group[0].error:.1e}; {next_best}; {rule}"]
        lines += [f"the same function for these weights: {finding.convention}" for finding in group[1 : 1 + _MOST_NAMED]]
        if len(group) > 1 + _MOST_NAMED:
            lines.append(f"and {len(group) - 1 - _MOST_NAMED} more that are the same function for these weights")
        return "\n".join([*lines, group[0].convention.roles])


def diagnose(arrays: Mapping[str, Array], recording: Recording, tolerance: float = 1e-5) -> Diagnosis:
    """Try every convention of LSTM, GRU and RNN on the weights of one recurrent layer, optionally with a dense head after it.

    arrays     by any name: their shapes decide what they could be (`readings`)
    recording  the reference; its first 50 steps are used
    tolerance  a convention reproduces the reference where |ours - reference| <= tolerance * max(1, |reference|)

    Tried are all orders of gates and of peepholes, matrices as they are and transposed, input and recurrent weights exchanged
    where shapes allow it, reset-after and reset-before, each bias inside the reset or not, h' = z n + (1 - z) h, logistic and
    hard sigmoids, tanh and relu.

    Raises ConversionError where the shapes are not those of one layer of the reference's sizes.
    """
    x, y = recording.input[:_STEPS], recording.output[:_STEPS]
    initial = {name: array for (_, name), array in recording.initial.items()}
    if any(k for k, _ in recording.initial):
        raise ConversionError("the reference has the states of several recurrent layers; diagnose one layer at a time")
    scale = np.maximum(1, np.abs(y))
    findings = []
    for reading in readings(arrays, x.shape[1], y.shape[1]):
        sizes = reading.state_sizes
        if any(array.shape != (sizes.get(name, array.size),) for name, array in initial.items()):
            continue
        names = orders(reading.kind)
        for family in families(reading):
            hidden = hidden_states(reading, family, names, x, initial)
            for function in heads(reading):
                with np.errstate(over="ignore", invalid="ignore"):
                    errors = (np.abs(apply_head(reading.head, function, hidden) - y) / scale).max(axis=(1, 2))
                for order, error in zip(names, np.where(np.isnan(errors), np.inf, errors), strict=True):
                    findings.append(Finding(Convention(reading, family, order, function), float(error)))
    if not findings:
        raise ConversionError("the initial states of the reference have other sizes than the layer; record those of this layer")
    groups = _groups([finding for finding in findings if finding.error <= tolerance], x.shape[1])
    ranked = sorted(findings, key=lambda finding: finding.error)
    return Diagnosis(tuple(ranked), tuple(map(tuple, groups)), tolerance, len(x), len(recording.input))


def _groups(findings: list[Finding], n_inputs: int) -> list[list[Finding]]:
    """Findings in groups that give the same on another signal and from other states than those of the reference."""
    rng = np.random.default_rng(0)
    x = np.geomspace(0.1, 10, 40)[:, None] * rng.normal(size=(40, n_inputs))
    groups: list[tuple[Array, list[Finding]]] = []
    for finding in findings:
        convention = finding.convention
        initial = {
            name: np.random.default_rng(index).uniform(-0.9, 0.9, size)
            for index, (name, size) in enumerate(convention.reading.state_sizes.items())
        }
        hidden = hidden_states(convention.reading, convention.family, [convention.order], x, initial)
        answer = apply_head(convention.reading.head, convention.head, hidden)
        for other, members in groups:
            if np.allclose(answer, other, rtol=1e-7, atol=1e-9, equal_nan=True):
                members.append(finding)
                break
        else:
            groups.append((answer, [finding]))
    return [members for _, members in groups]
