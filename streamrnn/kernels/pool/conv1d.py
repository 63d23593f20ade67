"""Kernel of a causal convolution in pools (streamrnn/kernels/conv1d.py)."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, field, finite_check, for_each_block, row_copy
from streamrnn.kernels.pool.panel import FIRST_LIST, NEXT, SECOND_LIST, list_rows, panel_of_streams, plain_sections
from streamrnn.simd.memory import load_int, store
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    DONE,
    INPUTS,
    OUTPUTS,
    PANELS,
    POOL_TILE,
    READY,
    ROWS,
    SCRATCH,
    STATE,
    STATE_NOT_FINITE,
    STRIDE,
    TABLE,
    WEIGHTS,
)


def conv1d(width: Width) -> Kernel:
    """y = bias + the taps from the oldest to the present, each a matrix times the input of its time."""
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    copy_row, all_finite = row_copy(width), finite_check(width)

    @inline
    def block(sums, offset, room):
        store(room + offset, sums[0])

    each_block = for_each_block(width, block)

    @inline
    def cell(sums, stream, offset, memory):
        y, stride = memory
        each_block(sums, offset, y + stream * stride)

    over_streams = panel_of_streams(width, plain_sections(width.blocks), cell)

    def kernel(record, source, target, n_streams):
        n_inputs, n_outputs, panels = field(record, INPUTS), field(record, OUTPUTS), field(record, PANELS)
        at, sums, y, stride = field(record, WEIGHTS), field(record, READY), field(record, SCRATCH), field(record, STRIDE)
        rows, past_at, table = field(record, ROWS), field(record, STATE), field(record, TABLE)
        taps, dilation = load_int(table), load_int(table + 8)
        step_bytes, n_before = itemsize * n_inputs, (taps - 1) * n_inputs
        n_kept = (taps - 1) * dilation * n_inputs - n_inputs
        inputs, befores, before = rows + FIRST_LIST, rows + SECOND_LIST, y + POOL_TILE * stride
        list_rows(inputs, source, step_bytes, n_streams)
        list_rows(befores, before, stride, n_streams)
        for stream in range(n_streams):  # the taps before the present one, one behind the other
            past = load_int(rows + 8 * stream) + past_at
            for tap in range(taps - 1):
                copy_row(before + stream * stride + tap * step_bytes, past + tap * dilation * step_bytes, n_inputs)
        for panel in range(panels):
            now = at + panel_bytes * (1 + n_before)
            places = (befores, 0, n_before), (inputs, 0, n_inputs)
            over_streams((at, now), *places, n_streams, sums, panel * panel_bytes, (y, stride))
            at = now + panel_bytes * n_inputs
        for stream in range(n_streams):
            past, past_next = load_int(rows + 8 * stream) + past_at, load_int(rows + NEXT + 8 * stream) + past_at
            x = source + stream * step_bytes
            copy_row(target, y + stream * stride, n_outputs)
            if not all_finite(x, n_inputs):
                return STATE_NOT_FINITE
            copy_row(past_next, past + step_bytes, n_kept)
            copy_row(past_next + itemsize * n_kept, x, n_inputs)
            target += itemsize * n_outputs
        return DONE

    return kernel
