"""What a stream gives for a signal, up to the step at which the model overflows: one output for each step before it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import NonFiniteStateError, Stream

Array = NDArray[Any]
States = Sequence[Mapping[str, Array]]  # of each layer, by name


def stream_steps(stream: Stream, x: Array) -> Array:
    """Outputs, (n, output_size) with n <= len(x), for x, (n_steps, input_size), step by step."""
    outputs = []
    try:
        for row in x.astype(stream.model.dtype):
            outputs.append(stream.step(row))
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
    x = x.astype(stream.model.dtype)
    outputs = np.zeros((len(x), stream.model.output_size), x.dtype)
    states: list[States] = []
    half, done = (len(x) + 1) // 2, 0
    try:
        for end in ends:
            while done < min(end, half):
                outputs[done] = stream.step(x[done])
                done += 1
            outputs[done:end] = stream.process(x[done:end])
            done = end
            states.append(stream.states)
    except NonFiniteStateError:
        pass
    return outputs[:done], states
