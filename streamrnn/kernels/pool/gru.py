"""GRU kernels of pools, both forms (streamrnn/kernels/gru.py). The cells are the same."""

from streamrnn.kernels.gru import (
    general_candidate,
    general_gate,
    reset_after_block,
    reset_before_blocks,
    standard_candidate,
    standard_gate,
)
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, for_each_block, row_copy
from streamrnn.kernels.pool.panel import FIRST_LIST, NEXT, SECOND_LIST, list_rows, panel_of_streams, plain_sections
from streamrnn.simd.memory import load_int
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    CONSTANTS,
    DONE,
    HIDDEN,
    INPUTS,
    PANELS,
    POOL_TILE,
    READY,
    ROWS,
    SCRATCH,
    STATE,
    STATE_NOT_FINITE,
    STRIDE,
    WEIGHTS,
)


def _reset_after(width: Width, gate: Part, candidate: Part) -> Kernel:
    blocks, itemsize, panel_bytes = width.blocks, width.itemsize, width.panel_bytes
    each_block = for_each_block(width, reset_after_block(width, gate, candidate))
    copy_row = row_copy(width)

    @inline
    def cell(sums, stream, offset, memory):
        rows, h_at, options = memory
        h, h_next = load_int(rows + 8 * stream) + h_at, load_int(rows + NEXT + 8 * stream) + h_at
        each_block(sums, offset, (h, h_next, options))

    # sums are r, z, R_n h + c_n, W_n x + b_n; rows are r, z, n
    of_inputs, of_state = [*range(2 * blocks), *range(3 * blocks, 4 * blocks)], range(3 * blocks)
    sections = (of_inputs, of_inputs), (range(2 * blocks, 3 * blocks), of_state)
    over_streams = panel_of_streams(width, sections, cell)

    def gru(record, source, target, n_streams):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        options, w, room = field(record, CONSTANTS), field(record, WEIGHTS), field(record, READY)
        rows, h_at = field(record, ROWS), field(record, STATE)
        r = w + 3 * panel_bytes * (1 + n_inputs) * panels
        inputs = rows + FIRST_LIST
        list_rows(inputs, source, itemsize * n_inputs, n_streams)
        x, h, memory = (inputs, 0, n_inputs), (rows, h_at, n_hidden), (rows, h_at, options)
        for panel in range(panels):
            over_streams((w, r), x, h, n_streams, room, panel * panel_bytes, memory)
            w += 3 * panel_bytes * (1 + n_inputs)
            r += panel_bytes * (1 + 3 * n_hidden)
        for stream in range(n_streams):
            if not copy_row(target, load_int(rows + NEXT + 8 * stream) + h_at, n_hidden):
                return STATE_NOT_FINITE
            target += itemsize * n_hidden
        return DONE

    return gru


def _reset_before(width: Width, gate: Part, candidate: Part) -> Kernel:
    blocks, itemsize, panel_bytes = width.blocks, width.itemsize, width.panel_bytes
    each_gate_block, each_candidate_block = (
        for_each_block(width, block) for block in reset_before_blocks(width, gate, candidate)
    )
    copy_row = row_copy(width)

    @inline
    def gate_cell(sums, stream, offset, memory):
        rows, h_at, reset_h, z, stride, options = memory
        h = load_int(rows + 8 * stream) + h_at
        each_gate_block(sums, offset, (h, reset_h + stream * stride, z + stream * stride, options))

    @inline
    def candidate_cell(sums, stream, offset, memory):
        rows, h_at, _, z, stride, options = memory
        h, h_next = load_int(rows + 8 * stream) + h_at, load_int(rows + NEXT + 8 * stream) + h_at
        each_candidate_block(sums, offset, (h, h_next, z + stream * stride, options))

    gates_of_streams = panel_of_streams(width, plain_sections(2 * blocks), gate_cell)
    candidates_of_streams = panel_of_streams(width, plain_sections(blocks), candidate_cell)

    def gru(record, source, target, n_streams):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        options, stride, reset_h = field(record, CONSTANTS), field(record, STRIDE), field(record, SCRATCH)
        w, room, rows, h_at = field(record, WEIGHTS), field(record, READY), field(record, ROWS), field(record, STATE)
        inputs, resets, z = rows + FIRST_LIST, rows + SECOND_LIST, reset_h + POOL_TILE * stride
        w_bytes, r_bytes = panel_bytes * (1 + n_inputs), panel_bytes * n_hidden
        list_rows(inputs, source, itemsize * n_inputs, n_streams)
        list_rows(resets, reset_h, stride, n_streams)
        x, memory = (inputs, 0, n_inputs), (rows, h_at, reset_h, z, stride, options)
        r = w + 2 * w_bytes * panels
        for panel in range(panels):
            gates_of_streams((w, r), x, (rows, h_at, n_hidden), n_streams, room, panel * panel_bytes, memory)
            w, r = w + 2 * w_bytes, r + 2 * r_bytes
        w, r = r, r + w_bytes * panels
        for panel in range(panels):
            candidates_of_streams((w, r), x, (resets, 0, n_hidden), n_streams, room, panel * panel_bytes, memory)
            w, r = w + w_bytes, r + r_bytes
        for stream in range(n_streams):
            if not copy_row(target, load_int(rows + NEXT + 8 * stream) + h_at, n_hidden):
                return STATE_NOT_FINITE
            target += itemsize * n_hidden
        return DONE

    return gru


def reset_after(width: Width) -> Kernel:
    """n = tanh(W_n x + b_n + r (R_n h + c_n)); σ and tanh, rows scaled."""
    return _reset_after(width, standard_gate, standard_candidate)


def reset_after_general(width: Width) -> Kernel:
    """The same with any activations and clip; rows unscaled."""
    return _reset_after(width, general_gate, general_candidate)


def reset_before(width: Width) -> Kernel:
    """n = tanh(W_n x + b_n + R_n (r h)); σ and tanh, rows scaled."""
    return _reset_before(width, standard_gate, standard_candidate)


def reset_before_general(width: Width) -> Kernel:
    """The same with any activations and clip; rows unscaled."""
    return _reset_before(width, general_gate, general_candidate)
