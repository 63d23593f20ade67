"""GRU kernels, both forms. Form and packing are in streamrnn/layers/gru.py.

Each builder makes a kernel for one width: int64 (record, source, target, n_steps), which reads `n_steps` rows of I numbers at
`source`, advances h, writes `n_steps` rows of h at `target`, and answers DONE, or STATE_NOT_FINITE where h is not.
Nothing may alias. ONNX GRU-22; torch.nn.GRU; Cho et al. 2014.
"""

from streamrnn.kernels.activations import ONE, activate, clipped, sigmoid2, tanh2
from streamrnn.kernels.exponential import flush
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import (
    Kernel,
    Part,
    field,
    for_each_block,
    input_sums,
    next_turn,
    panel_of_turn,
    panel_sums,
    places_of_panel,
    ready_sums,
    recurrent_sums,
    row_copy,
    whole_copy,
)
from streamrnn.simd.arithmetic import fma
from streamrnn.simd.memory import load, load_like, load_tuple, store
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    CONSTANTS,
    DONE,
    HIDDEN,
    INPUTS,
    PANELS,
    READY,
    SCRATCH,
    STATE,
    STATE_NOT_FINITE,
    STRIDE,
    WEIGHTS,
)


@inline
def mixed(z, n, h):
    """h' = (1 - z) n + z h: z -> 0 forgets the past, z -> 1 ignores the present."""
    return flush(fma(z, h, (ONE - z) * n))


@inline
def standard_gate(options, x):
    """σ of a pre-activation that is scaled for base 2."""
    return sigmoid2(x)


@inline
def standard_candidate(options, x):
    """Tanh of a pre-activation that is scaled for base 2."""
    return tanh2(x)


@inline
def general_gate(options, x):
    """ONNX's activation f, behind the clip."""
    return activate(options, 1, clipped(load_like(options, 0, x), x))


@inline
def general_candidate(options, x):
    """ONNX's activation g, behind the clip."""
    return activate(options, 4, clipped(load_like(options, 0, x), x))


def reset_after_block(width: Width, gate: Part, candidate: Part) -> Part:
    """The cell of a block of units, as `for_each_block` calls it; memory: h, h', the options."""
    lanes, dtype = width.lanes, width.dtype

    @inline
    def block(gates, offset, memory):
        h_now, h_next, options = memory
        r, z, recurrent_n, n = gates
        n = candidate(options, fma(gate(options, r), recurrent_n, n))
        store(h_next + offset, mixed(gate(options, z), n, load(h_now + offset, dtype, lanes)))

    return block


def reset_before_blocks(width: Width, gate: Part, candidate: Part) -> tuple[Part, Part]:
    """The two halves of the cell: memory of the gates' is h, r h, z, the options; of the candidate's h, h', z, the options."""
    lanes, dtype = width.lanes, width.dtype

    @inline
    def gate_block(gates, offset, memory):
        h_now, reset_h, z_now, options = memory
        r, z = gates
        store(reset_h + offset, gate(options, r) * load(h_now + offset, dtype, lanes))
        store(z_now + offset, gate(options, z))

    @inline
    def candidate_block(gates, offset, memory):
        h_now, h_next, z_now, options = memory
        n = candidate(options, gates[0])
        store(h_next + offset, mixed(load(z_now + offset, dtype, lanes), n, load(h_now + offset, dtype, lanes)))

    return gate_block, candidate_block


def _reset_after(width: Width, gate: Part, candidate: Part, *, recovers: bool) -> Kernel:
    """`recovers`: whether a state that overflowed can become finite again, so that it must be looked at after every step."""
    lanes, blocks, dtype = width.lanes, width.blocks, width.dtype
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    two = 2 * blocks
    make_ready, sums_of_inputs, with_recurrent = ready_sums(width, 3), input_sums(width, 3), recurrent_sums(width, 3)
    copy_state, copy_row = whole_copy(width), row_copy(width)
    each_block = for_each_block(width, reset_after_block(width, gate, candidate))

    def gru(record, source, target, n_steps):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        weights, options = field(record, WEIGHTS), field(record, CONSTANTS)
        w_bytes, r_bytes, row_bytes = 3 * panel_bytes * (1 + n_inputs), panel_bytes * (1 + 3 * n_hidden), 3 * panel_bytes
        recurrent_weights = weights + w_bytes * panels
        h = field(record, STATE)
        h_next = h if panels == 1 else field(record, SCRATCH)  # a single panel has read all of h before it writes
        ready = field(record, READY) if n_steps > 1 else 0
        if ready:
            make_ready(weights, panels, source, n_inputs, n_steps, ready)
        ready_bytes = row_bytes * panels if ready else 0
        backwards = next_turn(record, panels, n_steps)
        for step in range(n_steps):
            for index in range(panels):
                panel = panel_of_turn(index, panels, backwards)
                w, r, of_panel = places_of_panel(panel, weights, w_bytes, recurrent_weights, r_bytes, ready, row_bytes)
                sums = sums_of_inputs(w, of_panel, source, n_inputs)
                recurrent = sums[:two] + load_tuple(r, dtype, lanes, blocks)
                recurrent = with_recurrent(recurrent, r + panel_bytes, of_panel, h, n_hidden)
                each_block(recurrent + sums[two:], panel * panel_bytes, (h, h_next, options))
            if panels > 1:
                copy_state(h, h_next, panels * panel_bytes)
            is_finite = copy_row(target, h, n_hidden)
            if (recovers or step == n_steps - 1) and not is_finite:
                return STATE_NOT_FINITE
            source += itemsize * n_inputs
            target += itemsize * n_hidden
            ready += ready_bytes
            backwards = 1 - backwards
        return DONE

    return gru


