"""`warm_up`: after how many steps a model has forgotten where it began."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.errors import InputError
from streamrnn.model import Model
from streamrnn.stream import Stream


def warm_up(model: Model, signal: ArrayLike, tolerance: float = 1e-3) -> int | None:
    """After how many steps of a signal two different starts give the same outputs, from then on to the signal's end.

    The stream begins once with the initial states, once with those that it has after the whole signal.

    signal     (n_steps, input_size), or (n_steps * stride, input_size)
    tolerance  outputs agree where they differ by no more than this times the largest |output|
    returns    the number of steps; None where the two still differ at the end

    Raises InputError for a signal of no steps; what `Stream.process` raises.
    """
    stream = Stream(model)
    ys = stream.process(signal)
    if not len(ys):
        raise InputError("warm_up: the signal has no steps")
    differ = np.abs(stream.process(signal) - ys).max(axis=1) > tolerance * np.abs(ys).max()
    steps = np.flatnonzero(differ)
    if not len(steps):
        return 0
    return None if steps[-1] == len(ys) - 1 else int(steps[-1]) + 1
