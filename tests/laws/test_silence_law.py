"""The silence law (flush to zero): a state that decays to zero becomes exactly 0, and never a subnormal number."""

from time import perf_counter
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, RNN, Affine, Arithmetic, Delay, Dense, Model, Stream, StreamPool
from tests.models import decaying, model, signal

DECAYING = ["lstm", "lstm-peepholes", "lstm-coupled", "lstm-clipped", "lstm-projected"]
DECAYING += ["gru-reset-after", "gru-reset-before", "rnn-tanh", "rnn-relu"]
SMALLEST = 1e-30


def state_values(stream: Stream) -> Any:
    return np.concatenate([state for states in stream.states for state in states.values()])


def assert_nothing_is_subnormal(values: Any) -> None:
    loud = values[values != 0]
    assert (np.abs(loud) >= SMALLEST).all()
    assert not np.signbit(values[values == 0]).any()


@pytest.mark.parametrize("variant", DECAYING)
def test_a_silent_state_is_zero_or_not_below_1e_30_at_every_step(variant: str) -> None:
    stream = Stream(decaying(variant))
    stream.process(signal(20, 2))
    for _ in range(2000):
        stream.step(np.zeros(2, np.float32))
        assert_nothing_is_subnormal(state_values(stream))


@pytest.mark.parametrize("hidden", [1, 7, 16, 33])
@pytest.mark.parametrize("variant", DECAYING)
def test_a_state_that_decays_ends_in_exact_silence(variant: str, hidden: int) -> None:
    stream = Stream(decaying(variant, hidden))
    stream.process(signal(20, 2))
    assert state_values(stream).any()
    stream.process(np.zeros((5000, 2), np.float32))
    assert not state_values(stream).any()
    assert not stream.step(np.zeros(2, np.float32)).any()


@pytest.mark.parametrize("variant", DECAYING)
def test_a_snapshot_holds_no_subnormal_number(variant: str) -> None:
    stream = Stream(decaying(variant))
    stream.process(signal(20, 2))
    for _ in range(300):
        stream.process(np.zeros((7, 2), np.float32))
        saved = stream.snapshot()
        assert_nothing_is_subnormal(np.frombuffer(saved[42:-32], "<f4"))


@pytest.mark.parametrize("value", [1e-38, 1e-40, 1e-45, -1e-45, 9.9e-31, -9.9e-31])
def test_a_state_that_a_tiny_input_drives_is_silent(value: float) -> None:
    """h' = x, so that the input itself would be the state."""
    for layer in RNN([[[1.0]]], [[[0.0]]], activations=("relu",)), RNN([[[1.0]]], [[[0.0]]], activations=("linear",)):
        stream = Stream(Model([layer]))
        assert stream.step(value) == 0
        assert not state_values(stream).any()


def test_the_smallest_number_that_is_not_silence_is_kept() -> None:
    stream = Stream(Model([RNN([[[1.0]]], [[[0.0]]], activations=("linear",))]))
    for value in 1.1e-30, -1.1e-30:
        assert stream.step(value) == np.float32(value)


@pytest.mark.parametrize(
    "layer",
    [
        LSTM(np.ones((4, 3, 1)), np.ones((4, 3, 3)), initial_hidden=np.full(3, 1e-40), initial_cell=np.full(3, 1e-40)),
        GRU(np.ones((3, 3, 1)), np.ones((3, 3, 3)), initial_hidden=np.full(3, 1e-40)),
        RNN(np.ones((1, 3, 1)), np.ones((1, 3, 3)), initial_hidden=np.full(3, 1e-40)),
    ],
    ids=lambda layer: layer.kind,
)
def test_a_subnormal_initial_state_is_gone_after_one_step(layer: Any) -> None:
    stream = Stream(Model([layer]))
    stream.step(0.0)
    assert_nothing_is_subnormal(state_values(stream))


def fed_back(weight: float) -> Model:
    """y = x + weight · (the last y), of parts."""
    affine = Affine(np.full(2, weight), np.zeros(2))
    return Model([Delay(2), affine, Arithmetic(2, "add")], sources=[(2,), (0,), (-1, 1)])


