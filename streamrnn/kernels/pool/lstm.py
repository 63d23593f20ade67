"""LSTM kernels of pools (streamrnn/kernels/lstm.py). The cells are the same."""

from streamrnn.kernels.exponential import flush
from streamrnn.kernels.inline import inline
from streamrnn.kernels.lstm import general_block, standard_block
from streamrnn.kernels.panel import Kernel, Part, field, finite_check, for_each_block, row_copy
from streamrnn.kernels.pool.panel import FIRST_LIST, NEXT, SECOND_LIST, list_rows, panel_of_streams, plain_sections
from streamrnn.simd.memory import load_int, store
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    CONSTANTS,
    DONE,
    HIDDEN,
    INPUTS,
    OUTPUTS,
    PANELS,
    READY,
    ROWS,
    SCRATCH,
    STATE,
    STATE_NOT_FINITE,
    STRIDE,
    WEIGHTS,
)


def _build(width: Width, block: Part, *, projected: bool, recovers: bool) -> Kernel:
    """`recovers`: whether a c that is not finite may leave h finite, so that it must be looked at too."""
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    each_block, project = for_each_block(width, block), _projection(width)
    copy_row, all_finite = row_copy(width), finite_check(width)

    @inline
    def cell(sums, stream, offset, memory):
        rows, c_at, ms, m_at, options, peephole_bytes = memory
        m, c = load_int(ms + 8 * stream) + m_at, load_int(rows + 8 * stream) + c_at
        each_block(sums, offset, (m, c, load_int(rows + NEXT + 8 * stream) + c_at, options, peephole_bytes))

    over_streams = panel_of_streams(width, plain_sections(4 * width.blocks), cell)

    def lstm(record, source, target, n_streams):
        n_inputs, n_outputs, panels = field(record, INPUTS), field(record, OUTPUTS), field(record, PANELS)
        n_hidden, options, stride = field(record, HIDDEN), field(record, CONSTANTS), field(record, STRIDE)
        w, room, rows, h_at = field(record, WEIGHTS), field(record, READY), field(record, ROWS), field(record, STATE)
        r = w + 4 * panel_bytes * (1 + n_inputs) * panels
        inputs, c_at = rows + FIRST_LIST, h_at + stride
        ms, m_at = (rows + SECOND_LIST, 0) if projected else (rows + NEXT, h_at)
        list_rows(inputs, source, itemsize * n_inputs, n_streams)
        if projected:
            list_rows(ms, field(record, SCRATCH), stride, n_streams)
        x, h = (inputs, 0, n_inputs), (rows, h_at, n_outputs)
        memory = (rows, c_at, ms, m_at, options, panels * panel_bytes)
        for panel in range(panels):
            over_streams((w, r), x, h, n_streams, room, panel * panel_bytes, memory)
            w += 4 * panel_bytes * (1 + n_inputs)
            r += 4 * panel_bytes * n_outputs
        if projected:
            project(r, (ms, 0, n_hidden), (rows + NEXT, h_at), n_outputs, n_streams, room)
        for stream in range(n_streams):
            state = load_int(rows + NEXT + 8 * stream)
            is_finite = copy_row(target, state + h_at, n_outputs)
            if recovers:
                is_finite = is_finite and all_finite(state + c_at, n_hidden)
            if not is_finite:
                return STATE_NOT_FINITE
            target += itemsize * n_outputs
        return DONE

    return lstm


def _projection(width: Width) -> Part:
    """h' = W m', its bias zero, for all streams of a tile."""
    itemsize, panel_bytes = width.itemsize, width.panel_bytes

    @inline
    def store_block(sums, offset, h):
        store(h + offset, flush(sums[0]))

    each_block = for_each_block(width, store_block)

    @inline
    def cell(sums, stream, offset, memory):
        rows, h_at = memory
        each_block(sums, offset, load_int(rows + 8 * stream) + h_at)

    over_streams = panel_of_streams(width, plain_sections(width.blocks), cell)

    @inline
    def project(at, m, h, n_outputs, n_streams, room):
        _, _, n_hidden = m
        for offset in range(0, n_outputs * itemsize, panel_bytes):
            over_streams((at, at), m, (*h, 0), n_streams, room, offset, h)
            at += panel_bytes * (1 + n_hidden)

    return project


def standard(width: Width) -> Kernel:
    """σ, tanh, tanh; rows scaled for base-2 exponentials."""
    return _build(width, standard_block(width), projected=False, recovers=False)


def standard_projected(width: Width) -> Kernel:
    """The standard cell with a projection behind it."""
    return _build(width, standard_block(width), projected=True, recovers=True)


def general(width: Width) -> Kernel:
    """Any activations, clip, peepholes, coupled gates; rows unscaled."""
    return _build(width, general_block(width), projected=False, recovers=True)


def general_projected(width: Width) -> Kernel:
    """The general cell with a projection behind it."""
    return _build(width, general_block(width), projected=True, recovers=True)
