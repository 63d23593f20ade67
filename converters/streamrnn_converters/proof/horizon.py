"""`horizon`: how the error against onnxruntime goes on over a long signal, with the state carried all the way."""

import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model, NonFiniteStateError, Stream, VerificationError, __version__
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput
from streamrnn_converters.proof.origin import check_sizes, read_origin
from streamrnn_converters.proof.report import finite
from streamrnn_converters.proof.trials import joined
from streamrnn_converters.reference_runs.graph_arrays import graph_array, random_signal
from streamrnn_converters.reference_runs.long_signal import LongSignalReference

Array = NDArray[Any]

N_STEPS = 10_000
_PART = 1000  # steps
_BINS_PER_DECADE = 12
_GROWS = 0.1  # slope from which an error is said to grow: rounding that does not add up has 0, a random importer 0.5


@dataclass(frozen=True)
class Horizon:
    """Errors along one long signal: |ours - reference| / max(1, |reference|), which agree up to `tolerance`.

    `agrees` is the verdict; `str` gives a table; `to_json` what a report keeps.
    """

    source_sha256: str
    model_fingerprint: str
    onnxruntime: str
    streamrnn: str
    seed: int
    tolerance: float
    outputs: tuple[str, ...]  # of the graph, that were compared
    n_steps: int
    steps: tuple[int, ...]  # the last step of each bin, counted from 1; a bin begins behind the one before
    largest: tuple[float, ...]  # error in each bin
    typical: tuple[float, ...]  # root of the mean square, over the steps of a bin, of the largest error of each step
    slope: float  # of log(typical) against log(step), over the last two decades
    first_disagreement: int | None  # the first step, counted from 0, with a value that does not agree,
    differs: str | None  # and the output that it belongs to
    remarks: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every value of every step agrees."""
        return self.first_disagreement is None

    @property
    def grows(self) -> bool:
        """Whether the typical error goes up with the number of steps, by more than noise does."""
        return self.slope > _GROWS

    @property
    def largest_error(self) -> float:
        """The largest of all."""
        return max(self.largest)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; a number that is not finite becomes a string."""
        return {"agrees": self.agrees, "grows": self.grows, **finite(asdict(self))}

    def __str__(self) -> str:
        rows = [("steps", "largest error", "typical error")]
        begin = 0
        for end in [*(10**power for power in range(1, 10) if 10**power < self.n_steps), self.n_steps]:
            inside = [place for place, step in enumerate(self.steps) if begin < step <= end]
            if inside:
                largest, typical = (max(values[place] for place in inside) for values in (self.largest, self.typical))
                rows.append((f"{begin + 1}-{end}", f"{largest:.2e}", f"{typical:.2e}"))
            begin = end
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *self.remarks, self.verdict])

    @property
    def verdict(self) -> str:
        """One line: whether it holds, and whether the error grows."""
        growth = f"grows like steps^{self.slope:.2f}" if self.grows else "does not grow"
        rule = f"the error {growth}; tolerance {self.tolerance:g}, onnxruntime {self.onnxruntime}, seed {self.seed}"
        if self.agrees:
            return f"holds over {self.n_steps} steps: {rule}"
        return f"does NOT hold: output {self.differs!r} differs from step {self.first_disagreement} on; {rule}"


def horizon(
    model: Model,
    source: str | os.PathLike[str] | bytes,
    *,
    n_steps: int = N_STEPS,
    constants: Mapping[str, Any] | None = None,
    seed: int = 0,
    tolerance: float = 1e-5,
    timeout: float = 600.0,
    progress: Callable[[int, int], None] | None = None,
) -> Horizon:
    """Compare a model with the ONNX graph `source` over one signal of many steps, the states carried on both sides.

    onnxruntime gets the signal whole where the graph takes any number of steps and memory allows it; else in parts, each
    beginning with the states in which the one before has ended.

    model      from `from_onnx` or an archive
    source     path or bytes of the ONNX file
    n_steps    of a signal of normally distributed numbers
    constants  graph inputs that were fixed for the import; None: those that the model notes
    tolerance  a value agrees where |ours - reference| <= tolerance * max(1, |reference|)
    timeout    seconds that onnxruntime may take for a part
    progress   called with (done, total) as the work goes on

    Raises VerificationError where the comparison cannot be made, MissingExtraError without onnx and onnxruntime.
    """
    if n_steps < 1:
        raise VerificationError(f"a horizon of {n_steps} steps: it takes at least one")
    data, imported = read_origin(model, source, constants)
    check_sizes(model, imported.model, "name the file that it was imported from")
    if imported.offline:
        raise VerificationError("the graph answers whole recordings, so that there is no signal that goes on; compare without")
    reference = LongSignalReference(imported, data, n_steps, timeout)
    errors, done = _followed(model, reference, _signal(imported.inputs, seed), n_steps, progress)
    remarks = list(reference.remarks)
    if done < n_steps:
        remarks.append(f"the model overflows {model.dtype} at step {done}; compared up to there")
    if np.isnan(errors).all():
        raise VerificationError("the model overflows before there is anything to compare; nothing can be said of a horizon")
    outputs, wrong = np.nonzero(errors > tolerance)
    first = int(np.argmin(wrong)) if wrong.size else None
    if wrong.size and (own := _amplifying(model, _signal(imported.inputs, seed), done, tolerance)) is not None:
        remarks.append(
            f"the model amplifies rounding: from step {own} on streamrnn itself differs between float32 and float64 by "
            "more than the tolerance, so that no result in float32 can be called right there"
        )
    steps, largest, typical = _bins(np.fmax.reduce(errors))
    return Horizon(
        source_sha256=hashlib.sha256(data).hexdigest(),
        model_fingerprint=model.fingerprint,
        onnxruntime=reference.version,
        streamrnn=__version__,
        seed=seed,
        tolerance=tolerance,
        outputs=tuple(output.name for output in reference.outputs),
        n_steps=n_steps,
        steps=tuple(steps),
        largest=tuple(largest),
        typical=tuple(typical),
        slope=_slope(steps, typical),
        first_disagreement=None if first is None else int(wrong[first]),
        differs=None if first is None else reference.outputs[outputs[first]].name,
        remarks=tuple(remarks),
    )


