"""Kernel of a relu with learned slopes (streamrnn/layers/prelu.py). ONNX PRelu-16."""

from streamrnn.kernels.activations import ZERO
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map
from streamrnn.packing import Width
from streamrnn.record import CONSTANTS, DONE, OUTPUTS
from streamrnn.simd.arithmetic import select


def prelu(width: Width) -> Kernel:
    """y = x if x >= 0 else slope x."""
    itemsize = width.itemsize

    def formula(load: Part) -> Part:
        @inline
        def value(memory, offset):
            source, slope = memory
            x = load(source + offset)
            return select(x < ZERO, load(slope + offset) * x, x)

        return value

    write_row = row_map(width, formula)

    def kernel(record, source, target, n_steps):
        n, slope = field(record, OUTPUTS), field(record, CONSTANTS)
        for _ in range(n_steps):
            write_row(target, (source, slope), n)
            source += itemsize * n
            target += itemsize * n
        return DONE

    return kernel
