"""A step without Python around it: the driver in a compiled loop, one step at a time, as the compiled door calls it.

It is compiled anew in every process that measures, since the store keeps only what the engine itself needs.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.code_cache import loader
from streamrnn.errors import NonFiniteStateError
from streamrnn.kernels.compile import compiled
from streamrnn.kernels.driver import advance
from streamrnn.kernels.panel import Kernel, field
from streamrnn.stream import Stream
from streamrnn.target.cpu import driver_width
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE

Array = NDArray[np.floating[Any]]

#: Inputs that are taken in turn.
N_ROWS = 16


def single_steps(width: Width) -> Kernel:
    """`n_steps` calls of the driver, with the inputs whose N_ROWS addresses are at `rows` in turn, all to the same place y."""
    advance_plan = advance(width)

    def steps(plan, rows, y, n_steps):
        for step in range(n_steps):
            status = advance_plan(plan, field(rows, step & (N_ROWS - 1)), y, 1)
            if status != DONE:
                return status
        return DONE

    return steps


@cache
def _address(dtype: str) -> int:
    width = driver_width(np.dtype(dtype).type)
    return loader.load(loader.emit(*compiled("command.measuring.loop.single_steps", width)))


def steps_in_a_loop(stream: Stream, rows: Array, n_steps: int) -> Callable[[], Array]:
    """What takes a stream through `n_steps` more single steps, and returns the last output.

    rows  (N_ROWS, I) of the model's type, in C order: the inputs, again and again
    """
    workspace = stream._workspace  # the same memory as of `step`: where it lies must not make the difference
    y = np.zeros(stream.model.output_size, rows.dtype)
    run = ctypes.PYFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)(_address(rows.dtype.name))
    places = np.array([row.ctypes.data for row in rows], np.int64)
    arguments = workspace.address, places.ctypes.data, y.ctypes.data, n_steps

    def steps() -> Array:
        if run(*arguments) != DONE:
            raise NonFiniteStateError("the model overflows on numbers between -1 and 1; there is nothing to measure")
        return y

    vars(steps)["held"] = workspace, rows, places  # what the addresses lead to
    return steps
