"""Kernel of softmax over the values of a step (streamrnn/layers/softmax.py). ONNX Softmax-13."""

from streamrnn.kernels.exponential import exp2, times_log2e
from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, row_copy, row_map
from streamrnn.simd.memory import load, load_scalar, store
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, OUTPUTS, SCRATCH


def normalize(width: Width) -> Part:
    """A kernel part (y, n) that replaces n logits t, in base 2, by 2**(t - max) / sum. The row is padded to whole vectors.

    The values are added one by one, so that the bits do not depend on the width.
    """
    lanes, dtype, itemsize, vector_bytes = width.lanes, width.dtype, width.itemsize, width.vector_bytes
    zero = dtype(0)

    @inline
    def normalize_row(y, n):
        largest = load_scalar(y, dtype)
        for at in range(itemsize, n * itemsize, itemsize):
            value = load_scalar(y + at, dtype)
            if value > largest:
                largest = value
        for at in range(0, n * itemsize, vector_bytes):
            store(y + at, exp2(load(y + at, dtype, lanes) - largest))
        total = zero
        for at in range(0, n * itemsize, itemsize):
            total += load_scalar(y + at, dtype)
        for at in range(0, n * itemsize, vector_bytes):
            store(y + at, load(y + at, dtype, lanes) / total)

    return normalize_row


def softmax(width: Width) -> Kernel:
    """y = exp(x) / sum(exp(x))."""
    itemsize = width.itemsize

    def formula(load_at: Part) -> Part:
        @inline
        def value(source, offset):
            return times_log2e(load_at(source + offset))

        return value

    to_base_2, normalize_row, copy_row = row_map(width, formula), normalize(width), row_copy(width)

    def kernel(record, source, target, n_steps):
        n, y = field(record, OUTPUTS), field(record, SCRATCH)
        for _ in range(n_steps):
            to_base_2(y, source, n)
            normalize_row(y, n)
            copy_row(target, y, n)
            source += itemsize * n
            target += itemsize * n
        return DONE

    return kernel
