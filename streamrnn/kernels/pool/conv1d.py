"""Kernel of a causal convolution in pools (streamrnn/kernels/conv1d.py)."""

from streamrnn.cells.conv1d import conv1d as recipe
from streamrnn.kernels.conv1d import BEFORE, N_WORDS, POSITIONS, Y, gather_taps, n_kept
from streamrnn.kernels.panel import Kernel, field, finite_check, row_copy
from streamrnn.kernels.pool.panel import BETWEEN_LIST, INPUT_LIST, THEN, integers_of_streams, list_rows, panel_of_streams
from streamrnn.simd.memory import load_int, load_ints
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    DONE,
    INPUT_SUMS,
    INPUTS,
    OUTPUTS,
    ROWS,
    SCRATCH,
    STATE,
    STATE_NOT_FINITE,
    STRIDE,
    TABLE,
)

_N_PANELS = POSITIONS.n_panels(0)


def conv1d(width: Width) -> Kernel:
    """y = bias + sum over the taps, from the oldest to the present, of their matrix times the input of their step."""
    itemsize, gather, over_streams = width.itemsize, gather_taps(width), panel_of_streams(recipe, 0, width)
    copy_row, all_finite = row_copy(width), finite_check(width)
    make_integers = integers_of_streams(recipe, 0, width)

    def kernel(record, source, target, n_streams):
        n_inputs, n_outputs, rows = field(record, INPUTS), field(record, OUTPUTS), field(record, ROWS)
        scratch, stride, past_at = field(record, SCRATCH), field(record, STRIDE), field(record, STATE)
        table, kept, step_bytes = load_ints(field(record, TABLE), N_WORDS), n_kept(record), itemsize * n_inputs
        list_rows(rows + INPUT_LIST, source, step_bytes, n_streams)
        list_rows(rows + BETWEEN_LIST, scratch, stride, n_streams)
        for stream in range(n_streams):
            gather(record, load_int(rows + 8 * stream) + past_at, scratch + stream * stride + table[BEFORE])
        make_integers(table, rows, n_streams)
        for panel in range(table[_N_PANELS]):
            over_streams(table, rows, panel, n_streams, field(record, INPUT_SUMS))
        for stream in range(n_streams):
            past, past_next = load_int(rows + 8 * stream) + past_at, load_int(rows + THEN + 8 * stream) + past_at
            x = source + stream * step_bytes
            copy_row(target, scratch + stream * stride + table[Y], n_outputs)
            if not all_finite(x, n_inputs):
                return STATE_NOT_FINITE
            copy_row(past_next, past + step_bytes, kept)
            copy_row(past_next + itemsize * kept, x, n_inputs)
            target += itemsize * n_outputs
        return DONE

    return kernel
