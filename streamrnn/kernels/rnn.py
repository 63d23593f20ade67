"""Kernels of the plain recurrent layer, h' = f(W x + R h + b). Form and packing are in streamrnn/layers/rnn.py.

Each builder makes a kernel for one width: void (record, source, target, n_steps), which reads `n_steps` rows of I float32 at
`source`, advances h, and writes `n_steps` rows of h at `target`. Nothing may alias. ONNX RNN-22; torch.nn.RNN.
"""

from collections.abc import Callable
from typing import Any

from streamrnn.kernels.activations import activate, clipped, flush, tanh2
from streamrnn.kernels.activations import relu as positive
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import BYTES, field, for_each_block, panel_sums, row_copy, whole_copy
from streamrnn.packing import Width
from streamrnn.record import CONSTANTS, HIDDEN, INPUTS, PANELS, SCRATCH, STATE, WEIGHTS
from streamrnn.simd.memory import load_scalar, store

Kernel = Callable[[int, int, int, int], None]


def _build(width: Width, function: Callable[..., Any]) -> Kernel:
    panel_bytes = width.units * BYTES
    sums_of_panel = panel_sums(width, 1)
    copy_state, copy_row = whole_copy(width), row_copy(width)

    @inline
    def block(sums, offset, memory):
        h_next, options = memory
        store(h_next + offset, flush(function(options, sums[0])))

    each_block = for_each_block(width, block)

    def rnn(record, source, target, n_steps):
        n_inputs, n_hidden, panels = field(record, INPUTS), field(record, HIDDEN), field(record, PANELS)
        weights, options = field(record, WEIGHTS), field(record, CONSTANTS)
        h, h_next = field(record, STATE), field(record, SCRATCH)
        for _ in range(n_steps):
            at = weights
            for panel in range(panels):
                sums, at = sums_of_panel(at, source, n_inputs, h, n_hidden)
                each_block(sums, panel * panel_bytes, (h_next, options))
            copy_state(h, h_next, panels * panel_bytes)
            copy_row(target, h_next, n_hidden)
            source += BYTES * n_inputs
            target += BYTES * n_hidden

    return rnn


@inline
def _tanh(options, x):
    return tanh2(x)


@inline
def _relu(options, x):
    return positive(x)


@inline
def _general(options, x):
    return activate(options + BYTES, clipped(load_scalar(options), x))


def tanh(width: Width) -> Kernel:
    """Tanh; rows scaled for base-2 exponentials."""
    return _build(width, _tanh)


def relu(width: Width) -> Kernel:
    """Relu."""
    return _build(width, _relu)


def general(width: Width) -> Kernel:
    """Any activation, clip; rows unscaled."""
    return _build(width, _general)
