"""One output of a graph in one trial: where a stream and onnxruntime differ, and whether float32 explains it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import VerificationError
from streamrnn_converters.onnx.imported import GraphOutput
from streamrnn_converters.proof.report import Comparison
from streamrnn_converters.proof.trials import Answers, Array, Trial
from streamrnn_converters.reference_runs.graph_arrays import graph_array


@dataclass(frozen=True)
class Pair:
    """Both answers as the graph arranges them; what has no time axis once for each run, along a first axis."""

    output: GraphOutput
    trial: Trial
    ours: Array
    theirs: Array
    steps: NDArray[np.int64]  # by the places along `axis`
    axis: int

    def compared(self, tolerance: float, slack: float = 0.0) -> Comparison:
        """Where the largest error is, and the first step at which one is above tolerance · max(1, |reference|) + slack."""
        with np.errstate(invalid="ignore"):  # two infinities: NaN, which agrees with nothing
            error = np.abs(self.ours.astype(np.float64) - self.theirs)
        wrong = ~(error <= tolerance * np.maximum(1, np.abs(self.theirs)) + slack)
        worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        first = np.nonzero(wrong)[self.axis]
        since = self._step(first.min()) if first.size and self._has_steps else 0
        return Comparison(
            output=self.output.name,
            case=self.trial.case.name,
            absolute=float(error[worst]),
            relative=float(np.max(error / np.maximum(np.abs(self.theirs), 1e-6))),
            place=self._place([int(index) for index in worst]),
            ours=float(self.ours[worst]),
            reference=float(self.theirs[worst]),
            first_disagreement=since if first.size else None,
        )

    def rounding(self, other: "Pair") -> float:
        """How far our answers in float32 and in float64 lie apart."""
        n = min(len(self.steps), len(other.steps))
        one, two = (np.take(pair.ours, range(n), self.axis) for pair in (self, other))
        return float(np.abs(one - two).max())

    @property
    def _has_steps(self) -> bool:
        return "time" in self.output.axes or len(self.trial.ends) > 1 or self.trial.start > 0

    def _step(self, index: int) -> int:
        return self.trial.start + int(self.steps[index])

    def _place(self, worst: Sequence[int]) -> dict[str, int]:
        """Where a value stands: by the name of each axis, and if several have one name, by its number too."""
        axes = list(self.output.axes)
        if "time" not in axes:
            axes.insert(0, "time")
        place: dict[str, int] = {}
        for axis, index in zip(axes, worst, strict=True):
            if axis == "one" or (axis == "time" and not self._has_steps):
                continue
            n_before = sum(name.split("#")[0] == axis for name in place)
            place[f"{axis}#{n_before + 1}" if n_before else axis] = self._step(index) if axis == "time" else index
        return place


def paired(output: GraphOutput, trial: Trial, ours: Answers, runs: Sequence[NDArray[Any]]) -> Pair | None:
    """Our answers and those of onnxruntime's runs; None where the model overflowed before there was anything to compare.

    What has no time axis is compared after each run, of which there are several only if states are carried.
    """
    if output.states:
        values = ours.states(output.states)
        values = values[..., list(output.places)] if len(values) else values
    else:
        values = ours.signal if "time" in output.axes else ours.ends
        values = values[..., output.start : output.start + output.size]
    if "time" in output.axes:
        axis, steps = output.axes.index("time"), np.arange(ours.n_steps)
        theirs = np.concatenate(runs, axis).take(steps, axis)
    else:
        axis, steps = 0, np.array(trial.ends[: ours.n_runs], np.int64) - 1
        theirs = np.array(runs[: ours.n_runs])
    if not len(steps):
        return None
    mine = (
        graph_array(values, output) if "time" in output.axes else np.array([graph_array(row[None], output) for row in values])
    )
    if mine.shape != theirs.shape:
        have, want = (array.shape if "time" in output.axes else array.shape[1:] for array in (theirs, mine))
        raise VerificationError(f"output {output.name!r}: onnxruntime gives shape {have}, the import expects {want}")
    if "time" in output.axes and trial.lengths:  # behind the end of a recording there is nothing to compare
        within = np.arange(len(values))[:, None] < np.array(trial.lengths)
        mine = np.where(graph_array(np.broadcast_to(within[:, :, None], values.shape), output), mine, theirs)
    return Pair(output, trial, mine, theirs, steps, axis)


def worse(before: Comparison, found: Comparison, *, goes_on: bool) -> Comparison:
    """The one that tells more against the model; NaN is worst. Where the signal goes on, it differs from the first step on."""
    worst = max(before, found, key=lambda c: (not c.agrees, c.absolute if c.absolute == c.absolute else float("inf")))
    return replace(worst, first_disagreement=before.first_disagreement) if goes_on and not before.agrees else worst
