"""Who is right where a model and onnxruntime differ: the graph in float64 says, and how much rounding is amplified there."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from streamrnn import VerificationError
from streamrnn_converters.onnx.imported import GraphOutput
from streamrnn_converters.onnx.rerun.inner_outputs import with_inner_outputs
from streamrnn_converters.proof.answers import Answers
from streamrnn_converters.proof.output_pair import OutputPair, pair_answers
from streamrnn_converters.proof.report import Comparison
from streamrnn_converters.proof.trials import Trial
from streamrnn_converters.proof.view import Run, View
from streamrnn_converters.reference_runs.float64_graph import float64_runs
from streamrnn_converters.reference_runs.graph_arrays import graph_array
from streamrnn_converters.reference_runs.once import run_reference

_ROUNDINGS = 8  # an answer in float32 may be so many times as far from float64 as rounding alone moves that
_MOST_ROUNDING = 50  # tolerances: what rounding moves further than that cannot be proven
_DRAWS = 8  # of how rounding may fall out, at most: the first few show of most values how far they may be moved


@dataclass(frozen=True)
class Judgement:
    """The outcome for one output in one trial: what counts, what it was compared to within, and a sentence."""

    comparison: Comparison
    slack: float = 0.0
    remark: str = ""


class Judge:
    """Judges the outputs of one trial. What it needs is computed when it is first asked for.

    runs  of onnxruntime
    """

    def __init__(
        self, view: View, trial: Trial, ours: Answers, runs: list[Run], tolerance: float, seed: int, timeout: float
    ) -> None:
        self._view, self._trial, self._ours, self._runs = view, trial, ours, runs
        self._tolerance, self._seed, self._timeout = tolerance, seed, timeout
        self._drawn: list[list[Run]] = []

    def judge(self, pair: OutputPair, found: Comparison) -> Judgement:
        """What counts of a comparison that does not agree."""
        where = f"output {found.output!r}, case {found.case!r}"
        try:
            exact = self._beside(pair, self._exact)
            # A sum that comes back to zero keeps the error that it had when it was large.
            size = np.maximum.accumulate(np.maximum(1, np.abs(exact.reference)), exact.axis)
            most = _MOST_ROUNDING * self._tolerance * size
            if not any(beside.compare(self._tolerance, most).agrees for beside in (pair, exact)) and self._can(pair, exact):
                return Judgement(found, remark=self._blame(pair, exact, where))
            for draws in range(1, _DRAWS + 1):  # one more never makes it stricter, and takes long
                rounding = self._rounding(pair, exact, draws)
                slack = np.minimum(most, _ROUNDINGS * rounding)
                if agrees := pair.compare(self._tolerance, slack).agrees:
                    break
        except VerificationError as error:
            return Judgement(found, remark=f"{where}: {error}")
        if agrees:
            told = f"rounding alone moves float64 by {rounding.max():.1e} there; compared to within {_ROUNDINGS} times that"
            return Judgement(replace(found, first_disagreement=None), float(slack.max()), f"{where}: {told}")
        ours = exact.compare(self._tolerance, slack)
        if ours.agrees and self._overflows:
            told = f"onnxruntime overflows, so that it differs from step {found.first_disagreement} on"
            told += "; compared with float64 instead"
            return Judgement(ours, float(slack.max()), f"{where}: {told}")
        if told := "" if self._can(pair, exact) else self._why_aside(pair, exact, rounding, most, found.absolute):
            return Judgement(
                replace(found, first_disagreement=None, set_aside=True), float("inf"), f"{where}: set aside. {told}"
            )
        return Judgement(found, remark=self._blame(pair, exact, where))

    def _can(self, pair: OutputPair, exact: OutputPair) -> bool:
        """Whether onnxruntime gives in float32 what the graph gives in float64, so that it can be done."""
        return replace(pair, ours=exact.reference).compare(self._tolerance).agrees

    def _why_aside(
        self,
        pair: OutputPair,
        exact: OutputPair,
        rounding: NDArray[np.float64],
        most: NDArray[np.float64],
        apart: float,
    ) -> str:
        """Why a case that onnxruntime cannot answer proves nothing; "" where it should have been like float64."""
        if (rounding > most).any() and self._within_rounding(pair, exact, rounding):
            return (
                f"Rounding alone moves float64 by {rounding.max():.1e} there, and more than {_MOST_ROUNDING} tolerances cannot "
                f"be proven; the answers differ by {apart:.1e}"
            )
        if exact.compare(self._tolerance).agrees:
            off = float(np.max(np.abs(pair.reference - exact.reference)))
            return f"onnxruntime is off by {off:.1e} beside the graph in float64, where streamrnn agrees"
        return ""

    def _within_rounding(self, pair: OutputPair, exact: OutputPair, rounding: NDArray[np.float64]) -> bool:
        """Whether our answers are as near to onnxruntime's, and to float64, as rounding lets any value of them be."""
        others = tuple(axis for axis in range(rounding.ndim) if axis != exact.axis)
        most = _ROUNDINGS * rounding.max(axis=others, keepdims=True)
        return all(beside.compare(self._tolerance, most).agrees for beside in (pair, exact))

    def _beside(self, pair: OutputPair, runs: list[Run]) -> OutputPair:
        """Our answers beside other runs of the graph."""
        other = pair_answers(pair.output, pair.trial, self._ours, [run[pair.output.name] for run in runs])
        assert other is not None
        return other

    def _blame(self, pair: OutputPair, exact: OutputPair, where: str) -> str:
        """Which of the two is further from float64."""
        with np.errstate(invalid="ignore"):
            ours, theirs = (float(np.max(np.abs(side - exact.reference))) for side in (exact.ours, pair.reference))
        if ours <= theirs or theirs != theirs:
            told = f"{where}: beside the graph in float64, onnxruntime is off by {theirs:.1e}, streamrnn by {ours:.1e}"
        else:
            told = f"{where}: beside the graph in float64, streamrnn is off by {ours:.1e}, onnxruntime by {theirs:.1e}"
        if self._can(pair, exact):
            return told
        moved = float(self._rounding(pair, exact).max())  # onnxruntime is off too: perhaps nobody can do better
        return f"{told}; rounding alone moves it by {moved:.1e}, and more than {_MOST_ROUNDING} tolerances cannot be proven"

    def _rounding(self, pair: OutputPair, exact: OutputPair, draws: int = _DRAWS) -> NDArray[np.float64]:
        """How far rounding moves each value in float64, up to its step; of a state vector, the value that it moves furthest.

        The values of a vector are of one kind, and a few draws do not show of each how far it may be moved.
        """
        moved = np.max([np.abs(self._beside(pair, runs).reference - exact.reference) for runs in self._off(draws)], axis=0)
        if pair.output.states and "time" not in pair.output.axes:
            vectors = self._vectors(pair.output)
            for vector in np.unique(vectors):
                inside = vectors == vector
                moved[:, inside] = moved[:, inside].max(axis=1, keepdims=True)
        return np.asarray(np.maximum.accumulate(moved, exact.axis), np.float64)

    def _vectors(self, output: GraphOutput) -> NDArray[np.int64]:
        """Which state vector of which signal each value belongs to, as a number, in the axes of the graph."""
        sizes = [self._ours.before[0][layer][name].size for layer, name in output.states]
        owners = np.arange(len(sizes)).repeat(sizes)[list(output.places)]
        signals = np.arange(len(self._ours.before)) * len(sizes)
        return graph_array((signals[:, None] + owners)[None], output)

    @cached_property
    def _feeds(self) -> list[Run]:
        return self._view.feeds(self._trial, self._ours)

    @cached_property
    def _exact(self) -> list[Run]:
        return self._in_float64(None)

    def _off(self, draws: int) -> list[list[Run]]:
        """The graph in float64, with rounding as it may fall out in float32: so many draws of it."""
        while len(self._drawn) < draws:
            self._drawn.append(self._in_float64(np.random.default_rng((self._seed, len(self._drawn)))))
        return self._drawn[:draws]

    def _in_float64(self, rng: np.random.Generator | None) -> list[Run]:
        runs = float64_runs(self._view.graph, self._feeds, self._view.carried, rng)
        return [self._view.apart(run, self._trial) for run in runs]

    @cached_property
    def _overflows(self) -> bool:
        """Whether a value within onnxruntime is not finite in this trial."""
        if any(not np.isfinite(value).all() for run in self._runs for value in run.values() if value.dtype.kind == "f"):
            return True
        inner, _ = run_reference(with_inner_outputs(self._view.graph), self._feeds, self._timeout, self._view.carried)
        return any(not np.isfinite(value).all() for run in inner for value in run.values() if value.dtype.kind == "f")
