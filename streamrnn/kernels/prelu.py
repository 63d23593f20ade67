"""Kernel of a relu with learned slopes (streamrnn/layers/prelu.py). ONNX PRelu-16."""

from streamrnn.kernels.activations import ZERO
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part
from streamrnn.kernels.rowwise import rowwise
from streamrnn.simd.arithmetic import select
from streamrnn.target.packing import Width


def prelu(width: Width) -> Kernel:
    """y = x if x >= 0 else slope x."""

    def formula(load: Part) -> Part:
        @inline
        def value(memory, offset):
            source, slope, _ = memory
            x = load(source + offset)
            return select(x < ZERO, load(slope + offset) * x, x)

        return value

    return rowwise(width, formula)
