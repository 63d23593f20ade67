"""Kernels that select values of a row (streamrnn/layers/select.py). ONNX Slice-13, Gather-13."""

from streamrnn.kernels.panel import Kernel, field, row_copy
from streamrnn.simd.memory import load_int, load_scalar, store
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, OUTPUTS, TABLE


def part(width: Width) -> Kernel:
    """Consecutive values; the index of the first is in the table."""
    itemsize, copy_row = width.itemsize, row_copy(width)

    def kernel(record, source, target, n_steps):
        n, m = field(record, INPUTS), field(record, OUTPUTS)
        source += itemsize * load_int(field(record, TABLE))
        for _ in range(n_steps):
            copy_row(target, source, m)
            source += itemsize * n
            target += itemsize * m
        return DONE

    return kernel


def any_order(width: Width) -> Kernel:
    """Values in any order; their indices are in the table."""
    itemsize, dtype = width.itemsize, width.dtype

    def kernel(record, source, target, n_steps):
        n, m, table = field(record, INPUTS), field(record, OUTPUTS), field(record, TABLE)
        for _ in range(n_steps):
            for index in range(m):
                store(target + itemsize * index, load_scalar(source + itemsize * load_int(table + 8 * index), dtype))
            source += itemsize * n
            target += itemsize * m
        return DONE

    return kernel
