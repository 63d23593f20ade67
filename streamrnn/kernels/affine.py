"""Kernel of a scale and a shift of each value (streamrnn/layers/affine.py). ONNX BatchNormalization-15."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map
from streamrnn.packing import Width
from streamrnn.record import CONSTANTS, DONE, OUTPUTS
from streamrnn.simd.arithmetic import fma


def affine(width: Width) -> Kernel:
    """y = scale x + shift."""
    itemsize = width.itemsize

    def formula(load: Part) -> Part:
        @inline
        def value(memory, offset):
            source, scale, shift = memory
            return fma(load(scale + offset), load(source + offset), load(shift + offset))

        return value

    write_row = row_map(width, formula)

    def kernel(record, source, target, n_steps):
        n, scale = field(record, OUTPUTS), field(record, CONSTANTS)
        for _ in range(n_steps):
            write_row(target, (source, scale, scale + itemsize * n), n)
            source += itemsize * n
            target += itemsize * n
        return DONE

    return kernel
