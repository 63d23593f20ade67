"""Kernel that joins the last rows of a signal, every few rows, in pools (streamrnn/kernels/frame.py)."""

from streamrnn.kernels.panel import Kernel, field, finite_check, row_copy
from streamrnn.kernels.pool.panel import THEN
from streamrnn.simd.memory import load_int
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, OUTPUTS, ROWS, STATE, STATE_NOT_FINITE


def frame(width: Width) -> Kernel:
    """y = the state and the rows of a hop; then the state = the end of y. The source has all rows of the first stream first."""
    itemsize, copy_row, all_finite = width.itemsize, row_copy(width), finite_check(width)

    def kernel(record, source, target, n_streams):
        n_hop, n_window, rows, at = field(record, INPUTS), field(record, OUTPUTS), field(record, ROWS), field(record, STATE)
        n_kept = n_window - n_hop
        if not all_finite(source, n_streams * n_hop):
            return STATE_NOT_FINITE
        for stream in range(n_streams):
            copy_row(target, load_int(rows + 8 * stream) + at, n_kept)
            copy_row(target + itemsize * n_kept, source, n_hop)
            copy_row(load_int(rows + THEN + 8 * stream) + at, target + itemsize * n_hop, n_kept)
            source += itemsize * n_hop
            target += itemsize * n_window
        return DONE

    return kernel
