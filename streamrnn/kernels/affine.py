"""Kernel that scales and shifts each value (streamrnn/layers/affine.py). ONNX BatchNormalization-15."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part
from streamrnn.kernels.rowwise import rowwise
from streamrnn.simd.arithmetic import fma
from streamrnn.target.packing import Width


def affine(width: Width) -> Kernel:
    """y = scale x + shift; the constants are the row of scales, then the row of shifts."""

    def formula(load: Part) -> Part:
        @inline
        def value(memory, offset):
            source, scale, row_bytes = memory
            return fma(load(scale + offset), load(source + offset), load(scale + row_bytes + offset))

        return value

    return rowwise(width, formula)
