"""Kernels of one function of each value (streamrnn/layers/pointwise.py). ONNX Relu-14, Exp-13 and so on."""

from streamrnn.kernels import activations
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part
from streamrnn.kernels.rowwise import rowwise
from streamrnn.target.packing import Width


def _build(width: Width, function: Part) -> Kernel:
    """`function(options, x)` works on each vector."""

    def formula(load: Part) -> Part:
        @inline
        def value(memory, offset):
            source, options, _ = memory
            return function(options, load(source + offset))

        return value

    return rowwise(width, formula)


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
