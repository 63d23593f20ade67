"""Kernels of the fully connected layer, y = f(W x + b). Form and packing are in streamrnn/layers/dense.py.

Each builder makes a kernel for one width: void (record, source, target, n_steps), which reads `n_steps` rows of I float32 at
`source` and writes `n_steps` rows of O at `target`. Nothing may alias. ONNX Gemm-13; torch.nn.Linear.
"""

from collections.abc import Callable
from typing import Any

from streamrnn.kernels.activations import ZERO, activate, exp2, sigmoid2, tanh2
from streamrnn.kernels.activations import relu as positive
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import BYTES, field, for_each_block, panel_sums, row_copy
from streamrnn.packing import Width
from streamrnn.record import CONSTANTS, INPUTS, OUTPUTS, PANELS, SCRATCH, WEIGHTS
from streamrnn.simd.memory import load, load_scalar, store

Kernel = Callable[[int, int, int, int], None]


@inline
def _as_they_are(y, n_outputs):
    pass


def _build(width: Width, function: Callable[..., Any], finish: Callable[..., Any] = _as_they_are) -> Kernel:
    """`function(options, sums)` works on each vector; `finish(y, n_outputs)` then on the row at address y."""
    panel_bytes = width.units * BYTES
    sums_of_panel = panel_sums(width, 1)
    copy_row = row_copy(width)

    @inline
    def block(sums, offset, memory):
        y, options = memory
        store(y + offset, function(options, sums[0]))

    each_block = for_each_block(width, block)

    def dense(record, source, target, n_steps):
        n_inputs, n_outputs, panels = field(record, INPUTS), field(record, OUTPUTS), field(record, PANELS)
        weights, options, y = field(record, WEIGHTS), field(record, CONSTANTS), field(record, SCRATCH)
        for _ in range(n_steps):
            at = weights
            for panel in range(panels):
                sums, at = sums_of_panel(at, source, n_inputs, source, 0)
                each_block(sums, panel * panel_bytes, (y, options))
            finish(y, n_outputs)
            copy_row(target, y, n_outputs)
            source += BYTES * n_inputs
            target += BYTES * n_outputs

    return dense


@inline
def _linear(options, x):
    return x


@inline
def _tanh(options, x):
    return tanh2(x)


@inline
def _sigmoid(options, x):
    return sigmoid2(x)


@inline
def _relu(options, x):
    return positive(x)


@inline
def _general(options, x):
    return activate(options + BYTES, x)


def _normalize(width: Width) -> Callable[..., Any]:
    """Softmax of a row of logits in base 2: 2**(t - max) / sum, summed one after the other so that no width shows."""
    lanes, vector_bytes = width.lanes, width.lanes * BYTES

    @inline
    def normalize(y, n_outputs):
        largest = load_scalar(y)
        for at in range(BYTES, n_outputs * BYTES, BYTES):
            value = load_scalar(y + at)
            if value > largest:
                largest = value
        for at in range(0, n_outputs * BYTES, vector_bytes):
            store(y + at, exp2(load(y + at, lanes) - largest))
        total = ZERO
        for at in range(0, n_outputs * BYTES, BYTES):
            total += load_scalar(y + at)
        for at in range(0, n_outputs * BYTES, vector_bytes):
            store(y + at, load(y + at, lanes) / total)

    return normalize


def linear(width: Width) -> Kernel:
    """No activation."""
    return _build(width, _linear)


def tanh(width: Width) -> Kernel:
    """Tanh; rows scaled for base-2 exponentials."""
    return _build(width, _tanh)


def sigmoid(width: Width) -> Kernel:
    """σ; rows scaled for base-2 exponentials."""
    return _build(width, _sigmoid)


def relu(width: Width) -> Kernel:
    """Relu."""
    return _build(width, _relu)


def softmax(width: Width) -> Kernel:
    """Softmax over all outputs; rows scaled for base-2 exponentials."""
    return _build(width, _linear, _normalize(width))


def general(width: Width) -> Kernel:
    """Any element-wise activation; rows unscaled."""
    return _build(width, _general)
