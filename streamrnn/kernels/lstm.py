"""LSTM kernels. Form and packing are in streamrnn/layers/lstm.py.

Each builder makes a kernel for one width: int64 (record, source, target, n_steps), which reads `n_steps` rows of I numbers at
`source`, advances h and c, writes `n_steps` rows of h at `target`, and answers DONE, or STATE_NOT_FINITE where h or c is not.
Nothing may alias. ONNX LSTM-22; torch.nn.LSTM.
"""

from streamrnn.kernels.activations import ONE, ZERO, activate, clipped, sigmoid2, tanh, tanh2
from streamrnn.kernels.exponential import flush
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import (
    Kernel,
    Part,
    field,
    finite_check,
    for_each_block,
    input_sums,
    next_turn,
    panel_of_turn,
    panel_sums,
    ready_sums,
    row_copy,
    whole_copy,
)
from streamrnn.simd.arithmetic import fma
from streamrnn.simd.memory import load, load_like, store
from streamrnn.target.packing import Width
from streamrnn.target.record import (
    CONSTANTS,
    DONE,
    HIDDEN,
    INPUTS,
    OUTPUTS,
    PANELS,
    READY,
    SCRATCH,
    STATE,
    STATE_NOT_FINITE,
    STRIDE,
    WEIGHTS,
)


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
    clip = load_like(options, 0, c)
    coupled = load_like(options, 10, c) != ZERO
    with_peepholes = load_like(options, 11, c) != ZERO
    if with_peepholes:
        i = fma(p_i, c, i)
        f = fma(p_f, c, f)
    i = activate(options, 1, clipped(clip, i))
    f = ONE - i if coupled else activate(options, 1, clipped(clip, f))
    g = activate(options, 4, clipped(clip, g))
    c = flush(fma(f, c, i * g))
    if with_peepholes:
        o = fma(p_o, c, o)
    o = activate(options, 1, clipped(clip, o))
    return flush(o * activate(options, 7, c)), c


def standard_block(width: Width) -> Part:
    """The cell of a block of units, as `for_each_block` calls it; memory: m', c, c', and what the general cell needs."""
    lanes, dtype = width.lanes, width.dtype

    @inline
    def block(gates, offset, memory):
        m_next, c_now, c_next, _, _ = memory
        i, f, g, o = gates
        m, c = lstm_cell(i, f, g, o, load(c_now + offset, dtype, lanes))
        store(m_next + offset, m)
        store(c_next + offset, c)

    return block


def general_block(width: Width) -> Part:
    """The same for any cell; memory: m', c, c', the options, and the bytes from one peephole to the next."""
    lanes, dtype, peepholes_at = width.lanes, width.dtype, 12 * width.itemsize

    @inline
    def block(gates, offset, memory):
        m_next, c_now, c_next, options, stride = memory
        at = options + peepholes_at + offset
        peepholes = load(at, dtype, lanes), load(at + stride, dtype, lanes), load(at + 2 * stride, dtype, lanes)
        m, c = general_lstm_cell(gates, load(c_now + offset, dtype, lanes), peepholes, options)
        store(m_next + offset, m)
        store(c_next + offset, c)

    return block


def _build(width: Width, block: Part, *, projected: bool, recovers: bool) -> Kernel:
    """`recovers`: whether a state that overflowed can become finite again, so that it must be looked at after every step."""
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    make_ready, sums_of_panel = ready_sums(width, 4), panel_sums(width, 4)
    each_block = for_each_block(width, block)
    copy_state, copy_row, all_finite = whole_copy(width), row_copy(width), finite_check(width)
    project = _projection(width)

    def lstm(record, source, target, n_steps):
        n_inputs, n_outputs, panels = field(record, INPUTS), field(record, OUTPUTS), field(record, PANELS)
        weights, options, stride = field(record, WEIGHTS), field(record, CONSTANTS), field(record, STRIDE)
        h = field(record, STATE)
        c = h + stride
        in_place = projected or panels == 1  # all of h has been read before it is written
        m_next = field(record, SCRATCH) if projected or panels > 1 else h
        n_hidden = field(record, HIDDEN)
        recurrent_weights = weights + 4 * panel_bytes * (1 + n_inputs) * panels
        projection = recurrent_weights + 4 * panel_bytes * n_outputs * panels
        ready = field(record, READY) if n_steps > 1 else 0
        if ready:
            make_ready(weights, panels, source, n_inputs, n_steps, ready)
        ready_bytes = 4 * panels * panel_bytes if ready else 0
        backwards = next_turn(record, panels, n_steps)
        for step in range(n_steps):
            for index in range(panels):
                panel = panel_of_turn(index, panels, backwards)
                sums = sums_of_panel(panel, weights, recurrent_weights, ready, source, n_inputs, h, n_outputs)
                each_block(sums, panel * panel_bytes, (m_next, c, c, options, panels * panel_bytes))
            if projected:
                project(projection, m_next, h, n_hidden, n_outputs)
            if not in_place:
                copy_state(h, m_next, panels * panel_bytes)
            is_finite = copy_row(target, h, n_outputs)
            if recovers:
                is_finite = is_finite and all_finite(c, n_hidden)  # in the standard cell, what is wrong with c is in h too
            if (recovers or step == n_steps - 1) and not is_finite:
                return STATE_NOT_FINITE
            source += itemsize * n_inputs
            target += itemsize * n_outputs
            ready += ready_bytes
            backwards = 1 - backwards
        return DONE

    return lstm


def _projection(width: Width) -> Part:
    """h' = W m', its bias zero: panels of one gate (Sak et al. 2014; torch's proj_size)."""
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    sums_of_panel = input_sums(width, 1)

    @inline
    def store_block(sums, offset, memory):
        store(memory + offset, flush(sums[0]))

    each_block = for_each_block(width, store_block)

    @inline
    def project(at, m, h, n_hidden, n_outputs):
        for offset in range(0, n_outputs * itemsize, panel_bytes):
            each_block(sums_of_panel(at, 0, m, n_hidden), offset, h)
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
