"""Kernels of the plain recurrent layer in pools (streamrnn/kernels/rnn.py). The cells are the same."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, for_each_block, row_copy, whole_copy
from streamrnn.kernels.pool.panel import LIST_BYTES, list_rows, panel_of_streams, plain_sections
from streamrnn.kernels.rnn import function_block, general_of, relu_of, tanh_of
from streamrnn.packing import Width
from streamrnn.record import (
    CONSTANTS,
    DONE,
    HIDDEN,
    INPUTS,
    PANELS,
    READY,
    ROWS,
    SCRATCH,
    STATE,
    STATE_NOT_FINITE,
    STRIDE,
    WEIGHTS,
)
from streamrnn.simd.memory import load_int


def _build(width: Width, function: Part) -> Kernel:
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    each_block = for_each_block(width, function_block(function))
    copy_state, copy_row = whole_copy(width), row_copy(width)

    @inline
    def cell(sums, stream, offset, memory):
        h_next, stride, options = memory
        each_block(sums, offset, (h_next + stream * stride, options))

    over_streams = panel_of_streams(width, plain_sections(width.blocks), cell)

    def rnn(record, source, target, n_streams):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        options, stride, h_next = field(record, CONSTANTS), field(record, STRIDE), field(record, SCRATCH)
        w, room, rows, h_at = field(record, WEIGHTS), field(record, READY), field(record, ROWS), field(record, STATE)
        r = w + panel_bytes * (1 + n_inputs) * panels
        inputs = rows + LIST_BYTES
        list_rows(inputs, source, itemsize * n_inputs, n_streams)
        x, h, memory = (inputs, 0, n_inputs), (rows, h_at, n_hidden), (h_next, stride, options)
        for panel in range(panels):
            over_streams((w, r), x, h, n_streams, room, panel * panel_bytes, memory)
            w += panel_bytes * (1 + n_inputs)
            r += panel_bytes * n_hidden
        for stream in range(n_streams):
            state = load_int(rows + 8 * stream) + h_at
            copy_state(state, h_next + stream * stride, panels * panel_bytes)
            if not copy_row(target, state, n_hidden):
                return STATE_NOT_FINITE
            target += itemsize * n_hidden
        return DONE

    return rnn


def tanh(width: Width) -> Kernel:
    """Tanh; rows scaled for base-2 exponentials."""
    return _build(width, tanh_of)


def relu(width: Width) -> Kernel:
    """Relu."""
    return _build(width, relu_of)


def general(width: Width) -> Kernel:
    """Any activation, clip; rows unscaled."""
    return _build(width, general_of)
