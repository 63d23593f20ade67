"""Kernel of a layer with a state that runs along the rows of a step (streamrnn/layers/scan.py)."""

from streamrnn.kernels.panel import Kernel, field, whole_copy
from streamrnn.kernels.rows import through_rows
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    DONE,
    FIRST_STATES,
    INPUTS,
    N_ROW_STATES,
    OUTPUTS,
    OVER_ROWS,
    ROW_ROOM,
    ROWS_OF_STEP,
    STRIDE,
)


def scan(width: Width) -> Kernel:
    """y_r = layer(x_r), one row after the other; each step begins with the initial states."""
    itemsize, through, copy = width.itemsize, through_rows(width), whole_copy(width)

    def kernel(record, source, target, n_steps):
        rows = field(record, OVER_ROWS)
        count, state_bytes = field(rows, ROWS_OF_STEP), field(rows, N_ROW_STATES) * field(record, STRIDE)
        for _ in range(n_steps):
            copy(field(rows, ROW_ROOM), field(rows, FIRST_STATES), state_bytes)
            status = through(record, source, target, count)
            if status != DONE:
                return status
            source += itemsize * count * field(record, INPUTS)
            target += itemsize * count * field(record, OUTPUTS)
        return DONE

    return kernel
