"""`verify`: compare a model with the ONNX graph that it came from, run by onnxruntime."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model, VerificationError, __version__
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput, Imported
from streamrnn_converters.onnx.rerun.runnable import runnable
from streamrnn_converters.proof.answers import Answers, answer_in_other_precision, answer_trials, output_states
from streamrnn_converters.proof.origin import check_sizes, read_origin
from streamrnn_converters.proof.output_pair import OutputPair, pair_answers, worse
from streamrnn_converters.proof.report import Comparison, Report
from streamrnn_converters.proof.trials import Case, Trial, make_trials
from streamrnn_converters.reference_runs.graph_arrays import graph_array, input_array, zero_states
from streamrnn_converters.reference_runs.once import run_reference

CASES = (
    Case("quiet", 1e-3, 200),
    Case("normal", 1.0, 200),
    Case("loud", 10.0, 200),
    Case("saturating", 100.0, 200),
    Case("long", 1.0, 2000),
)
_OPEN_BATCH = 2  # signals at once where the graph leaves their number open
_ROUNDINGS = 8  # two float32 computations may differ by so many times the effect of rounding on ours
_MOST_ROUNDING = 50  # tolerances: a model that rounding moves further than that cannot be proven

#: The outputs of a run by name.
_Run = dict[str, NDArray[Any]]


def verify(
    model: Model,
    source: str | os.PathLike[str] | bytes,
    *,
    constants: Mapping[str, Any] | None = None,
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

    model      from `from_onnx` or an archive
    source     path or bytes of the ONNX file
    constants  graph inputs that were fixed for the import; None: those that the model notes
    tolerance  a value agrees where |ours - reference| <= tolerance * max(1, |reference|). Where that fails by little, the model
               is run in its other type too; a few times the difference is added to the tolerance, and a remark says so
    timeout    seconds that onnxruntime may take
    progress   called with (done, total) during the comparison

    Raises VerificationError where the comparison cannot be made: the source is not understood, its sizes are others, the model
    overflows at once, onnxruntime refuses, crashes or is late. MissingExtraError without onnx and onnxruntime.
    """
    data, imported = read_origin(model, source, constants)
    _check_layers(model, imported.model)
    to_run, remarks = runnable(data)
    trials = make_trials(imported, cases, seed, _OPEN_BATCH)
    answers = list(answer_trials(model, trials))
    try:
        references, version = _reference_runs(to_run, imported, trials, answers, timeout)
    except VerificationError:
        if imported.size_of("batch") is not None:
            raise
        # Its initial states may be those of one signal, though it declares any number.
        trials = make_trials(imported, cases, seed, 1)
        answers = list(answer_trials(model, trials))
        references, version = _reference_runs(to_run, imported, trials, answers, timeout)
        remarks.append("onnxruntime runs the graph with one signal at a time only; compared so")
    comparisons: dict[tuple[str, str], Comparison] = {}
    roundings: dict[tuple[str, str], float] = {}
    for done, (trial, ours, runs) in enumerate(zip(trials, answers, references, strict=True), 1):
        if progress is not None:
            progress(done, len(trials))
        remarks += _overflow_remarks(model, trial, ours)
        for output in imported.outputs:
            key = output.name, trial.case.name
            pair = pair_answers(output, trial, ours, [run[output.name] for run in runs])
            if pair is not None:
                found, rounding = _compare(model, pair, ours, runs, tolerance)
                roundings[key] = max(roundings.get(key, 0.0), rounding)
                comparisons[key] = worse(comparisons.get(key, found), found, continues=trial.start > 0)
    remarks += _rounding_remarks(roundings)
    for output in imported.outputs:
        if not any(name == output.name for name, _ in comparisons):
            raise VerificationError(
                f"output {output.name!r}: the model overflows {model.dtype} in every case, before there is anything to compare"
            )
    return Report(
        source_sha256=hashlib.sha256(data).hexdigest(),
        model_fingerprint=model.fingerprint,
        onnxruntime=version,
        streamrnn=__version__,
        seed=seed,
        tolerance=tolerance,
        comparisons=tuple(comparisons.values()),
        remarks=tuple(remarks),
    )


def _check_layers(model: Model, theirs: Model) -> None:
    check_sizes(model, theirs, "verify it against the file it was imported from")
    kinds = [layer.kind for layer in model.layers], [layer.kind for layer in theirs.layers]
    if kinds[0] != kinds[1]:
        raise VerificationError(f"the model has layers {', '.join(kinds[0])}, but the graph has {', '.join(kinds[1])}")


def _reference_runs(
    to_run: bytes, imported: Imported, trials: Sequence[Trial], answers: Sequence[Answers], timeout: float
) -> tuple[list[list[_Run]], str]:
    """The runs of each trial by onnxruntime, and its version. A trial that continues another begins with our states."""
    outputs = {output.name: output for output in imported.outputs}
    feeds = []
    for trial, ours in zip(trials, answers, strict=True):
        for start, end in zip((0, *trial.ends), trial.ends, strict=False):
            feed = {given.name: input_array(trial.x[start:end], given) for given in imported.inputs}
            feed |= imported.constants
            if isinstance(imported.lengths, GraphInput):
                feed[imported.lengths.name] = np.array(trial.lengths, imported.lengths.integers)
            if not start and not trial.start:
                feed |= {given.name: zero_states(given, trial.x.shape[1]) for given in imported.states}
            elif not start:
                feed |= {given.name: _states_before(ours, outputs[given.source]) for given in imported.states}
            feeds.append(feed)
    carried = {given.name: given.source for given in imported.states}
    results, version = run_reference(to_run, feeds, timeout, carried)
    n_signals = trials[0].x.shape[1]
    runs = iter([{name: outputs[name].apart(array, n_signals) for name, array in run.items()} for run in results])
    return [[next(runs) for _ in trial.ends] for trial in trials], version


def _states_before(ours: Answers, output: GraphOutput) -> NDArray[Any]:
    """The states of our streams before a trial, as an output of the graph gives them."""
    return graph_array(output_states(ours.before, output)[None].astype(np.float32), output)


def _compare(model: Model, pair: OutputPair, ours: Answers, runs: list[_Run], tolerance: float) -> tuple[Comparison, float]:
    """The comparison, and the effect of rounding where it was needed: where the comparison fails by little."""
    found = pair.compare(tolerance)
    most = _MOST_ROUNDING * tolerance
    if found.agrees or not pair.compare(tolerance, most).agrees:
        return found, 0.0
    wide = answer_in_other_precision(model, ours, pair.trial)
    other = pair_answers(pair.output, pair.trial, wide, [run[pair.output.name] for run in runs])
    rounding = pair.rounding(other) if other is not None else 0.0
    return pair.compare(tolerance, min(most, _ROUNDINGS * rounding)), rounding


def _overflow_remarks(model: Model, trial: Trial, ours: Answers) -> list[str]:
    """A remark where our streams did not come to the end of a trial."""
    if trial.lengths and not ours.n_steps:
        return [f"case {trial.case.name!r}: the model overflows {model.dtype} in {len(trial.x)} steps; not compared there"]
    if ours.n_steps < len(trial.x):
        step = trial.start + ours.n_steps
        return [f"case {trial.case.name!r}: the model overflows {model.dtype} at step {step}; compared up to there"]
    return []


def _rounding_remarks(roundings: Mapping[tuple[str, str], float]) -> list[str]:
    return [
        f"output {name!r}, case {case!r}: rounding alone moves the model by {rounding:.1e} there, float32 against float64; "
        f"compared to within {_ROUNDINGS} times that"
        for (name, case), rounding in roundings.items()
        if rounding
    ]
