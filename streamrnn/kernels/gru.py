"""GRU kernels, both forms. Form and packing are in streamrnn/layers/gru.py.

Each builder makes a kernel for one width: void (record, source, target, n_steps), which reads `n_steps` rows of I float32 at
`source`, advances h, and writes `n_steps` rows of h at `target`. Nothing may alias. ONNX GRU-22; torch.nn.GRU; Cho et al. 2014.
"""

from collections.abc import Callable
from typing import Any

from streamrnn.kernels.activations import ONE, activate, clipped, flush, sigmoid2, tanh2
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import BYTES, field, for_each_block, panel_sums, row_copy, whole_copy
from streamrnn.packing import Width
from streamrnn.record import CONSTANTS, HIDDEN, INPUTS, PANELS, SCRATCH, STATE, STRIDE, WEIGHTS
from streamrnn.simd.arithmetic import fma
from streamrnn.simd.memory import load, load_scalar, load_tuple, multiply_panel, store

Kernel = Callable[[int, int, int, int], None]
Function = Callable[..., Any]


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
    return activate(options + BYTES, clipped(load_scalar(options), x))


@inline
def general_candidate(options, x):
    """ONNX's activation g, behind the clip."""
    return activate(options + 4 * BYTES, clipped(load_scalar(options), x))


def _reset_after(width: Width, gate: Function, candidate: Function) -> Kernel:
    lanes, blocks = width.lanes, width.blocks
    panel_bytes = width.units * BYTES
    two, three, row_bytes = 2 * blocks, 3 * blocks, 3 * panel_bytes
    copy_state, copy_row = whole_copy(width), row_copy(width)

    @inline
    def block(gates, offset, memory):
        h_now, h_next, options = memory
        r, z, recurrent_n, n = gates
        n = candidate(options, fma(gate(options, r), recurrent_n, n))
        store(h_next + offset, mixed(gate(options, z), n, load(h_now + offset, lanes)))

    each_block = for_each_block(width, block)

    def gru(record, source, target, n_steps):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        weights, options = field(record, WEIGHTS), field(record, CONSTANTS)
        h, h_next = field(record, STATE), field(record, SCRATCH)
        for _ in range(n_steps):
            at = weights
            for panel in range(panels):
                sums = load_tuple(at, lanes, three)
                at += row_bytes
                sums = multiply_panel(sums, at, source, n_inputs)
                at += row_bytes * n_inputs
                recurrent = sums[:two] + load_tuple(at, lanes, blocks)
                at += panel_bytes
                recurrent = multiply_panel(recurrent, at, h, n_hidden)
                at += row_bytes * n_hidden
                each_block(recurrent + sums[two:], panel * panel_bytes, (h, h_next, options))
            copy_state(h, h_next, panels * panel_bytes)
            copy_row(target, h_next, n_hidden)
            source += BYTES * n_inputs
            target += BYTES * n_hidden

    return gru


def _reset_before(width: Width, gate: Function, candidate: Function) -> Kernel:
    lanes, panel_bytes = width.lanes, width.units * BYTES
    sums_of_gates, sums_of_candidate = panel_sums(width, 2), panel_sums(width, 1)
    copy_state, copy_row = whole_copy(width), row_copy(width)

    @inline
    def gate_block(gates, offset, memory):
        h_now, reset_h, z_now, options = memory
        r, z = gates
        store(reset_h + offset, gate(options, r) * load(h_now + offset, lanes))
        store(z_now + offset, gate(options, z))

    @inline
    def candidate_block(gates, offset, memory):
        h_now, z_now, h_next, options = memory
        n = candidate(options, gates[0])
        store(h_next + offset, mixed(load(z_now + offset, lanes), n, load(h_now + offset, lanes)))

    each_gate_block = for_each_block(width, gate_block)
    each_candidate_block = for_each_block(width, candidate_block)

    def gru(record, source, target, n_steps):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        weights, options, stride = field(record, WEIGHTS), field(record, CONSTANTS), field(record, STRIDE)
        h, h_next = field(record, STATE), field(record, SCRATCH)
        reset_h = h_next + stride
        z = reset_h + stride
        for _ in range(n_steps):
            at = weights
            for panel in range(panels):
                sums, at = sums_of_gates(at, source, n_inputs, h, n_hidden)
                each_gate_block(sums, panel * panel_bytes, (h, reset_h, z, options))
            for panel in range(panels):
                sums, at = sums_of_candidate(at, source, n_inputs, reset_h, n_hidden)
                each_candidate_block(sums, panel * panel_bytes, (h, z, h_next, options))
            copy_state(h, h_next, panels * panel_bytes)
            copy_row(target, h_next, n_hidden)
            source += BYTES * n_inputs
            target += BYTES * n_hidden

    return gru


def reset_after(width: Width) -> Kernel:
    """n = tanh(W_n x + b_n + r (R_n h + c_n)): torch, cuDNN, ONNX linear_before_reset=1. σ and tanh, rows scaled."""
    return _reset_after(width, standard_gate, standard_candidate)


def reset_after_general(width: Width) -> Kernel:
    """The same with any activations and clip; rows unscaled."""
    return _reset_after(width, general_gate, general_candidate)


def reset_before(width: Width) -> Kernel:
    """n = tanh(W_n x + b_n + R_n (r h)): Cho et al. 2014 v3, ONNX default. σ and tanh, rows scaled."""
    return _reset_before(width, standard_gate, standard_candidate)


def reset_before_general(width: Width) -> Kernel:
    """The same with any activations and clip; rows unscaled."""
    return _reset_before(width, general_gate, general_candidate)
