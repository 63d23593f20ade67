"""Kernel that joins the last rows of a signal, every few rows (streamrnn/layers/frame.py)."""

from streamrnn.kernels.panel import Kernel, field, finite_check, row_copy
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, OUTPUTS, STATE, STATE_NOT_FINITE


def frame(width: Width) -> Kernel:
    """y = the end of the state and the rows of a hop; then the state = the end of y. The source has the rows of all hops."""
    itemsize, copy_row, all_finite = width.itemsize, row_copy(width), finite_check(width)

    def kernel(record, source, target, n_steps):
        n_hop, n_window, state = field(record, INPUTS), field(record, OUTPUTS), field(record, STATE)
        n_kept = n_window - n_hop
        if n_kept > 0 and not all_finite(source, n_steps * n_hop):
            return STATE_NOT_FINITE
        for _ in range(n_steps):
            if n_kept > 0:
                copy_row(target, state, n_kept)
                copy_row(target + itemsize * n_kept, source, n_hop)
                copy_row(state, target + itemsize * n_hop, n_kept)
            else:
                copy_row(target, source - itemsize * n_kept, n_window)
            source += itemsize * n_hop
            target += itemsize * n_window
        return DONE

    return kernel
