"""What a stream gives for a signal, up to the step at which the model overflows: one output for each step before it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Model, NonFiniteStateError, Stream

Array = NDArray[Any]
States = Sequence[Mapping[str, Array]]  # of each layer, by name


def by_step(model: Model, x: Array) -> Array:
    """The rows of a signal, (n_rows, input_size), as steps take them: (n_steps, input_size), or several rows for each step.

    What is left of them is no whole step.
    """
    n_steps = len(x) // model.stride
    rows = x[: n_steps * model.stride].astype(model.dtype)
    return rows.reshape(n_steps, model.stride, -1) if model.stride > 1 else rows


def stream_steps(stream: Stream, x: Array) -> Array:
    """Outputs, (n, output_size) with n <= n_steps, for x, (n_steps · stride, input_size), step by step."""
    outputs = []
    try:
        for rows in by_step(stream.model, x):
            outputs.append(stream.step(rows))
    except NonFiniteStateError:
        pass
    return np.array(outputs).reshape(len(outputs), stream.model.output_size)


def stream_chunk(stream: Stream, x: Array) -> Array:
    """The same as one chunk. A model that overflows in it goes step by step, to find where."""
    try:
        return stream.process(x.astype(stream.model.dtype))
    except NonFiniteStateError:
        return stream_steps(stream, x)


def stream_runs(stream: Stream, x: Array, ends: Sequence[int]) -> tuple[Array, list[States]]:
    """The same in runs, and the states after each run that the model came to the end of.

    ends  the steps at which runs end. The first half of the signal goes step by step, the rest of each run as a chunk
    """
    steps = by_step(stream.model, x)
    outputs = np.zeros((len(steps), stream.model.output_size), steps.dtype)
    states: list[States] = []
    half, done = (len(steps) + 1) // 2, 0
    try:
        for end in ends:
            while done < min(end, half):
                outputs[done] = stream.step(steps[done])
                done += 1
            outputs[done:end] = stream.process(steps[done:end].reshape(-1, x.shape[1]))
            done = end
            states.append(stream.states)
    except NonFiniteStateError:
        pass
    return outputs[:done], states
