"""Kernel of a weighted sum of rows (streamrnn/layers/depthwise.py). ONNX Conv-11 with a group for each channel."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map
from streamrnn.simd.arithmetic import fma
from streamrnn.simd.memory import load_int
from streamrnn.target.packing import Width
from streamrnn.target.record import CONSTANTS, DONE, INPUTS, OUTPUTS, TABLE


def depthwise(width: Width) -> Kernel:
    """y = bias + sum over the rows of weights times values, in the order of the rows."""
    itemsize = width.itemsize

    def formula(load_at: Part) -> Part:
        @inline
        def value(memory, offset):
            source, bias, taps, row_bytes = memory
            total = load_at(bias + offset)
            x, weights = source + offset, bias + row_bytes + offset
            for _ in range(taps):
                total = fma(load_at(weights), load_at(x), total)
                x += row_bytes
                weights += row_bytes
            return total

        return value

    write_row = row_map(width, formula)

    def kernel(record, source, target, n_steps):
        n, m, bias = field(record, INPUTS), field(record, OUTPUTS), field(record, CONSTANTS)
        taps = load_int(field(record, TABLE))
        for _ in range(n_steps):
            write_row(target, (source, bias, taps, itemsize * m), m)
            source += itemsize * n
            target += itemsize * m
        return DONE

    return kernel