def _reset_before(width: Width, gate: Part, candidate: Part, *, recovers: bool) -> Kernel:
    """`recovers`: whether a state that overflowed can become finite again, so that it must be looked at after every step."""
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    gates_ready, candidates_ready = ready_sums(width, 2), ready_sums(width, 1)
    sums_of_gates, sums_of_candidate = panel_sums(width, 2), panel_sums(width, 1)
    copy_row = row_copy(width)
    each_gate_block, each_candidate_block = (
        for_each_block(width, block) for block in reset_before_blocks(width, gate, candidate)
    )

    def gru(record, source, target, n_steps):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        weights, options, stride = field(record, WEIGHTS), field(record, CONSTANTS), field(record, STRIDE)
        h, reset_h = field(record, STATE), field(record, SCRATCH)
        z = reset_h + stride
        w_bytes, r_bytes = panels * panel_bytes * (1 + n_inputs), panels * panel_bytes * n_hidden
        gate_r, candidate_w = weights + 2 * w_bytes, weights + 2 * (w_bytes + r_bytes)
        candidate_r = candidate_w + w_bytes
        gates_of, candidate_of, ready_bytes = 0, 0, 0
        if n_steps > 1 and field(record, READY):
            ready_bytes = panels * panel_bytes
            gates_of = field(record, READY)
            candidate_of = gates_of + 2 * ready_bytes * n_steps
            gates_ready(weights, panels, source, n_inputs, n_steps, gates_of)
            candidates_ready(candidate_w, panels, source, n_inputs, n_steps, candidate_of)
        backwards = next_turn(record, panels, n_steps)
        for step in range(n_steps):
            for index in range(panels):
                panel = panel_of_turn(index, panels, backwards)
                sums = sums_of_gates(panel, weights, gate_r, gates_of, source, n_inputs, h, n_hidden)
                each_gate_block(sums, panel * panel_bytes, (h, reset_h, z, options))
            for index in range(panels):
                panel = panel_of_turn(index, panels, backwards)
                sums = sums_of_candidate(panel, candidate_w, candidate_r, candidate_of, source, n_inputs, reset_h, n_hidden)
                each_candidate_block(sums, panel * panel_bytes, (h, h, z, options))
            is_finite = copy_row(target, h, n_hidden)
            if (recovers or step == n_steps - 1) and not is_finite:
                return STATE_NOT_FINITE
            source += itemsize * n_inputs
            target += itemsize * n_hidden
            gates_of += 2 * ready_bytes
            candidate_of += ready_bytes
            backwards = 1 - backwards
        return DONE

    return gru


def reset_after(width: Width) -> Kernel:
    """n = tanh(W_n x + b_n + r (R_n h + c_n)): torch, cuDNN, ONNX linear_before_reset=1. σ and tanh, rows scaled."""
    return _reset_after(width, standard_gate, standard_candidate, recovers=False)


def reset_after_general(width: Width) -> Kernel:
    """The same with any activations and clip; rows unscaled."""
    return _reset_after(width, general_gate, general_candidate, recovers=True)


def reset_before(width: Width) -> Kernel:
    """n = tanh(W_n x + b_n + R_n (r h)): Cho et al. 2014 v3, ONNX default. σ and tanh, rows scaled."""
    return _reset_before(width, standard_gate, standard_candidate, recovers=False)


def reset_before_general(width: Width) -> Kernel:
    """The same with any activations and clip; rows unscaled."""
    return _reset_before(width, general_gate, general_candidate, recovers=True)
