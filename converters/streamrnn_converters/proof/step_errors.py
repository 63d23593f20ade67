"""The error of each step of a long signal: a stream beside onnxruntime, or beside the same model in its other precision."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model, Stream, VerificationError
from streamrnn_converters.onnx.imported import GraphInput, GraphOutput
from streamrnn_converters.proof.answers import output_states
from streamrnn_converters.proof.streaming import stream_chunk
from streamrnn_converters.reference_runs.graph_arrays import graph_array, random_signal
from streamrnn_converters.reference_runs.long_signal import LongSignalReference

Array = NDArray[Any]
#: Gives the next n rows of a signal, (n, input_size), for n.
Signal = Callable[[int], Array]

_PART = 1000  # steps


def endless_signal(inputs: Sequence[GraphInput], seed: int) -> Signal:
    """A random signal for a graph's inputs. It is the same however it is divided into parts."""
    rngs = [np.random.default_rng((seed, index)) for index in range(len(inputs))]

    def steps(n: int) -> Array:
        parts = [random_signal(rng, [given], 1.0, n, 1)[:, 0] for rng, given in zip(rngs, inputs, strict=True)]
        return np.concatenate(parts, axis=1)

    return steps


def step_errors(
    model: Model,
    reference: LongSignalReference,
    signal: Signal,
    n_steps: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[Array, int]:
    """The errors, (n_outputs, n_steps), NaN where the graph gives no value, and the number of steps before an overflow.

    Raises VerificationError where onnxruntime fails or gives other shapes.
    """
    errors = np.full((len(reference.outputs), n_steps), np.nan)
    stream, done = Stream(model), 0
    for x, theirs in reference.answers(signal):
        ours, n = stream_chunk(stream, x), len(x) // model.stride
        for row, output in zip(errors, reference.outputs, strict=True):
            given = output.answered(theirs[output.name], n, reference.n_signals)
            if "time" in output.axes:
                row[done + output.late : done + len(ours)] = _all_steps(output, ours[output.late :], given)
            elif len(ours) == n and (done + n) % reference.n_steps_at_once == 0:
                row[done + n - 1 : done + n] = _last_step(output, ours, stream, given)
        done += len(ours)
        if progress is not None:
            progress(done, n_steps)
        if len(ours) < n:
            break
    return errors, done


def amplification_step(model: Model, signal: Signal, n_steps: int, tolerance: float) -> int | None:
    """The first step at which the model in float32 and in float64 differ by more than the tolerance; None: not in n_steps."""
    narrow, wide = Stream(model.astype("float32")), Stream(model.astype("float64"))
    for begin in range(0, n_steps, _PART):
        x = signal(min(_PART, n_steps - begin) * model.stride)
        ours, exact = stream_chunk(narrow, x), stream_chunk(wide, x)
        n = min(len(ours), len(exact))
        wrong = np.flatnonzero(_errors(ours[:n], exact[:n]) > tolerance)
        if wrong.size or n < len(x) // model.stride:
            return begin + int(wrong[0]) if wrong.size else None
    return None


def _all_steps(output: GraphOutput, ours: Array, theirs: Array) -> Array:
    axis = output.axes.index("time")
    mine = np.moveaxis(graph_array(ours[:, None, output.start : output.start + output.size], output), axis, 0)
    return _errors(mine, np.moveaxis(theirs, axis, 0)[: len(ours)], output.name)


def _last_step(output: GraphOutput, ours: Array, stream: Stream, theirs: Array) -> Array:
    values = output_states([stream.states], output) if output.states else ours[-1:, output.start : output.start + output.size]
    return _errors(graph_array(values[None], output)[None], theirs[None], output.name)


def _errors(ours: Array, theirs: Array, output: str = "") -> Array:
    """The largest error of each step; infinite where a value is NaN, or both are infinite."""
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
