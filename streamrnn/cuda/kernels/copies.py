"""Gather the states of a call's streams into rows, and scatter them back."""

from numba import cuda

from streamrnn.cuda.kernels.parts import is_finite
from streamrnn.cuda.kernels.record import INPUT_STATUS, STREAMS
from streamrnn.target.record import INPUT_NOT_FINITE


def gather(states, rows, status, n_streams, n_state, x, n_inputs):
    """Copy the states of a call's streams to the first rows of `rows`, and check that x, (any, n_inputs), is finite.

    The status block has the slots of the streams; an input that is not finite is noted there.
    """
    n_threads = cuda.gridsize(1)
    for index in range(cuda.grid(1), n_streams * n_state, n_threads):
        stream, column = index // n_state, index % n_state
        rows[stream, column] = states[status[STREAMS + n_streams + stream], column]
    for index in range(cuda.grid(1), x.shape[0] * n_inputs, n_threads):
        if not is_finite(x[index // n_inputs, index % n_inputs]):
            status[INPUT_STATUS] = INPUT_NOT_FINITE


def scatter(states, rows, status, n_streams, n_state):
    """Copy the states of a call's streams back."""
    for index in range(cuda.grid(1), n_streams * n_state, cuda.gridsize(1)):
        stream, column = index // n_state, index % n_state
        states[status[STREAMS + n_streams + stream], column] = rows[stream, column]
