"""A part of a model gives what its last layer gives in the whole."""

import numpy as np

from streamrnn import Affine, Concat, Delay, Model, Stream
from streamrnn_converters.proof.submodel import up_to
from tests.models import dense, gru, nested_loops, one_width, rnn, signal  # noqa: F401  (one_width is a fixture)

HIDDEN = 8


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_part_of_a_model_gives_what_its_last_layer_gives_in_the_whole() -> None:
    layers = [gru(rng(), 3, HIDDEN), rnn(rng(), 3, 4), Concat((HIDDEN, 4)), dense(rng(), HIDDEN + 4, 2)]
    model = Model(layers, sources=[[-1], [-1], [0, 1], [2]])
    x = signal(20, 3)
    stream = Stream(model)
    whole = []
    for row in x:
        stream.step(row)
        whole.append(stream.states[1]["h"])
    part = up_to(model, 1)
    assert [layer.kind for layer in part.layers] == ["rnn"]
    assert np.array_equal(Stream(part).process(x), whole)
    assert np.array_equal(Stream(up_to(model, 3)).process(x), Stream(model).process(x))


def test_a_part_of_a_loop_has_all_that_is_fed_back() -> None:
    model = nested_loops(rng(), 3, HIDDEN)
    x = signal(20, 3)
    joined = Stream(model).process(x)
    h, new_h, new_c = model.sources[-1][1:]
    for n, layer in enumerate((h, new_h, new_c), 1):
        assert np.array_equal(Stream(up_to(model, layer)).process(x), joined[:, n * HIDDEN : (n + 1) * HIDDEN])


def test_a_part_that_reads_no_input_is_a_model_too() -> None:
    """A counter: c' = c + 1."""
    model = Model(
        [Delay(1), Affine([1.0], [1.0]), Concat((1, 3))],
        sources=[[1], [0], [1, -1]],
    )
    assert Stream(up_to(model, 1)).process(signal(4, 3)).ravel().tolist() == [1, 2, 3, 4]
