"""`verify`: compare a model with the ONNX graph that it came from, run by onnxruntime."""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from streamrnn import Model, VerificationError, __version__
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.onnx.rerun.runnable import runnable
from streamrnn_converters.proof.answers import Answers
from streamrnn_converters.proof.judge import Judge, Judgement
from streamrnn_converters.proof.origin import check_sizes, read_origin
from streamrnn_converters.proof.output_pair import pair_answers, worse
from streamrnn_converters.proof.own_rounding import own_rounding
from streamrnn_converters.proof.reach import unreached
from streamrnn_converters.proof.report import Comparison, Report
from streamrnn_converters.proof.trials import Case, Trial
from streamrnn_converters.proof.view import Answered, View, answered, opened
from streamrnn_converters.reference_runs.reference import Reference

CASES = (
    Case("quiet", 1e-3, 200),
    Case("normal", 1.0, 200),
    Case("loud", 10.0, 200),
    Case("saturating", 100.0, 200),
    Case("long", 1.0, 2000),
)
_OPEN_BATCH = 2  # signals at once where the graph leaves their number open


def verify(
    model: Model,
    source: str | os.PathLike[str] | bytes,
    *,
    constants: Mapping[str, Any] | None = None,
    allow_external_data: bool = False,
    seed: int = 0,
    tolerance: float = 1e-5,
    cases: tuple[Case, ...] = CASES,
    timeout: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compare what a stream of `model` gives with what onnxruntime computes from the graph `source`.

    Every signal of a batch goes through a stream of its own, its first half step by step, the rest as chunks. The final
    states that a graph gives are compared with `Stream.states`. A graph that carries its states gets its own outputs back,
    beginning with zeros and every hundred steps or so with ours. It is compared after every run. A model that cannot be
    streamed, or whose graph gets the lengths of its recordings, answers whole recordings of several lengths, by `run_offline`.
    A graph whose weights are integers is run with the same numbers as floats; how far its own rounding of signals moves it is
    a remark.

    model      from `from_onnx` or an archive
    source     path or bytes of the ONNX file
    constants  graph inputs that were fixed for the import; None: those that the model notes
    allow_external_data  tensors of `source`, then a path, may be in other files of its folder
    tolerance  a value agrees where |ours - reference| <= tolerance * max(1, |reference|). Where that fails by little, the model
               is run in its other type too; a few times the difference is added to the tolerance, and a remark says so
    timeout    seconds that onnxruntime may take to load the graph, and for each run
    progress   called with (done, total) during the comparison

    Raises VerificationError where the comparison cannot be made: the source is not understood, its sizes are others, the model
    overflows at once, onnxruntime refuses, crashes or is late. MissingExtraError without onnx and onnxruntime.
    """
    data, imported = read_origin(model, source, constants, allow_external_data)
    _check_layers(model, imported.model)
    to_run, remarks = runnable(data)
    views = [View(imported, to_run, cases)]
    if (laid_open := opened(imported, to_run)) is not None:
        views.append(laid_open)
    remarks += _window_remarks(imported, laid_open)
    with ExitStack() as stack:
        references = [stack.enter_context(Reference(view.graph, timeout)) for view in views]
        found = [answered(model, view, reference, seed, _OPEN_BATCH) for view, reference in zip(views, references, strict=True)]
        compared = _Compared(tolerance, seed, timeout)
        places = [(each, index) for each in found for index in range(len(each.trials))]
        for done, (each, index) in enumerate(places, 1):
            if progress is not None:
                progress(done, len(places))
            compared.add(model, each, index)
        for output in imported.outputs:
            if not any(name == output.name for name, _ in compared.comparisons):
                raise VerificationError(
                    f"output {output.name!r}: the model overflows {model.dtype} in every case, before there is anything to "
                    "compare"
                )
        rounded = own_rounding(data, found[0], timeout)
        names = unreached(model, found, tolerance, compared.slack, seed) if compared.agrees else ()
    return Report(
        source_sha256=hashlib.sha256(data).hexdigest(),
        model_fingerprint=model.fingerprint,
        onnxruntime=references[0].version,
        streamrnn=__version__,
        seed=seed,
        tolerance=tolerance,
        comparisons=tuple(compared.comparisons.values()),
        remarks=(
            *remarks,
            *rounded,
            *(remark for each in found for remark in each.remarks),
            *compared.remarks,
        ),
        unreached=names,
    )


class _Compared:
    """The comparisons of all trials so far, by output and case: the worst of each."""

    def __init__(self, tolerance: float, seed: int, timeout: float) -> None:
        self._tolerance, self._seed, self._timeout = tolerance, seed, timeout
        self.comparisons: dict[tuple[str, str], Comparison] = {}
        #: Beyond the tolerance, what a value was allowed to differ by.
        self.slack: dict[tuple[str, str], float] = {}
        self._remarks: list[str] = []
        self._judged: dict[tuple[str, str], str] = {}  # the worst of each output and case

    @property
    def remarks(self) -> list[str]:
        """What is to be said of the trials, a sentence each."""
        return [*self._remarks, *self._judged.values()]

    @property
    def agrees(self) -> bool:
        """Whether all agree. Where one does not, no further one is judged: the verdict is clear."""
        return all(comparison.agrees for comparison in self.comparisons.values())

    def add(self, model: Model, answered: Answered, index: int) -> None:
        """Compare all outputs in one trial."""
        trial, ours, runs = answered.trials[index], answered.ours[index], list(answered.runs[index])
        self._remarks += _overflow_remarks(model, trial, ours)
        judge = Judge(answered.view, trial, ours, runs, self._tolerance, self._seed, self._timeout)
        for output in answered.view.imported.outputs:
            pair = pair_answers(output, trial, ours, [run[output.name] for run in runs])
            if pair is None:
                continue
            found = Judgement(pair.compare(self._tolerance))
            if not found.comparison.agrees and self.agrees:
                found = judge.judge(pair, found.comparison)
            key, other = (output.name, trial.case.name), found.comparison
            self.comparisons[key] = worse(self.comparisons.get(key, other), other, continues=trial.start > 0)
            if found.remark and (not other.agrees or found.slack >= self.slack.get(key, 0.0)):
                self._judged[key] = found.remark
            self.slack[key] = max(self.slack.get(key, 0.0), found.slack)


def _window_remarks(imported: Imported, laid_open: View | None) -> list[str]:
    """A remark where the graph gives a fixed number of steps, and a stream goes on after them unseen."""
    n_rows, stride = imported.size_of("time"), imported.model.stride
    n_steps = None if n_rows is None else n_rows // stride
    keeps = any(layer.states for layer in imported.model.layers)
    if laid_open is not None or imported.offline or imported.states or n_steps is None or not keeps:
        return []
    if n_steps == 1:
        carry = imported.model.notes["source"].get("states") == "carry"
        raise VerificationError(
            "the graph begins each step anew, and no copy of it can be given states, so that what a stream keeps from step to "
            "step cannot be proven; export the model with its states as inputs and outputs"
            + (", or import it without states='carry'" if carry else "")
        )
    return [f"onnxruntime answers {n_steps} steps from the initial state; what a stream gives after them is not compared"]


def _check_layers(model: Model, theirs: Model) -> None:
    check_sizes(model, theirs, "verify it against the file it was imported from")
    kinds = [layer.kind for layer in model.layers], [layer.kind for layer in theirs.layers]
    if kinds[0] != kinds[1]:
        raise VerificationError(f"the model has layers {', '.join(kinds[0])}, but the graph has {', '.join(kinds[1])}")


def _overflow_remarks(model: Model, trial: Trial, ours: Answers) -> list[str]:
    """A remark where our streams did not come to the end of a trial."""
    if trial.lengths and not ours.n_steps:
        return [f"case {trial.case.name!r}: the model overflows {model.dtype} in {trial.n_steps} steps; not compared there"]
    if ours.n_steps < trial.n_steps:
        step = trial.start + ours.n_steps
        return [f"case {trial.case.name!r}: the model overflows {model.dtype} at step {step}; compared up to there"]
    return []
