"""`Stream`: reset, states, snapshots. What it computes is in tests/layers, what it promises in tests/laws."""

import copy
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import (
    Activation,
    Dense,
    InputError,
    Model,
    NonFiniteInputError,
    SnapshotError,
    Stream,
    StreamBusyError,
    StreamRNNError,
    load,
)
from tests.models import ALL, RECURRENT, mixed, model, models, name_of, one_width, quick, rebuilt, signal  # noqa: F401

every_variant = pytest.mark.parametrize("variant", ALL)


@every_variant
def test_step_and_process_give_float32_of_the_models_sizes(variant: str) -> None:
    stream = Stream(model(variant))
    size = stream.model.output_size
    assert (stream.step([1, 2, 3]).shape, stream.step([1, 2, 3]).dtype) == ((size,), np.float32)
    assert (stream.process([[1, 2, 3]] * 5).shape, stream.process([[1, 2, 3]]).dtype) == ((5, size), np.float32)


@every_variant
def test_reset_begins_a_new_signal_from_the_learned_initial_states(variant: str) -> None:
    stream = Stream(model(variant))
    fresh = stream.snapshot()
    first = stream.process(signal(30))
    stream.reset()
    assert stream.snapshot() == fresh
    for states, layer in zip(stream.states, stream.model.layers, strict=True):
        assert states.keys() == dict(layer.states).keys()
        for name, state in states.items():
            assert state.tobytes() == layer.states[name].tobytes()
    assert stream.process(signal(30)).tobytes() == first.tobytes()


def test_states_are_one_dict_per_layer() -> None:
    stream = Stream(mixed())
    stream.process(signal(10))
    sizes = [{name: state.shape for name, state in states.items()} for states in stream.states]
    assert sizes == [{}, {"h": (17,), "c": (17,)}, {"h": (9,)}, {"h": (5,)}, {"h": (33,)}, {}]
    assert all(state.dtype == np.float32 for states in stream.states for state in states.values())


@pytest.mark.parametrize("variant", RECURRENT)
def test_the_hidden_state_is_the_output_of_its_layer(variant: str) -> None:
    stream = Stream(model(variant))
    for row in signal(10):
        assert stream.step(row).tobytes() == stream.states[0]["h"].tobytes()


def test_a_stream_knows_its_model_and_prints_it() -> None:
    whole = mixed()
    stream = Stream(whole)
    assert stream.model is whole
    assert repr(whole) in repr(stream)


def test_a_stream_is_neither_copied_nor_pickled() -> None:
    stream = Stream(mixed())
    for duplicate in copy.copy, copy.deepcopy, pickle.dumps:
        with pytest.raises(StreamRNNError, match="snapshot"):
            duplicate(stream)


def test_the_plain_door_gives_the_same_bits_as_the_compiled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Stream(mixed())
    monkeypatch.setenv("STREAMRNN_DOOR", "plain")
    plain = Stream(mixed())
    for row in signal(100):
        assert plain.step(row).tobytes() == usual.step(row).tobytes()
    assert plain.snapshot() == usual.snapshot()


# --- snapshots -------------------------------------------------------------------------------------------------------


@quick
@given(whole=models(), n_before=st.integers(0, 50), n_between=st.integers(0, 50))
def test_a_restored_stream_goes_on_with_the_same_bits(whole: Model, n_before: int, n_between: int) -> None:
    stream = Stream(whole)
    stream.process(signal(n_before, whole.input_size))
    saved = stream.snapshot()
    following = stream.process(signal(20, whole.input_size, seed=1))
    after = stream.snapshot()
    stream.process(signal(n_between, whole.input_size, seed=2))
    stream.restore(saved)
    assert stream.snapshot() == saved
    assert stream.process(signal(20, whole.input_size, seed=1)).tobytes() == following.tobytes()
    assert stream.snapshot() == after


@every_variant
def test_a_snapshot_fits_every_stream_of_an_equal_model(variant: str, tmp_path: Path) -> None:
    stream = Stream(model(variant))
    stream.process(signal(20))
    stream.model.save(tmp_path / "model")
    following = signal(20, seed=1)
    others = [Stream(stream.model), Stream(model(variant)), Stream(load(tmp_path / "model"))]
    for other in others:
        other.restore(stream.snapshot())
    expected = stream.process(following)
    for other in others:
        assert other.process(following).tobytes() == expected.tobytes()
        assert other.snapshot() == stream.snapshot()


def test_the_same_state_gives_the_same_bytes_however_it_was_reached() -> None:
    first, second = Stream(mixed()), Stream(mixed())
    first.process(signal(33))
    for row in signal(33):
        second.step(row)
    assert first.snapshot() == second.snapshot()
    assert type(first.snapshot()) is bytes


@every_variant
def test_a_snapshot_is_read_from_any_buffer(variant: str) -> None:
    stream = Stream(model(variant))
    stream.process(signal(20))
    saved = stream.snapshot()
    for guise in bytearray(saved), memoryview(saved), np.frombuffer(saved, np.uint8), memoryview(saved * 2)[: len(saved)]:
        stream.reset()
        stream.restore(guise)  # type: ignore[arg-type]
        assert stream.snapshot() == saved


