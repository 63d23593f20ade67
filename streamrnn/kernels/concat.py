"""Kernel that joins the rows of several sources (streamrnn/layers/concat.py). ONNX Concat-13."""

from streamrnn.kernels.panel import Kernel, field, row_copy, source_at, source_size
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, N_SOURCES, OUTPUTS


def concat(width: Width) -> Kernel:
    """y = the values of all sources, in their order."""
    itemsize, copy_row = width.itemsize, row_copy(width)

    def kernel(record, source, target, n_steps):
        row_bytes = itemsize * field(record, OUTPUTS)
        for index in range(field(record, N_SOURCES)):
            read, n = source_at(record, index), source_size(record, index)
            for step in range(n_steps):
                copy_row(target + step * row_bytes, read + step * itemsize * n, n)
            target += itemsize * n
        return DONE

    return kernel
