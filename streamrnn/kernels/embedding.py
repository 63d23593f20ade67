"""Kernel that looks up a row of a table by its index (streamrnn/layers/embedding.py). ONNX Gather-13."""

import numpy as np

from streamrnn.kernels.panel import Kernel, field, row_copy
from streamrnn.simd.memory import load_int, load_scalar
from streamrnn.target.packing import Width
from streamrnn.target.record import CONSTANTS, DONE, NO_SUCH_ENTRY, OUTPUTS, TABLE


def embedding(width: Width) -> Kernel:
    """y = row x of the table. Returns NO_SUCH_ENTRY where x is not a whole number from 0 to n_entries - 1."""
    itemsize, dtype, copy_row = width.itemsize, width.dtype, row_copy(width)
    zero = dtype(0)

    def kernel(record, source, target, n_steps):
        n, entries, n_entries = field(record, OUTPUTS), field(record, CONSTANTS), load_int(field(record, TABLE))
        for _ in range(n_steps):
            x = load_scalar(source, dtype)
            if not (x >= zero and x < n_entries):
                return NO_SUCH_ENTRY
            entry = np.int64(x)
            if dtype(entry) != x:
                return NO_SUCH_ENTRY
            copy_row(target, entries + itemsize * n * entry, n)
            source += itemsize
            target += itemsize * n
        return DONE

    return kernel