@pytest.fixture(scope="module")
def tiny() -> Stream:
    stream = Stream(model("lstm", inputs=1, hidden=2))
    stream.step(1.0)
    return stream


def assert_refused(stream: Stream, saved: Any) -> None:
    before = stream.snapshot()
    with pytest.raises(SnapshotError, match="restore"):
        stream.restore(saved)
    assert stream.snapshot() == before


def test_any_flipped_bit_of_a_snapshot_is_refused(tiny: Stream) -> None:
    saved = tiny.snapshot()
    for place in range(len(saved)):
        for bit in range(8):
            altered = bytearray(saved)
            altered[place] ^= 1 << bit
            assert_refused(tiny, bytes(altered))


def test_any_truncation_and_any_tail_of_a_snapshot_is_refused(tiny: Stream) -> None:
    saved = tiny.snapshot()
    for altered in [*(saved[:size] for size in range(len(saved))), saved + b"\0", saved + saved]:
        assert_refused(tiny, altered)


@pytest.mark.parametrize(
    "saved",
    [None, 0, 3.5, "text", [1, 2], {}, object(), np.zeros(3), np.array([None]), np.array(["2020"], "datetime64[D]"), b"", ...],
    ids=name_of,
)
def test_what_is_not_a_snapshot_is_refused(saved: object, tiny: Stream) -> None:
    assert_refused(tiny, saved)


def test_a_released_buffer_is_refused(tiny: Stream) -> None:
    view = memoryview(tiny.snapshot())
    view.release()
    assert_refused(tiny, view)


def signed(body: bytes) -> bytes:
    """A snapshot whose own SHA-256 is right: only its content can be refused."""
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_a_rightly_signed_state_that_is_not_finite_is_refused(value: float, tiny: Stream) -> None:
    body = tiny.snapshot()[:-32]
    assert_refused(tiny, signed(body[:-4] + np.float32(value).tobytes()))


def test_a_rightly_signed_snapshot_of_another_size_or_version_is_refused(tiny: Stream) -> None:
    body = tiny.snapshot()[:-32]
    tiny.restore(signed(body))
    for altered in body[:-4], body[:-1], body + bytes(1), body + bytes(4), body[:42], body[:8] + b"\2\0" + body[10:], b"":
        assert_refused(tiny, signed(altered))


def test_a_snapshot_of_another_model_is_refused(tiny: Stream) -> None:
    (layer,) = tiny.model.layers
    nudged = layer.input_weights.copy()
    nudged.flat[0] = np.nextafter(nudged.flat[0], np.float32(9))
    others = [
        model("lstm", inputs=1, hidden=2, seed=1),
        Model([rebuilt(layer, input_weights=nudged)]),
        model("gru-reset-after", inputs=1, hidden=4),
        Model([Dense([[1.0]])]),
        mixed(),
    ]
    for other in others:
        assert_refused(tiny, Stream(other).snapshot())


def test_a_snapshot_of_a_stateless_model_is_still_bound_to_it() -> None:
    one, same, other = Stream(model("dense-tanh")), Stream(model("dense-tanh")), Stream(model("dense-tanh", seed=1))
    one.restore(same.snapshot())
    assert_refused(one, other.snapshot())


def test_a_snapshot_of_other_weights_is_taken_where_the_caller_says_so(tiny: Stream) -> None:
    retrained = Stream(model("lstm", inputs=1, hidden=2, seed=1))
    retrained.restore(tiny.snapshot(), same_shapes=True)
    assert [{name: s.tolist() for name, s in of.items()} for of in retrained.states] == [
        {name: s.tolist() for name, s in of.items()} for of in tiny.states
    ]
    before = retrained.snapshot()
    for other in model("lstm", inputs=1, hidden=3), Model([Dense([[1.0]])]):
        with pytest.raises(SnapshotError, match="does not fit"):
            retrained.restore(Stream(other).snapshot(), same_shapes=True)
    with pytest.raises(SnapshotError, match="same_shapes=True"):
        retrained.restore(tiny.snapshot())
    assert retrained.snapshot() == before


# --- states that are given, streams ahead ------------------------------------------------------------------------------


