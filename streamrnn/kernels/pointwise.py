"""Kernels that apply a function to each value (streamrnn/layers/pointwise.py). ONNX Relu-14, Exp-13 and so on."""

from streamrnn.kernels import activations
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part
from streamrnn.kernels.rowwise import rowwise
from streamrnn.target.packing import Width


def _build(width: Width, function: Part) -> Kernel:
    """A kernel that applies `function(options, x)` to each vector x of a row; `options` is an address."""

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
    """y = tanh(x)."""
    return _build(width, _tanh)


def sigmoid(width: Width) -> Kernel:
    """y = 1 / (1 + exp(-x))."""
    return _build(width, _sigmoid)


def relu(width: Width) -> Kernel:
    """y = max(0, x)."""
    return _build(width, _relu)


def general(width: Width) -> Kernel:
    """y = any function of `streamrnn.Activation` but softmax; its code and parameters are among the constants."""
    return _build(width, _general)
