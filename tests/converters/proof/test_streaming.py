"""A signal gives the same outputs step by step, as a chunk and in runs, up to the step at which the model overflows."""

import numpy as np

from streamrnn import RNN, Model, Stream
from streamrnn_converters.proof.streaming import stream_chunk, stream_runs, stream_steps
from tests.models import one_width, rnn, signal  # noqa: F401  (one_width is a fixture)

X = signal(30).astype(np.float64)


def doubling() -> Model:
    """h' = 2^20 h from 1: more than float32 holds at the seventh step, counted from 1."""
    eye, zeros = np.eye(2)[None], np.zeros((1, 2, 3))
    return Model([RNN(zeros, 2.0**20 * eye, activations=("relu",), initial_hidden=[1, 1])])


def test_every_way_gives_the_same_outputs() -> None:
    model = Model([rnn(np.random.default_rng(0), 3, 4)])
    expected = Stream(model).process(X.astype(np.float32))
    assert np.array_equal(stream_steps(Stream(model), X), expected)
    assert np.array_equal(stream_chunk(Stream(model), X), expected)
    outputs, states = stream_runs(Stream(model), X, [10, 20, 30])
    assert np.array_equal(outputs, expected)
    assert [np.array_equal(state[0]["h"], expected[end - 1]) for state, end in zip(states, [10, 20, 30], strict=True)] == [
        True
    ] * 3


def test_outputs_end_before_the_step_that_overflows() -> None:
    expected = 2.0 ** (20 * np.arange(1, 7))[:, None] * np.ones(2)
    assert np.array_equal(stream_steps(Stream(doubling()), X), expected)
    assert np.array_equal(stream_chunk(Stream(doubling()), X), expected)
    outputs, states = stream_runs(Stream(doubling()), X, [4, 30])
    assert np.array_equal(outputs, expected)
    assert len(states) == 1
