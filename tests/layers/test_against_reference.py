"""Outputs of streams against the float64 reference: every kind, variant, activation and size, from its initial states."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, Activation, Dense, Model, Stream
from tests import reference
from tests.models import ACTIVATIONS, ALL, RECURRENT, SIZES, dense, gru, lstm, mixed, model, rebuilt, rnn, signal

#: Largest absolute error over 500 steps; for unbounded outputs, relative to the largest.
TOLERANCE = 5e-6
INPUT_SIZES = [1, 2, 3, 5, 8, 17, 64]


def assert_is_the_reference(whole: Model, x: Any, tolerance: float = TOLERANCE) -> None:
    """Check the outputs and final states of a stream against the reference."""
    stream = Stream(whole)
    outputs = stream.process(x)
    expected, ends = reference.run(whole, x)
    assert_close(outputs, expected, tolerance)
    for mine, end in zip(stream.states, ends, strict=True):
        assert mine.keys() == end.keys()
        for name in mine:
            assert_close(mine[name], end[name], tolerance)


def assert_close(actual: Any, expected: Any, tolerance: float) -> None:
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("hidden", SIZES)
@pytest.mark.parametrize("variant", ALL)
def test_every_variant_of_every_size_is_the_reference(variant: str, hidden: int) -> None:
    inputs = INPUT_SIZES[hidden % len(INPUT_SIZES)]
    assert_is_the_reference(model(variant, inputs=inputs, hidden=hidden, seed=hidden), signal(40, inputs))


@pytest.mark.parametrize("hidden", [1, 17, 64])
@pytest.mark.parametrize("variant", ALL)
def test_500_steps_are_those_of_the_reference(variant: str, hidden: int) -> None:
    assert_is_the_reference(model(variant, hidden=hidden, seed=1), signal(500, seed=1))


@pytest.mark.parametrize("loudness", [0, 1e-20, 1e-3, 10, 1e3])
@pytest.mark.parametrize("variant", ALL)
def test_quiet_and_saturating_signals_are_those_of_the_reference(variant: str, loudness: float) -> None:
    x = np.float32(loudness) * np.sign(signal(100, seed=2))
    # a pre-activation as large as the signal is rounded to units in its last place, before any activation
    assert_is_the_reference(model(variant, hidden=20, seed=2), x, TOLERANCE + 4 * loudness * 2**-24)


@pytest.mark.parametrize("variant", ALL)
def test_loud_weights_are_those_of_the_reference(variant: str) -> None:
    # few steps: with large weights the recurrence is chaotic, and float32 and float64 differ after some dozen steps
    assert_is_the_reference(model(variant, hidden=20, gain=6, seed=3), signal(6, seed=3), 2e-5)


@pytest.mark.parametrize("chosen", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("position", ["lstm 0", "lstm 1", "lstm 2", "gru 0", "gru 1", "rnn 0", "dense 0"])
def test_every_activation_in_every_position_is_that_of_the_reference(position: str, chosen: Activation) -> None:
    kind, _, index = position.partition(" ")
    rng = np.random.default_rng(4)
    build = {"lstm": lstm, "gru": gru, "rnn": rnn, "dense": dense}[kind]
    layer = build(rng, 3, 10, 0.4)  # small weights, so that unbounded functions do not diverge
    if isinstance(layer, Dense):
        changed = rebuilt(layer, activation=chosen)
    else:
        functions = list(layer.activations)  # type: ignore[attr-defined]
        functions[int(index)] = chosen
        changed = rebuilt(layer, activations=tuple(functions))
    assert_is_the_reference(Model([changed]), signal(30, seed=4))


@pytest.mark.parametrize(
    ("peepholes", "coupled", "clip", "outputs", "activations"),
    list(
        product(
            [False, True],
            [False, True],
            [None, 0.3],
            [None, 6],
            [("sigmoid", "tanh", "tanh"), ("hard_sigmoid", "relu", "softsign")],
        )
    ),
)
def test_every_combination_of_lstm_options_is_the_reference(
    peepholes: bool, coupled: bool, clip: float | None, outputs: int | None, activations: tuple[str, ...]
) -> None:
    options = {"peepholes": True} if peepholes else {}
    layer = lstm(
        np.random.default_rng(5), 3, 11, outputs=outputs, coupled=coupled, clip=clip, activations=activations, **options
    )
    assert_is_the_reference(Model([layer]), signal(60, seed=5))


@pytest.mark.parametrize("outputs", [1, 2, 8, 9, 17, 40, 70])
@pytest.mark.parametrize("hidden", [1, 9, 40])
def test_a_projection_of_any_size_is_the_reference(hidden: int, outputs: int) -> None:
    """More outputs than units make no sense, but are possible."""
    layer = lstm(np.random.default_rng(6), 3, hidden, outputs=outputs)
    assert_is_the_reference(Model([layer]), signal(40, seed=6))


@pytest.mark.parametrize("form", ["reset-after", "reset-before"])
@pytest.mark.parametrize("clip", [None, 0.3, 1e-30, 2e38])
def test_a_clipped_gru_is_the_reference(form: str, clip: float | None) -> None:
    layer = gru(np.random.default_rng(7), 3, 11, form=form, clip=clip)
    assert_is_the_reference(Model([layer]), signal(60, loudness=3, seed=7))


@pytest.mark.parametrize("variant", RECURRENT)
def test_the_first_step_starts_from_the_initial_states(variant: str) -> None:
    whole = model(variant, hidden=12, seed=8)
    (layer,) = whole.layers
    stream = Stream(whole)
    for name, state in layer.states.items():
        np.testing.assert_array_equal(stream.states[0][name], state)
        assert state.any()
    x = signal(1, seed=8)
    assert_close(stream.step(x[0]), reference.run(whole, x)[0][0], TOLERANCE)


@pytest.mark.parametrize("bias", [False, True])
def test_what_is_left_out_is_zero(bias: bool) -> None:
    rng = np.random.default_rng(9)
    layers = [lstm(rng, 3, 9), gru(rng, 9, 9)]
    bare = [
        LSTM(layers[0].input_weights, layers[0].recurrent_weights, layers[0].bias if bias else np.zeros((4, 9))),
        GRU(layers[1].input_weights, layers[1].recurrent_weights, layers[1].bias if bias else np.zeros((3, 9))),
    ]
    assert_is_the_reference(Model(bare), signal(50, seed=9))


@pytest.mark.parametrize("loudness", [1, 100, 1e4])
@pytest.mark.parametrize("outputs", [1, 2, 7, 8, 9, 16, 33, 300])
def test_softmax_is_a_distribution_whatever_the_logits(outputs: int, loudness: float) -> None:
    whole = model("dense-softmax", hidden=outputs, seed=10)
    x = signal(100, loudness=loudness, seed=10)
    y = Stream(whole).process(x)
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=1, dtype=np.float64), 1, rtol=0, atol=1e-6)
    # a logit of 100 has an error of 100 * 2**-24, which is the relative error of its exponential
    assert_close(y, reference.run(whole, x)[0], TOLERANCE * max(1, loudness / 10))


def test_a_mixed_stack_is_the_reference() -> None:
    assert_is_the_reference(mixed(), signal(500, seed=11))


@pytest.mark.parametrize("n_layers", [2, 10, 33])
def test_a_deep_stack_is_the_reference(n_layers: int) -> None:
    names = ["lstm", "gru-reset-after", "rnn-tanh", "gru-reset-before", "dense-tanh"]
    whole = model(*(names[index % len(names)] for index in range(n_layers)), hidden=7, seed=12)
    assert_is_the_reference(whole, signal(200, seed=12))


@pytest.mark.parametrize("variant", ["lstm", "gru-reset-after", "gru-reset-before"])
def test_44100_steps_of_a_contractive_model_are_those_of_the_reference(variant: str) -> None:
    assert_is_the_reference(model(variant, hidden=8, gain=0.7, seed=13), signal(44_100, seed=13), 2e-5)
