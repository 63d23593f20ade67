"""Kernels that give the value of the last step (streamrnn/layers/delay.py).

Where the source is a later op, two ops share the work: one gives the state, the other takes the source when it is known.
"""

from streamrnn.kernels.panel import Kernel, field, finite_check, row_copy
from streamrnn.kernels.silence import flushed_copy
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, STATE, STATE_NOT_FINITE


def delay(width: Width) -> Kernel:
    """y_t = x_(t-1): the state, then all rows but the last, which becomes the state."""
    itemsize, copy_row, keep, all_finite = width.itemsize, row_copy(width), flushed_copy(width), finite_check(width)

    def kernel(record, source, target, n_steps):
        n, state = field(record, INPUTS), field(record, STATE)
        if not all_finite(source, n_steps * n):
            return STATE_NOT_FINITE
        copy_row(target, state, n)
        for _ in range(n_steps - 1):
            target += itemsize * n
            keep(target, source, n)
            source += itemsize * n
        keep(state, source, n)
        return DONE

    return kernel


def give(width: Width) -> Kernel:
    """y = the state."""
    copy_row = row_copy(width)

    def kernel(record, source, target, n_steps):
        copy_row(target, field(record, STATE), field(record, INPUTS))
        return DONE

    return kernel


def take(width: Width) -> Kernel:
    """The state becomes x."""
    keep, all_finite = flushed_copy(width), finite_check(width)

    def kernel(record, source, target, n_steps):
        n = field(record, INPUTS)
        if not all_finite(source, n):
            return STATE_NOT_FINITE
        keep(field(record, STATE), source, n)
        return DONE

    return kernel
