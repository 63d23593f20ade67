"""`verify`: a model against the ONNX graph that it came from, as onnxruntime computes it."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model, VerificationError, __version__
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput, Imported
from streamrnn_converters.onnx.rerun.runnable import runnable
from streamrnn_converters.proof.comparing import Pair, paired, worse
from streamrnn_converters.proof.origin import check_sizes, read_origin
from streamrnn_converters.proof.report import Comparison, Report
from streamrnn_converters.proof.trials import Answers, Case, Trial, answered, joined, rounded_otherwise, trials_of
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
_ROUNDINGS = 8  # two float32 computations may differ by so many times what rounding does to ours
_MOST_ROUNDING = 50  # tolerances: a model that rounding moves further proves nothing

#: A trial, our answers to it, and what each of its runs gives.
_Told = tuple[Trial, Answers, list[dict[str, NDArray[Any]]]]


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

    Every signal of a batch goes through a stream of its own, its first half step by step, the rest as chunks. What a graph
    gives as final states is compared with `Stream.states`. A graph that carries its states gets its own outputs back, zeros at
    first and now and then ours, and is compared after every run: at every step, where a run is a step. A model that cannot be
    streamed, or whose graph is told the lengths of its recordings, answers whole ones of several lengths, by `run_offline`.

    model      from `from_onnx` or an archive
    source     path or bytes of the ONNX file
    constants  graph inputs that were fixed for the import; None: those that the model notes
    tolerance  a value agrees where |ours - reference| <= tolerance * max(1, |reference|). Where that fails by little, the model
               is computed in its other type too: what rounding does to our answers, a few times, is added, and a remark tells
    timeout    seconds that onnxruntime may take
    progress   called with (done, total) as the work goes on

    Raises VerificationError where the comparison cannot be made: the source is not understood, its sizes are others, the model
    overflows at once, onnxruntime refuses, crashes or is late. MissingExtraError without onnx and onnxruntime.
    """
    data, imported = read_origin(model, source, constants)
    _check_layers(model, imported.model)
    to_run, remarks = runnable(data)
    trials = trials_of(imported, cases, seed, _OPEN_BATCH)
    answers = list(answered(model, trials))
    try:
        references, version = _referred(to_run, imported, trials, answers, timeout)
    except VerificationError:
        if imported.size_of("batch") is not None:
            raise
        # Its initial states may be those of one signal, though it declares any number.
        trials = trials_of(imported, cases, seed, 1)
        answers = list(answered(model, trials))
        references, version = _referred(to_run, imported, trials, answers, timeout)
        remarks.append("onnxruntime runs the graph with one signal at a time only; compared so")
    told = _telling(zip(trials, answers, references, strict=True), len(trials), progress)
    comparisons, said = _comparisons(model, imported.outputs, told, tolerance)
    remarks += said
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


def _telling(trials: Iterable[_Told], n: int, progress: Callable[[int, int], None] | None) -> Iterator[_Told]:
    """The same, each told of as it is come to."""
    for done, trial in enumerate(trials, 1):
        if progress is not None:
            progress(done, n)
        yield trial


def _comparisons(
    model: Model, outputs: Sequence[GraphOutput], told: Iterable[_Told], tolerance: float
) -> tuple[dict[tuple[str, str], Comparison], list[str]]:
    """For each output and case the worst that its trials show, and what there is to say about them."""
    comparisons: dict[tuple[str, str], Comparison] = {}
    roundings: dict[tuple[str, str], float] = {}
    remarks = []
    for trial, ours, runs in told:
        remarks += _overflow(model, trial, ours)
        for output in outputs:
            key, theirs = (output.name, trial.case.name), [run[output.name] for run in runs]
            pair = paired(output, trial, ours, theirs)
            if pair is not None:
                found, rounding = _found(model, pair, ours, theirs, tolerance)
                roundings[key] = max(roundings.get(key, 0.0), rounding)
                comparisons[key] = worse(comparisons.get(key, found), found, goes_on=trial.start > 0)
    remarks += [
        f"output {name!r}, case {case!r}: rounding alone moves the model by {rounding:.1e} there, float32 against float64; "
        f"compared to within {_ROUNDINGS} times that"
        for (name, case), rounding in roundings.items()
        if rounding
    ]
    return comparisons, remarks


def _overflow(model: Model, trial: Trial, ours: Answers) -> list[str]:
    """A remark, where our streams did not come to the end of a trial."""
    if trial.lengths and not ours.n_steps:
        return [f"case {trial.case.name!r}: the model overflows {model.dtype} in {len(trial.x)} steps; not compared there"]
    if ours.n_steps < len(trial.x):
        step = trial.start + ours.n_steps
        return [f"case {trial.case.name!r}: the model overflows {model.dtype} at step {step}; compared up to there"]
    return []


def _referred(
    to_run: bytes, imported: Imported, trials: Sequence[Trial], answers: Sequence[Answers], timeout: float
) -> tuple[list[list[dict[str, NDArray[Any]]]], str]:
    """For each trial what each of its runs gives; one that goes on begins with the states that our streams had."""
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
                feed |= {given.name: _going_on(outputs[given.source], ours) for given in imported.states}
            feeds.append(feed)
    carried = {given.name: given.source for given in imported.states}
    results, version = run_reference(to_run, feeds, timeout, carried)
    runs = iter(results)
    return [[next(runs) for _ in trial.ends] for trial in trials], version


def _going_on(output: GraphOutput, ours: Answers) -> NDArray[Any]:
    """The states that our streams had before a trial, as the output that carries them gives them."""
    values = joined(ours.before, output.states)[None, :, list(output.places)]
    return graph_array(values.astype(np.float32), output)


def _found(model: Model, pair: Pair, ours: Answers, runs: list[NDArray[Any]], tolerance: float) -> tuple[Comparison, float]:
    """The comparison, and what rounding does there: one that fails by little is measured by the model in its other type."""
    found = pair.compared(tolerance)
    most = _MOST_ROUNDING * tolerance
    if found.agrees or not pair.compared(tolerance, most).agrees:
        return found, 0.0
    other = paired(pair.output, pair.trial, rounded_otherwise(model, ours, pair.trial), runs)
    rounding = pair.rounding(other) if other is not None else 0.0
    return pair.compared(tolerance, min(most, _ROUNDINGS * rounding)), rounding


def _check_layers(model: Model, theirs: Model) -> None:
    check_sizes(model, theirs, "verify it against the file it was imported from")
    kinds = [layer.kind for layer in model.layers], [layer.kind for layer in theirs.layers]
    if kinds[0] != kinds[1]:
        raise VerificationError(f"the model has layers {', '.join(kinds[0])}, but the graph has {', '.join(kinds[1])}")