@pytest.fixture(params=["compiled", "plain"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("STREAMRNN_DOOR", request.param)
    return str(request.param)


@quick
@given(whole=models(), n_before=st.integers(0, 50))
def test_given_states_go_on_with_the_same_bits(whole: Model, n_before: int) -> None:
    first, second = Stream(whole), Stream(whole)
    first.process(signal(n_before, whole.input_size))
    second.set_states([{name: state.astype(np.float64).tolist() for name, state in of.items()} for of in first.states])
    assert second.snapshot() == first.snapshot()
    following = signal(20, whole.input_size, seed=1)
    assert second.process(following).tobytes() == first.process(following).tobytes()


def test_given_states_are_those_of_the_equations(door: str) -> None:
    (layer,) = model("gru-reset-after", inputs=3, hidden=5).layers
    hidden = np.random.default_rng(3).uniform(-1, 1, 5).astype(np.float32)
    begun, expected = Stream(Model([layer])), Stream(Model([rebuilt(layer, initial_hidden=hidden)]))
    begun.states = ({"h": hidden},)
    for row in signal(30):
        assert begun.step(row).tobytes() == expected.step(row).tobytes()


H = np.zeros(2, np.float32)


@pytest.mark.parametrize(
    ("states", "why"),
    [
        (None, "NoneType"),
        ("hc", "states"),
        ([], "0 layers"),
        ([{"h": H, "c": H}, {}], "2 layers"),
        ([{"h": H}], r"\['c', 'h'\], not \['h'\]"),
        ([{"h": H, "c": H, "z": H}], "not"),
        ([{"h": H, 1: H}], "not"),
        ([{"h": H, "c": H[:1]}], r"state 'c' of layer 0: shape \(1,\)"),
        ([{"h": H[None], "c": H}], r"state 'h' of layer 0: shape \(1, 2\)"),
        ([{"h": ["a", "b"], "c": H}], "not an array of numbers"),
        ([{"h": H * 1j, "c": H}], "not an array of numbers"),
        ([{"h": np.ma.masked_array(H, [True, False]), "c": H}], "masked"),
        ([{"h": [0, np.nan], "c": H}], "NaN"),
        ([{"h": H, "c": [1e300, 0]}], "beyond float32"),
        ([3], "not what Stream.states gives"),
    ],
    ids=str,
)
def test_states_that_do_not_fit_are_refused(states: Any, why: str, tiny: Stream) -> None:
    before = tiny.snapshot()
    with pytest.raises(InputError, match=why):
        tiny.set_states(states)
    assert tiny.snapshot() == before


def test_states_are_not_set_while_another_caller_is_in(tiny: Stream) -> None:
    with tiny._door.entry_lock:
        for call in lambda: tiny.set_states([{"h": H, "c": H}]), tiny.fork, lambda: tiny.roll_out(1, 0.0):
            with pytest.raises(StreamBusyError):
                call()


@every_variant
def test_a_fork_goes_on_by_itself(variant: str) -> None:
    stream, following = Stream(model(variant)), signal(20, seed=1)
    stream.process(signal(20))
    saved = stream.snapshot()
    fork = stream.fork()
    expected = fork.process(following)
    assert stream.snapshot() == saved
    assert stream.process(following).tobytes() == expected.tobytes()


@pytest.mark.parametrize("n_given", [1, 2, 7])
def test_rolling_out_feeds_each_output_back_and_moves_nothing(n_given: int, door: str) -> None:
    forecaster = Model([*model("lstm", inputs=3, hidden=5).layers, Dense(np.random.default_rng(1).normal(size=(3, 5)))])
    stream, by_hand = Stream(forecaster), Stream(forecaster)
    given = signal(n_given)
    for each in stream, by_hand:
        each.process(signal(10, seed=2))
    before = stream.snapshot()
    ahead = stream.roll_out(7, given)
    rows = list(given)
    for index in range(7):
        y = by_hand.step(rows[index])
        assert ahead[index].tobytes() == y.tobytes()
        rows[index + 1 :] = rows[index + 1 :] or [y]
    assert stream.snapshot() == before
    assert stream.roll_out(7, given[0]).tobytes() == stream.roll_out(7, given[:1].tolist()).tobytes()
    assert stream.roll_out(7).tobytes() == stream.roll_out(7, [0, 0, 0]).tobytes()
    assert stream.roll_out(0).shape == (0, 3)


def test_rolling_out_takes_every_input_where_an_output_is_none(tiny: Stream) -> None:
    given = signal(4, 1)
    assert tiny.roll_out(4, given).tobytes() == tiny.fork().process(given).tobytes()
    assert tiny.roll_out(4).tobytes() == tiny.fork().process(np.zeros((4, 1))).tobytes()
    for n in 3, 5:
        with pytest.raises(InputError, match=f"x has 4 steps, for n={n}; give all {n}, since outputs of size 2"):
            tiny.roll_out(n, given)


def test_an_output_that_cannot_be_fed_back_is_named_by_its_step() -> None:
    stream = Stream(Model([Dense([[2.0]], [1.0], activation=Activation("exp"))]))
    assert np.isinf(stream.roll_out(3)[-1])
    with pytest.raises(NonFiniteInputError, match=r"the output of step 3 is not finite, .*look 3 steps ahead or fewer"):
        stream.roll_out(6)


@pytest.mark.parametrize("n", [-1, 1.0, True, None, "3", 10**12, 10**30], ids=str)
def test_a_number_of_steps_that_is_none_is_refused(n: Any, tiny: Stream) -> None:
    with pytest.raises(InputError, match=r"roll_out: .*(whole number|memory)"):
        tiny.roll_out(n)
