"""Kernels of the plain recurrent layer in pools (streamrnn/kernels/rnn.py). The cells are the same."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, for_each_block, row_copy
from streamrnn.kernels.pool.panel import FIRST_LIST, NEXT, list_rows, panel_of_streams, plain_sections
from streamrnn.kernels.rnn import function_block, general_of, relu_of, tanh_of
from streamrnn.simd.memory import load_int
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    CONSTANTS,
    DONE,
    HIDDEN,
    INPUTS,
    PANELS,
    READY,
    ROWS,
    STATE,
    STATE_NOT_FINITE,
    WEIGHTS,
)


def _build(width: Width, function: Part) -> Kernel:
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    each_block = for_each_block(width, function_block(function))
    copy_row = row_copy(width)

    @inline
    def cell(sums, stream, offset, memory):
        rows, h_at, options = memory
        each_block(sums, offset, (load_int(rows + NEXT + 8 * stream) + h_at, options))

    over_streams = panel_of_streams(width, plain_sections(width.blocks), cell)

    def rnn(record, source, target, n_streams):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        options, w, room = field(record, CONSTANTS), field(record, WEIGHTS), field(record, READY)
        rows, h_at = field(record, ROWS), field(record, STATE)
        r = w + panel_bytes * (1 + n_inputs) * panels
        inputs = rows + FIRST_LIST
        list_rows(inputs, source, itemsize * n_inputs, n_streams)
        x, h, memory = (inputs, 0, n_inputs), (rows, h_at, n_hidden), (rows, h_at, options)
        for panel in range(panels):
            over_streams((w, r), x, h, n_streams, room, panel * panel_bytes, memory)
            w += panel_bytes * (1 + n_inputs)
            r += panel_bytes * n_hidden
        for stream in range(n_streams):
            if not copy_row(target, load_int(rows + NEXT + 8 * stream) + h_at, n_hidden):
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