@pytest.mark.parametrize("weight", [0.5, -0.5])
def test_a_value_that_is_fed_back_decays_to_exact_silence(weight: float) -> None:
    stream, pool = Stream(fed_back(weight)), StreamPool(fed_back(weight))
    slot = pool.open()
    for row in np.concatenate([signal(5, 2), np.zeros((300, 2), np.float32)]):
        stream.step(row)
        pool.step([slot], row[None])
        assert_nothing_is_subnormal(state_values(stream))
        assert pool.snapshot(slot) == stream.snapshot()
    assert not state_values(stream).any()


def test_a_delay_keeps_no_subnormal_number_whatever_the_chunks() -> None:
    x = np.array([[1e-40], [1e-31], [-1e-45], [2e-30], [1.0], [-1e-38]], np.float32)
    expected = np.array([[0.0], [0.0], [0.0], [0.0], [2e-30], [1.0]], np.float32)
    whole, steps = Stream(Model([Delay(1)])), Stream(Model([Delay(1)]))
    assert whole.process(x).tobytes() == expected.tobytes()
    assert np.array([steps.step(row) for row in x]).tobytes() == expected.tobytes()
    assert whole.snapshot() == steps.snapshot() == Stream(Model([Delay(1)])).snapshot()


def test_a_decayed_stream_hears_again() -> None:
    stream, fresh = Stream(decaying("lstm")), Stream(decaying("lstm"))
    stream.process(signal(20, 2))
    stream.process(np.zeros((5000, 2), np.float32))
    fresh.process(np.zeros((5000, 2), np.float32))
    assert stream.process(signal(50, 2, seed=1)).tobytes() == fresh.process(signal(50, 2, seed=1)).tobytes()


@pytest.mark.few(3)
@pytest.mark.parametrize("variant", [*DECAYING[:1], *DECAYING[5:], "dense-linear"])
def test_an_input_below_1e_30_is_silence_for_a_layer_with_weights_and_any_other_is_heard(variant: str) -> None:
    made = model(variant, inputs=11)
    rng = np.random.default_rng(0)
    loud = np.where(rng.random((50, 11)) < 0.5, 2e-30, rng.normal(size=(50, 11))).astype(np.float32)
    is_tiny = rng.random((50, 11)) < 0.3
    silent = np.where(is_tiny, np.float32(0), loud)
    tiny = np.where(is_tiny, rng.choice([9e-31, -9e-31, 1e-38, -1e-42, 1e-45], (50, 11)), loud).astype(np.float32)
    expected = Stream(made).process(silent)
    assert Stream(made).process(tiny).tobytes() == expected.tobytes()
    steps, pool = Stream(made), StreamPool(made)
    slot = pool.open()
    for row, y in zip(tiny, expected, strict=True):
        assert steps.step(row).tobytes() == pool.step([slot], row[None])[0].tobytes() == y.tobytes()
    changed = silent.copy()
    changed[:, 3] = 2e-30  # heard, but by sums that are as small
    linear = Model([RNN(np.eye(11)[None], np.zeros((1, 11, 11)), activations=("linear",))])
    assert Stream(linear).process(changed).tobytes() == changed.tobytes()


def test_silence_costs_no_more_than_noise() -> None:
    """A subnormal number in an FMA costs a hundred times more than another on many CPUs: a factor of 3 is far from both."""
    stream = Stream(decaying("lstm", 64))
    noise, silence = signal(3000, 2), np.zeros((3000, 2), np.float32)
    times: dict[str, list[float]] = {"noise": [], "decay": []}
    for _ in range(7):
        for name, block in ("noise", noise), ("decay", silence):
            begin = perf_counter()
            stream.process(block)
            times[name].append(perf_counter() - begin)
    assert min(times["decay"]) < 3 * min(times["noise"])


def test_a_stack_passes_silence_on() -> None:
    layers = [*decaying("gru-reset-after").layers]
    stack = Model([*layers, Dense(np.ones((2, 9)) * 1e-5), *decaying("lstm").layers])
    stream = Stream(stack)
    stream.process(signal(20, 2))
    stream.process(np.zeros((5000, 2), np.float32))
    assert not state_values(stream).any()
    assert model("lstm").layers[0].bias.any()  # the other models of these tests have a bias: they do not decay
