"""Kernels of one function of each value (streamrnn/layers/pointwise.py). ONNX Relu-14, Exp-13 and so on."""

from streamrnn.kernels import activations
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map
from streamrnn.packing import Width
from streamrnn.record import CONSTANTS, DONE, OUTPUTS


def _build(width: Width, function: Part) -> Kernel:
    """`function(options, x)` works on each vector."""
    itemsize = width.itemsize

    def formula(load: Part) -> Part:
        @inline
        def value(memory, offset):
            source, options = memory
            return function(options, load(source + offset))

        return value

    write_row = row_map(width, formula)

    def pointwise(record, source, target, n_steps):
        n, options = field(record, OUTPUTS), field(record, CONSTANTS)
        for _ in range(n_steps):
            write_row(target, (source, options), n)
            source += itemsize * n
            target += itemsize * n
        return DONE

    return pointwise


@inline
def _tanh(options, x):
    return activations.tanh(x)


@inline
def _sigmoid(options, x):
    return activations.sigmoid(x)


@inline
def _relu(options, x):
    return activations.relu(x)


@inline
def _general(options, x):
    return activations.transform(options, 1, x)


def tanh(width: Width) -> Kernel:
    """Tanh."""
    return _build(width, _tanh)


def sigmoid(width: Width) -> Kernel:
    """σ."""
    return _build(width, _sigmoid)


def relu(width: Width) -> Kernel:
    """Relu."""
    return _build(width, _relu)


def general(width: Width) -> Kernel:
    """Any function."""
    return _build(width, _general)
