"""The compiled loop does the work of `step`."""

import numpy as np
import pytest

from streamrnn import RNN, Activation, Model, NonFiniteStateError, Stream
from streamrnn.command.measuring.loop import N_ROWS, steps_in_a_loop


@pytest.mark.parametrize("n_steps", [1, N_ROWS, 3 * N_ROWS + 5])
def test_the_loop_gives_the_bits_of_single_steps(gated: Model, n_steps: int) -> None:
    rows = np.random.default_rng(0).uniform(-1, 1, (N_ROWS, 2)).astype(np.float32)
    stream, reference = Stream(gated), Stream(gated)
    run = steps_in_a_loop(stream, rows, n_steps)
    for _ in range(2):
        y = run()
        for step in range(n_steps):
            expected = reference.step(rows[step % N_ROWS])
        assert y.tobytes() == expected.tobytes()
    assert stream.snapshot() == reference.snapshot()


def test_a_state_that_overflows_is_an_error() -> None:
    diverging = Model([RNN(np.ones((1, 4, 1)), np.full((1, 4, 4), 9.0), activations=(Activation("relu"),))])
    run = steps_in_a_loop(Stream(diverging), np.ones((N_ROWS, 1), np.float32), 1000)
    with pytest.raises(NonFiniteStateError, match="cannot be measured"):
        run()
