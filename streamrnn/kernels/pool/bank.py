"""Kernel of a layer with a state for each row of a step, in pools (streamrnn/kernels/bank.py)."""

from streamrnn.kernels.bank import take_step
from streamrnn.kernels.panel import Kernel, field
from streamrnn.kernels.pool.panel import NOW, THEN
from streamrnn.simd.memory import load_int
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, OUTPUTS, OVER_ROWS, ROWS_OF_STEP, STREAM_LISTS


def bank(width: Width) -> Kernel:
    """y_r = layer(x_r), of each row r of each stream, with the states of that row."""
    itemsize, step_of_rows = width.itemsize, take_step(width)

    def kernel(record, source, target, n_streams):
        rows = field(record, OVER_ROWS)
        lists, count = field(rows, STREAM_LISTS), field(rows, ROWS_OF_STEP)
        for stream in range(n_streams):
            now, then = load_int(lists + NOW + 8 * stream), load_int(lists + THEN + 8 * stream)
            status = step_of_rows(record, source, target, now, then)
            if status != DONE:
                return status
            source += itemsize * count * field(record, INPUTS)
            target += itemsize * count * field(record, OUTPUTS)
        return DONE

    return kernel
