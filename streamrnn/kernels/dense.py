"""Kernels of the fully connected layer, y = f(W x + b). Form and packing are in streamrnn/layers/dense.py.

Each builder makes a kernel for one width: int64 (record, source, target, n_steps), which reads `n_steps` rows of I numbers at
`source`, writes `n_steps` rows of O at `target`, and answers DONE. Nothing may alias. ONNX Gemm-13; torch.nn.Linear.
"""

from streamrnn.kernels.activations import relu as positive
from streamrnn.kernels.activations import sigmoid2, tanh2, transform
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, for_each_block, input_sums, ready_sums, row_copy
from streamrnn.kernels.softmax import normalize
from streamrnn.simd.memory import store
from streamrnn.target.packing import Width
from streamrnn.target.record import CONSTANTS, DONE, INPUTS, OUTPUTS, PANELS, READY, SCRATCH, WEIGHTS


@inline
def _as_they_are(y, n_outputs):
    pass


def _build(width: Width, function: Part, finish: Part = _as_they_are) -> Kernel:
    """`function(options, sums)` works on each vector; `finish(y, n_outputs)` then on the row at address y."""
    itemsize, panel_bytes = width.itemsize, width.panel_bytes
    make_ready, sums_of_panel, copy_row = ready_sums(width, 1), input_sums(width, 1), row_copy(width)

    @inline
    def block(sums, offset, memory):
        y, options = memory
        store(y + offset, function(options, sums[0]))

    each_block = for_each_block(width, block)

    def dense(record, source, target, n_steps):
        n_inputs, n_outputs, panels = field(record, INPUTS), field(record, OUTPUTS), field(record, PANELS)
        weights, options, y = field(record, WEIGHTS), field(record, CONSTANTS), field(record, SCRATCH)
        ready = field(record, READY) if n_steps > 1 else 0
        if ready:
            make_ready(weights, panels, source, n_inputs, n_steps, ready)
        for _ in range(n_steps):
            w = weights
            for offset in range(0, panels * panel_bytes, panel_bytes):
                each_block(sums_of_panel(w, ready, source, n_inputs), offset, (y, options))
                w += panel_bytes * (1 + n_inputs)
                ready += panel_bytes if ready else 0
            finish(y, n_outputs)
            copy_row(target, y, n_outputs)
            source += itemsize * n_inputs
            target += itemsize * n_outputs
        return DONE

    return dense


@inline
def as_it_is(options, x):
    """The pre-activation."""
    return x


@inline
def tanh_of(options, x):
    """Tanh of a pre-activation that is scaled for base 2."""
    return tanh2(x)


@inline
def sigmoid_of(options, x):
    """σ of a pre-activation that is scaled for base 2."""
    return sigmoid2(x)


@inline
def relu_of(options, x):
    """Relu."""
    return positive(x)


@inline
def transform_of(options, x):
    """Any element-wise function."""
    return transform(options, 1, x)


def linear(width: Width) -> Kernel:
    """No activation."""
    return _build(width, as_it_is)


def tanh(width: Width) -> Kernel:
    """Tanh; rows scaled for base-2 exponentials."""
    return _build(width, tanh_of)


def sigmoid(width: Width) -> Kernel:
    """σ; rows scaled for base-2 exponentials."""
    return _build(width, sigmoid_of)


def relu(width: Width) -> Kernel:
    """Relu."""
    return _build(width, relu_of)


def softmax(width: Width) -> Kernel:
    """Softmax over all outputs; rows scaled for base-2 exponentials."""
    return _build(width, as_it_is, normalize(width))


def general(width: Width) -> Kernel:
    """Any element-wise activation; rows unscaled."""
    return _build(width, transform_of)
