"""`verify`: a model against the ONNX graph that it came from, as onnxruntime computes it."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamrnn import ConversionError, Model, NonFiniteStateError, Stream, VerificationError, __version__
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput, Imported
from streamrnn_converters.onnx.layout import time_first
from streamrnn_converters.onnx.parse import read_bytes
from streamrnn_converters.reference import run_reference
from streamrnn_converters.report import Comparison, Report

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A kind of signal: normally distributed numbers times `scale`."""

    name: str
    scale: float
    n_steps: int  # where the graph leaves them open


CASES = (
    Case("quiet", 1e-3, 200),
    Case("normal", 1.0, 200),
    Case("loud", 10.0, 200),
    Case("saturating", 100.0, 200),
    Case("long", 1.0, 2000),
)
_SEGMENTS = 3  # runs per case where the graph fixes the number of steps
_SHORT = (1, 3)  # further runs where it leaves that open: what the initial states do is forgotten in a long one
_OPEN_BATCH = 2  # signals at once where the graph leaves their number open


def verify(
    model: Model,
    source: str | os.PathLike[str] | bytes,
    *,
    seed: int = 0,
    tolerance: float = 1e-5,
    cases: tuple[Case, ...] = CASES,
    timeout: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compare what a stream of `model` gives with what onnxruntime computes from the graph `source`.

    Every signal of a batch goes through a stream of its own, its first half step by step, the rest as one chunk; what a graph
    gives as final states is compared with `Stream.states`.

    model      from `from_onnx` or an archive
    source     path or bytes of the ONNX file
    tolerance  a value agrees where |ours - reference| <= tolerance * max(1, |reference|)
    timeout    seconds that onnxruntime may take
    progress   called with (done, total) as the work goes on

    Raises VerificationError where the comparison cannot be made: the source is not understood, its sizes are others, the model
    overflows at once, onnxruntime refuses, crashes or is late. MissingExtraError without onnx and onnxruntime.
    """
    try:
        data = read_bytes(source)
        imported = read_onnx(data)
    except ConversionError as error:
        raise VerificationError(f"the source cannot be imported: {error}") from error
    _check_sizes(model, imported)
    runnable, remarks = time_first(data)
    signals = _signals(imported.input, model.input_size, cases, seed, _OPEN_BATCH)
    try:
        references, version = run_reference(runnable, _feeds(imported.input, signals), timeout)
    except VerificationError:
        if _size(imported.input, "batch") is not None:
            raise
        # Its initial states may be those of one signal, though it declares any number.
        signals = _signals(imported.input, model.input_size, cases, seed, 1)
        references, version = run_reference(runnable, _feeds(imported.input, signals), timeout)
        remarks.append("onnxruntime runs the graph with one signal at a time only; compared so")
    total = len(signals) + 1
    comparisons: dict[tuple[str, str], Comparison] = {}
    for done, ((case, x), reference) in enumerate(zip(signals, references, strict=True), 1):
        if progress is not None:
            progress(done, total)
        ours = _Answers(model, x)
        if ours.n_steps < len(x):
            remarks.append(f"case {case.name!r}: the model overflows float32 at step {ours.n_steps}; compared up to there")
        for output in imported.outputs:
            found = _compared(output, case, ours, reference[output.name], tolerance)
            if found is not None:
                key = output.name, case.name
                comparisons[key] = max(comparisons.get(key, found), found, key=_badness)
    for output in imported.outputs:
        if not any(name == output.name for name, _ in comparisons):
            raise VerificationError(
                f"output {output.name!r}: the model overflows float32 in every case, before there is anything to compare"
            )
    if progress is not None:
        progress(total, total)
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


class _Answers:
    """What streams of a model give for x, (n_steps, n_signals, input_size)."""

    def __init__(self, model: Model, x: Array) -> None:
        rows = [_streamed(model, x[:, signal]) for signal in range(x.shape[1])]
        self.n_steps = min(len(y) for y, _ in rows)  # fewer than given where the state overflows
        self.complete = self.n_steps == len(x)
        self.signal = np.stack([y[: self.n_steps] for y, _ in rows], axis=1)
        self._states = [states for _, states in rows]

    def states(self, layer: int, name: str) -> Array:
        """The final state, (n_signals, size)."""
        return np.stack([states[layer][name] for states in self._states])


def _streamed(model: Model, x: Array) -> tuple[Array, tuple[Mapping[str, Array], ...]]:
    stream = Stream(model)
    results = np.zeros((len(x), model.output_size), np.float32)
    half = (len(x) + 1) // 2
    try:
        for step in range(half):
            results[step] = stream.step(x[step])
    except NonFiniteStateError:
        return results[:step], stream.states
    try:
        results[half:] = stream.process(x[half:])
    except NonFiniteStateError:
        return results[:half], stream.states
    return results, stream.states


def _signals(
    graph_input: GraphInput, input_size: int, cases: tuple[Case, ...], seed: int, open_batch: int
) -> list[tuple[Case, Array]]:
    """The inputs of all runs, (n_steps, n_signals, input_size) each."""
    n_steps, n_signals = _size(graph_input, "time"), _size(graph_input, "batch") or open_batch
    signals = []
    for index, case in enumerate(cases):
        rng = np.random.default_rng((seed, index))
        for length in [n_steps] * _SEGMENTS if n_steps else [case.n_steps, *_SHORT]:
            x = case.scale * rng.normal(size=(length, n_signals, input_size))
            signals.append((case, x.astype(np.float32)))
    return signals


def _size(graph_input: GraphInput, axis: str) -> int | None:
    """The size of an axis: 1 where there is none of that name, None where it is open."""
    return graph_input.sizes[graph_input.axes.index(axis)] if axis in graph_input.axes else 1


def _feeds(graph_input: GraphInput, signals: list[tuple[Case, Array]]) -> list[dict[str, Array]]:
    return [{graph_input.name: _arranged(x, ("time", "batch", "feature"), graph_input.axes)} for _, x in signals]


def _arranged(array: Array, axes: tuple[str, ...], wanted: tuple[str, ...]) -> Array:
    """An array whose axes have these names, with those that are wanted: others must have size 1, "one" is added."""
    for axis in [axis for axis in axes if axis not in wanted]:
        array = np.take(array, -1, axis=axes.index(axis))  # of the time: the last step
        axes = tuple(name for name in axes if name != axis)
    array = array.transpose([axes.index(axis) for axis in wanted if axis != "one"])
    return np.expand_dims(array, [index for index, axis in enumerate(wanted) if axis == "one"])


def _compared(output: GraphOutput, case: Case, ours: _Answers, reference: Array, tolerance: float) -> Comparison | None:
    """One output of one run; None where the model overflowed before there was anything to compare."""
    has_time = "time" in output.axes
    if not ours.complete and (output.states or not has_time or not ours.n_steps):
        return None
    if output.states:
        values = np.stack([ours.states(*state) for state in output.states])
        mine = _arranged(values, ("layer", "batch", "feature"), output.axes)
    else:
        mine = _arranged(ours.signal, ("time", "batch", "feature"), output.axes)
    if has_time:
        reference = np.take(reference, range(ours.n_steps), axis=output.axes.index("time"))
    if mine.shape != reference.shape:
        raise VerificationError(
            f"output {output.name!r}: onnxruntime gives shape {reference.shape}, the import expects {mine.shape}"
        )
    with np.errstate(invalid="ignore"):  # two infinities: NaN, which agrees with nothing
        error = np.abs(mine.astype(np.float64) - reference)
    wrong = ~(error <= tolerance * np.maximum(1, np.abs(reference)))
    worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
    steps = np.nonzero(wrong)[output.axes.index("time")] if has_time else np.zeros(np.count_nonzero(wrong), int)
    return Comparison(
        output=output.name,
        case=case.name,
        absolute=float(error[worst]),
        relative=float(np.max(error / np.maximum(np.abs(reference), 1e-6))),
        place={axis: int(index) for axis, index in zip(output.axes, worst, strict=True) if axis != "one"},
        ours=float(mine[worst]),
        reference=float(reference[worst]),
        first_disagreement=int(steps.min()) if steps.size else None,
    )


def _badness(comparison: Comparison) -> tuple[bool, float]:
    """Orders comparisons by how much they tell against the model; NaN is worst."""
    return not comparison.agrees, comparison.absolute if comparison.absolute == comparison.absolute else float("inf")


def _check_sizes(model: Model, imported: Imported) -> None:
    theirs = imported.model
    if (model.input_size, model.output_size) != (theirs.input_size, theirs.output_size):
        raise VerificationError(
            f"the model takes {model.input_size} values and gives {model.output_size}, but the graph takes "
            f"{theirs.input_size} and gives {theirs.output_size}; verify it against the file it was imported from"
        )
    kinds = [layer.kind for layer in model.layers], [layer.kind for layer in theirs.layers]
    if kinds[0] != kinds[1]:
        raise VerificationError(f"the model has layers {', '.join(kinds[0])}, but the graph has {', '.join(kinds[1])}")
