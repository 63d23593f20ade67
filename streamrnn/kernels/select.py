"""Kernels that select values of a row, and constants (streamrnn/layers/select.py). ONNX Slice-13, Gather-13."""

from streamrnn.kernels.panel import Kernel, field, row_copy
from streamrnn.simd.memory import load_int, load_scalar, store
from streamrnn.target.packing import Width
from streamrnn.target.record import CONSTANTS, DONE, INPUTS, OUTPUTS, TABLE


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


def with_constants(width: Width) -> Kernel:
    """Values and constants in any order; an index from the number of values on is one of a constant."""
    itemsize, dtype = width.itemsize, width.dtype

    def kernel(record, source, target, n_steps):
        n, m, table, constants = field(record, INPUTS), field(record, OUTPUTS), field(record, TABLE), field(record, CONSTANTS)
        for _ in range(n_steps):
            for index in range(m):
                chosen = load_int(table + 8 * index)
                begin = source if chosen < n else constants - itemsize * n
                store(target + itemsize * index, load_scalar(begin + itemsize * chosen, dtype))
            source += itemsize * n
            target += itemsize * m
        return DONE

    return kernel


def runs(width: Width) -> Kernel:
    """Runs of consecutive values or constants; the table has their number, and for each the first index and the length."""
    itemsize, copy_row = width.itemsize, row_copy(width)

    def kernel(record, source, target, n_steps):
        n, table, constants = field(record, INPUTS), field(record, TABLE), field(record, CONSTANTS)
        n_runs = load_int(table)
        for _ in range(n_steps):
            for run in range(n_runs):
                first, length = load_int(table + 8 + 16 * run), load_int(table + 16 + 16 * run)
                begin = source if first < n else constants - itemsize * n
                copy_row(target, begin + itemsize * first, length)
                target += itemsize * length
            source += itemsize * n
        return DONE

    return kernel
