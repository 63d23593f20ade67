"""Kernels of the plain recurrent layer, h' = f(W x + R h + b). Form and packing are in streamrnn/layers/rnn.py.

Each builder makes a kernel for one width: int64 (record, source, target, n_steps), which reads `n_steps` rows of I numbers at
`source`, advances h, writes `n_steps` rows of h at `target`, and answers DONE, or STATE_NOT_FINITE where h is not.
Nothing may alias. ONNX RNN-22; torch.nn.RNN.
"""

from streamrnn.kernels.activations import activate, clipped, tanh2
from streamrnn.kernels.activations import relu as positive
from streamrnn.kernels.exponential import flush
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import (
    Kernel,
    Part,
    field,
    for_each_block,
    next_turn,
    panel_of_turn,
    panel_sums,
    ready_sums,
    row_copy,
    whole_copy,
)
from streamrnn.simd.memory import load_like, store
from streamrnn.target.packing import Width
from streamrnn.target.record import CONSTANTS, DONE, HIDDEN, INPUTS, PANELS, READY, SCRATCH, STATE, STATE_NOT_FINITE, WEIGHTS


def function_block(function: Part) -> Part:
    """The cell of a block of units, as `for_each_block` calls it; memory: h', the options."""

    @inline
    def block(sums, offset, memory):
        h_next, options = memory
        store(h_next + offset, flush(function(options, sums[0])))

    return block


def _build(width: Width, function: Part, *, recovers: bool) -> Kernel:
    """`recovers`: whether a state that overflowed can become finite again, so that it must be looked at after every step."""
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    make_ready, sums_of_panel = ready_sums(width, 1), panel_sums(width, 1)
    copy_state, copy_row = whole_copy(width), row_copy(width)
    each_block = for_each_block(width, function_block(function))

    def rnn(record, source, target, n_steps):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        weights, options = field(record, WEIGHTS), field(record, CONSTANTS)
        h = field(record, STATE)
        h_next = h if panels == 1 else field(record, SCRATCH)  # a single panel has read all of h before it writes
        ready = field(record, READY) if n_steps > 1 else 0
        if ready:
            make_ready(weights, panels, source, n_inputs, n_steps, ready)
        recurrent_weights = weights + panel_bytes * (1 + n_inputs) * panels
        ready_bytes = panels * panel_bytes if ready else 0
        backwards = next_turn(record, panels, n_steps)
        for step in range(n_steps):
            for index in range(panels):
                panel = panel_of_turn(index, panels, backwards)
                sums = sums_of_panel(panel, weights, recurrent_weights, ready, source, n_inputs, h, n_hidden)
                each_block(sums, panel * panel_bytes, (h_next, options))
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

    return rnn


@inline
def tanh_of(options, x):
    """Tanh of a pre-activation that is scaled for base 2."""
    return tanh2(x)


@inline
def relu_of(options, x):
    """Relu."""
    return positive(x)


@inline
def general_of(options, x):
    """ONNX's activation f, behind the clip."""
    return activate(options, 1, clipped(load_like(options, 0, x), x))


def tanh(width: Width) -> Kernel:
    """Tanh; rows scaled for base-2 exponentials."""
    return _build(width, tanh_of, recovers=False)


def relu(width: Width) -> Kernel:
    """Relu."""
    return _build(width, relu_of, recovers=True)


def general(width: Width) -> Kernel:
    """Any activation, clip; rows unscaled."""
    return _build(width, general_of, recovers=True)
