"""Kernel that chooses between two values (streamrnn/layers/where.py). ONNX Where-16."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_map, source_at
from streamrnn.simd.arithmetic import select
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, OUTPUTS


def where(width: Width) -> Kernel:
    """y = a where the condition is not 0, else b."""
    itemsize, zero = width.itemsize, width.dtype(0)

    def formula(load: Part) -> Part:
        @inline
        def value(memory, offset):
            condition, a, b = memory
            return select(load(condition + offset) != zero, load(a + offset), load(b + offset))

        return value

    write_row = row_map(width, formula)

    def kernel(record, source, target, n_steps):
        n = field(record, OUTPUTS)
        condition, a, b = source_at(record, 0), source_at(record, 1), source_at(record, 2)
        for _ in range(n_steps):
            write_row(target, (condition, a, b), n)
            condition += itemsize * n
            a += itemsize * n
            b += itemsize * n
            target += itemsize * n
        return DONE

    return kernel
