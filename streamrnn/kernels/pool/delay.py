"""Kernels that give the value of the last step, in pools (streamrnn/kernels/delay.py)."""

from streamrnn.kernels.inline import inline
from streamrnn.kernels.panel import Kernel, Part, field, finite_check, row_copy
from streamrnn.kernels.pool.panel import THEN
from streamrnn.kernels.silence import flushed_copy
from streamrnn.simd.memory import load_int
from streamrnn.target.packing import Width
from streamrnn.target.record import DONE, INPUTS, ROWS, STATE, STATE_NOT_FINITE


def _give_states(width: Width) -> Part:
    """A kernel part (record, target, n_streams) that copies the states of all streams to their rows."""
    itemsize, copy_row = width.itemsize, row_copy(width)

    @inline
    def give_states(record, target, n_streams):
        n, rows, at = field(record, INPUTS), field(record, ROWS), field(record, STATE)
        for stream in range(n_streams):
            copy_row(target + stream * itemsize * n, load_int(rows + 8 * stream) + at, n)

    return give_states


def _take_states(width: Width) -> Part:
    """A kernel part (record, source, n_streams) that keeps the rows of all streams as their states; whether they are finite."""
    itemsize, keep, all_finite = width.itemsize, flushed_copy(width), finite_check(width)

    @inline
    def take_states(record, source, n_streams):
        n, rows, at = field(record, INPUTS), field(record, ROWS), field(record, STATE)
        for stream in range(n_streams):
            keep(load_int(rows + THEN + 8 * stream) + at, source + stream * itemsize * n, n)
        return all_finite(source, n_streams * n)

    return take_states


def delay(width: Width) -> Kernel:
    """y = the state, which becomes x."""
    give_states, take_states = _give_states(width), _take_states(width)

    def kernel(record, source, target, n_streams):
        give_states(record, target, n_streams)
        return DONE if take_states(record, source, n_streams) else STATE_NOT_FINITE

    return kernel


def give(width: Width) -> Kernel:
    """y = the state."""
    give_states = _give_states(width)

    def kernel(record, source, target, n_streams):
        give_states(record, target, n_streams)
        return DONE

    return kernel


def take(width: Width) -> Kernel:
    """The state becomes x."""
    take_states = _take_states(width)

    def kernel(record, source, target, n_streams):
        return DONE if take_states(record, source, n_streams) else STATE_NOT_FINITE

    return kernel