def _followed(
    model: Model,
    reference: LongSignalReference,
    signal: Callable[[int], Array],
    n_steps: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Array, int]:
    """The errors, (n_outputs, n_steps), NaN where the graph tells of no value, and the steps up to an overflow."""
    errors = np.full((len(reference.outputs), n_steps), np.nan)
    stream, done = Stream(model), 0
    for x, theirs in reference.answers(signal):
        ours = _streamed(stream, x)
        for row, output in zip(errors, reference.outputs, strict=True):
            if "time" in output.axes:
                row[done : done + len(ours)] = _along_time(output, ours, theirs[output.name])
            elif len(ours) == len(x) and (done + len(x)) % reference.n_steps_at_once == 0:
                row[done + len(x) - 1 : done + len(x)] = _at_the_end(output, ours, stream, theirs[output.name])
        done += len(ours)
        if progress is not None:
            progress(done, n_steps)
        if len(ours) < len(x):
            break
    return errors, done


def _signal(inputs: Sequence[GraphInput], seed: int) -> Callable[[int], Array]:
    """Gives the next so many steps of the signal, (n, input_size): the same signal however it is cut."""
    rngs = [np.random.default_rng((seed, place)) for place in range(len(inputs))]

    def steps(n: int) -> Array:
        return np.concatenate(
            [random_signal(rng, [given], 1.0, n, 1)[:, 0] for rng, given in zip(rngs, inputs, strict=True)], axis=1
        )

    return steps


def _amplifying(model: Model, signal: Callable[[int], Array], n_steps: int, tolerance: float) -> int | None:
    """The first of so many steps of a signal in which the model differs from itself in the other precision."""
    narrow, wide = Stream(model.astype("float32")), Stream(model.astype("float64"))
    for begin in range(0, n_steps, _PART):
        x = signal(min(_PART, n_steps - begin))
        ours, exact = _streamed(narrow, x), _streamed(wide, x)
        n = min(len(ours), len(exact))
        wrong = np.flatnonzero(_errors(ours[:n], exact[:n]) > tolerance)
        if wrong.size or n < len(x):
            return begin + int(wrong[0]) if wrong.size else None
    return None


def _streamed(stream: Stream, x: Array) -> Array:
    """The model's answers to a part of the signal, up to the step before one that overflows."""
    try:
        return stream.process(x)
    except NonFiniteStateError:
        pass
    rows = np.zeros((len(x), stream.model.output_size))
    try:
        for step, row in enumerate(x):
            rows[step] = stream.step(row)
    except NonFiniteStateError:
        pass
    return rows[:step]


def _along_time(output: GraphOutput, ours: Array, theirs: Array) -> Array:
    """The errors of a part of the signal, by step."""
    axis = output.axes.index("time")
    mine = np.moveaxis(graph_array(ours[:, None, output.start : output.start + output.size], output), axis, 0)
    return _errors(mine, np.moveaxis(theirs, axis, 0)[: len(ours)], output.name)


def _at_the_end(output: GraphOutput, ours: Array, stream: Stream, theirs: Array) -> Array:
    """The error of the last step, where the graph tells of no other."""
    values = ours[-1:, output.start : output.start + output.size]
    if output.states:
        values = joined([stream.states], output.states)[:, list(output.places)]
    return _errors(graph_array(values[None], output)[None], theirs[None], output.name)


def _errors(ours: Array, theirs: Array, output: str = "") -> Array:
    """The largest error along the first axis; infinite where a value is NaN, or both are infinite."""
    theirs = theirs.astype(np.float64)
    try:
        with np.errstate(invalid="ignore"):
            error = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
    except ValueError:
        raise VerificationError(
            f"output {output!r}: onnxruntime gives shape {theirs.shape[1:]}, the import expects {ours.shape[1:]}"
        ) from None
    largest: Array = np.where(np.isnan(error), np.inf, error).reshape(len(error), -1).max(axis=1, initial=0)
    return largest


def _bins(errors: Array) -> tuple[list[int], list[float], list[float]]:
    """The last steps of bins that grow with the step, and the largest and the typical error in each that tells of any."""
    n_bins = math.ceil(_BINS_PER_DECADE * math.log10(len(errors))) + 1
    edges = np.unique(np.geomspace(1, len(errors), n_bins).round().astype(int)).tolist()
    steps, largest, typical = [], [], []
    for begin, end in zip([0, *edges[:-1]], edges, strict=True):
        inside = errors[begin:end][~np.isnan(errors[begin:end])]
        if inside.size:
            steps.append(end)
            largest.append(float(inside.max()))
            typical.append(float(np.sqrt(np.mean(np.square(inside)))))
    return steps, largest, typical


def _slope(steps: list[int], typical: list[float]) -> float:
    """The slope of a line through the last two decades of a log-log picture; 0 where there are no two points."""
    points = [(s, t) for s, t in zip(steps, typical, strict=True) if s > steps[-1] / 100 and 0 < t < math.inf]
    if len(points) < 2:
        return 0.0
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])
