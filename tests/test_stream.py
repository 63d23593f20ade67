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

from streamrnn import Dense, Model, SnapshotError, Stream, StreamRNNError, load
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
