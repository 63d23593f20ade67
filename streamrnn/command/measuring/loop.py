"""Single steps without Python: a compiled loop that calls the driver for one step at a time, as the compiled door does.

It is compiled in each process that measures; the code cache is only for the kernels of the engine.
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

#: The number of different inputs, which are used again and again.
N_ROWS = 16


def single_steps(width: Width) -> Kernel:
    """The kernel: `n_steps` calls of the driver. `rows` is the address of N_ROWS input addresses; all outputs go to `y`."""
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
    """A function that steps a stream `n_steps` times and returns the last output.

    rows  (N_ROWS, I) of the model's type, in C order: the inputs, used again and again

    It raises NonFiniteStateError if the state overflows.
    """
    workspace = stream._workspace  # the memory that `step` uses: another address could change the time
    y = np.zeros(stream.model.output_size, rows.dtype)
    run = ctypes.PYFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)(_address(rows.dtype.name))
    row_addresses = np.array([row.ctypes.data for row in rows], np.int64)
    arguments = workspace.address, row_addresses.ctypes.data, y.ctypes.data, n_steps

    def steps() -> Array:
        if run(*arguments) != DONE:
            raise NonFiniteStateError(
                "the model overflows on inputs between -1 and 1, so its steps cannot be measured; check its weights"
            )
        return y

    vars(steps)["held"] = workspace, rows, row_addresses  # keeps the memory at these addresses alive
    return steps
