"""Kernels that compute each value of a row from the value at the same index of the source, and constants of that index."""

from streamrnn.kernels.panel import Kernel, Part, field, row_map
from streamrnn.target.packing import Width
from streamrnn.target.record import CONSTANTS, DONE, OUTPUTS


def rowwise(width: Width, formula: Part) -> Kernel:
    """A kernel that writes each row by `formula` (see `row_map`); `memory` is (source, constants, bytes of a row)."""
    itemsize, write_row = width.itemsize, row_map(width, formula)

    def kernel(record, source, target, n_steps):
        n, constants = field(record, OUTPUTS), field(record, CONSTANTS)
        row_bytes = itemsize * n
        for _ in range(n_steps):
            write_row(target, (source, constants, row_bytes), n)
            source += row_bytes
            target += row_bytes
        return DONE

    return kernel
