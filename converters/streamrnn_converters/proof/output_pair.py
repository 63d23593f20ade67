"""One output of a graph in one trial, as a model and onnxruntime give it, and where the two differ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import VerificationError
from streamrnn_converters.onnx.imported import GraphOutput
from streamrnn_converters.proof.answers import Answers, Array
from streamrnn_converters.proof.report import Comparison
from streamrnn_converters.proof.trials import Trial
from streamrnn_converters.reference_runs.graph_arrays import graph_array


@dataclass(frozen=True)
class OutputPair:
    """Both answers in the axes of the graph. An output without a time axis has one entry per run, along a first axis."""

    output: GraphOutput
    trial: Trial
    ours: Array
    reference: Array
    steps: NDArray[np.int64]  # by the index along `axis`
    axis: int

    def compare(self, tolerance: float, slack: float | NDArray[np.float64] = 0.0) -> Comparison:
        """The largest error, and the first step at which one is above tolerance · max(1, |reference|) + slack."""
        with np.errstate(invalid="ignore"):  # infinity - infinity is NaN, which agrees with nothing
            error = np.abs(self.ours.astype(np.float64) - self.reference)
            relative = float(np.max(error / np.maximum(np.abs(self.reference), 1e-6)))
        wrong = ~(error <= tolerance * np.maximum(1, np.abs(self.reference)) + slack)
        worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        first = np.nonzero(wrong)[self.axis]
        since = self._step(first.min()) if first.size and self._has_steps else 0
        return Comparison(
            output=self.output.name,
            case=self.trial.case.name,
            absolute=float(error[worst]),
            relative=relative,
            place=self._named_index([int(index) for index in worst]),
            ours=float(self.ours[worst]),
            reference=float(self.reference[worst]),
            first_disagreement=since if first.size else None,
        )

    @property
    def _has_steps(self) -> bool:
        return "time" in self.output.axes or len(self.trial.ends) > 1 or self.trial.start > 0

    def _step(self, index: int) -> int:
        return self.trial.start + int(self.steps[index])

    def _named_index(self, index: Sequence[int]) -> dict[str, int]:
        """An index by the names of its axes; where several axes have one name, the second is "name#2"."""
        axes = list(self.output.axes)
        if "time" not in axes:
            axes.insert(0, "time")
        named: dict[str, int] = {}
        for axis, value in zip(axes, index, strict=True):
            if axis == "one" or (axis == "time" and not self._has_steps):
                continue
            n_before = sum(name.split("#")[0] == axis for name in named)
            named[f"{axis}#{n_before + 1}" if n_before else axis] = self._step(value) if axis == "time" else value
        return named


def pair_answers(output: GraphOutput, trial: Trial, ours: Answers, runs: Sequence[NDArray[Any]]) -> OutputPair | None:
    """Our answers and those of onnxruntime's runs. None where the model overflows before there is anything to compare.

    An output without a time axis is compared after each run. There are several runs only where states are carried.
    """
    has_time, values = "time" in output.axes, ours.values(output)
    if has_time:
        axis, steps = output.axes.index("time"), np.arange(len(values))
        reference = np.concatenate(runs, axis).take(steps, axis)
    else:
        axis, steps = 0, np.array(trial.ends[: ours.n_runs], np.int64) - 1
        reference = np.array(runs[: ours.n_runs])
    if not len(steps):
        return None
    mine = graph_array(values, output) if has_time else np.array([graph_array(row[None], output) for row in values])
    if mine.shape != reference.shape:
        have, want = (array.shape if has_time else array.shape[1:] for array in (reference, mine))
        raise VerificationError(f"output {output.name!r}: onnxruntime gives shape {have}, the import expects {want}")
    if has_time and trial.lengths:  # steps after the end of a recording mean nothing
        valid = np.arange(len(values))[:, None] < np.array(trial.lengths)
        mine = np.where(graph_array(np.broadcast_to(valid[:, :, None], values.shape), output), mine, reference)
    return OutputPair(output, trial, mine, reference, steps, axis)


def worse(before: Comparison, found: Comparison, *, continues: bool) -> Comparison:
    """The comparison with the larger error; one that disagrees is worse than one that agrees, and NaN is worst.
    A case is set aside if a part of it is.

    continues  whether `found` continues the signal of `before`, whose first disagreement then counts
    """
    worst = max(before, found, key=lambda c: (not c.agrees, c.set_aside, inf if isnan(c.absolute) else c.absolute))
    return replace(worst, first_disagreement=before.first_disagreement) if continues and not before.agrees else worst
