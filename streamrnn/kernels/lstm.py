"""LSTM kernels. Form and packing are in streamrnn/layers/lstm.py.

Each builder makes a kernel for one width: void (record, source, target, n_steps), which reads `n_steps` rows of I float32 at
`source`, advances h and c, and writes `n_steps` rows of h at `target`. Nothing may alias. ONNX LSTM-22; torch.nn.LSTM.
"""

from collections.abc import Callable
from typing import Any

from streamrnn.kernels.activations import ONE, activate, clipped, flush, sigmoid2, tanh, tanh2
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import BYTES, field, for_each_block, panel_sums, row_copy, whole_copy
from streamrnn.packing import Width
from streamrnn.record import CONSTANTS, HIDDEN, INPUTS, OUTPUTS, PANELS, SCRATCH, STATE, STRIDE, WEIGHTS
from streamrnn.simd.arithmetic import fma
from streamrnn.simd.memory import load, load_scalar, store

Kernel = Callable[[int, int, int, int], None]


@inline
def lstm_cell(i, f, g, o, c):
    """Gates to new states: c' = σ(f) c + σ(i) tanh(g), m' = σ(o) tanh(c')."""
    c = flush(fma(sigmoid2(f), c, sigmoid2(i) * tanh2(g)))
    return flush(sigmoid2(o) * tanh(c)), c


@inline
def general_lstm_cell(gates, c, peepholes, options):
    """The cell with everything that ONNX LSTM-22 allows: activations, clip, peepholes, coupled gates.

    `options` is the address of clip, three activations, coupled and whether there are peepholes (layers/lstm.py).
    """
    i, f, g, o = gates
    p_i, p_f, p_o = peepholes
    clip = load_scalar(options)
    coupled = load_scalar(options + 10 * BYTES) != 0
    with_peepholes = load_scalar(options + 11 * BYTES) != 0
    if with_peepholes:
        i = fma(p_i, c, i)
        f = fma(p_f, c, f)
    i = activate(options + BYTES, clipped(clip, i))
    f = ONE - i if coupled else activate(options + BYTES, clipped(clip, f))
    g = activate(options + 4 * BYTES, clipped(clip, g))
    c = flush(fma(f, c, i * g))
    if with_peepholes:
        o = fma(p_o, c, o)
    o = activate(options + BYTES, clipped(clip, o))
    return flush(o * activate(options + 7 * BYTES, c)), c


def _standard_block(width: Width) -> Callable[..., Any]:
    lanes = width.lanes

    @inline
    def block(gates, offset, memory):
        m_next, c_now, _, _ = memory
        i, f, g, o = gates
        m, c = lstm_cell(i, f, g, o, load(c_now + offset, lanes))
        store(m_next + offset, m)
        store(c_now + offset, c)

    return block


def _general_block(width: Width) -> Callable[..., Any]:
    lanes = width.lanes

    @inline
    def block(gates, offset, memory):
        m_next, c_now, options, stride = memory
        at = options + 12 * BYTES + offset
        peepholes = load(at, lanes), load(at + stride, lanes), load(at + 2 * stride, lanes)
        m, c = general_lstm_cell(gates, load(c_now + offset, lanes), peepholes, options)
        store(m_next + offset, m)
        store(c_now + offset, c)

    return block


def _build(width: Width, block: Callable[..., Any], projected: bool) -> Kernel:
    panel_bytes = width.units * BYTES
    sums_of_panel = panel_sums(width, 4)
    each_block = for_each_block(width, block)
    copy_state, copy_row = whole_copy(width), row_copy(width)
    project = _projection(width)

    def lstm(record, source, target, n_steps):
        n_inputs, n_outputs, panels = field(record, INPUTS), field(record, OUTPUTS), field(record, PANELS)
        weights, options, stride = field(record, WEIGHTS), field(record, CONSTANTS), field(record, STRIDE)
        h = field(record, STATE)
        c = h + stride
        m_next = field(record, SCRATCH)
        h_next = m_next + stride if projected else m_next
        for _ in range(n_steps):
            at = weights
            for panel in range(panels):
                sums, at = sums_of_panel(at, source, n_inputs, h, n_outputs)
                each_block(sums, panel * panel_bytes, (m_next, c, options, panels * panel_bytes))
            if projected:
                project(at, m_next, h_next, field(record, HIDDEN), n_outputs)
            copy_state(h, h_next, -(-n_outputs * BYTES // panel_bytes) * panel_bytes)
            copy_row(target, h_next, n_outputs)
            source += BYTES * n_inputs
            target += BYTES * n_outputs

    return lstm


def _projection(width: Width) -> Callable[..., Any]:
    """h' = W m', its bias zero: panels of one gate (Sak et al. 2014; torch's proj_size)."""
    panel_bytes = width.units * BYTES
    sums_of_panel = panel_sums(width, 1)

    @inline
    def store_block(sums, offset, memory):
        store(memory + offset, flush(sums[0]))

    each_block = for_each_block(width, store_block)

    @inline
    def project(weights, m, h, n_hidden, n_outputs):
        at = weights
        for offset in range(0, n_outputs * BYTES, panel_bytes):
            sums, at = sums_of_panel(at, m, n_hidden, m, 0)
            each_block(sums, offset, h)

    return project


def standard(width: Width) -> Kernel:
    """σ, tanh, tanh; rows scaled for base-2 exponentials."""
    return _build(width, _standard_block(width), projected=False)


def standard_projected(width: Width) -> Kernel:
    """The standard cell with a projection behind it."""
    return _build(width, _standard_block(width), projected=True)


def general(width: Width) -> Kernel:
    """Any activations, clip, peepholes, coupled gates; rows unscaled."""
    return _build(width, _general_block(width), projected=False)


def general_projected(width: Width) -> Kernel:
    """The general cell with a projection behind it."""
    return _build(width, _general_block(width), projected=True)
