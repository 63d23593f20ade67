"""Whole recordings: the float64 reference if layers run backwards, else the same bits as a stream."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import (
    Activation,
    Concat,
    InputError,
    Layer,
    Model,
    ModelError,
    NonFiniteInputError,
    NonFiniteStateError,
    Pointwise,
    Reverse,
    Stream,
    StreamPool,
    StreamRNNError,
    load,
    run_offline,
)
from tests import reference
from tests.models import RECURRENT, VARIANTS, model, models, one_width, quick, rnn, signal  # noqa: F401  (a fixture)
from tests.test_graph import graphs

TOLERANCE = 5e-6


def both_ways(variant: str, inputs: int = 3, hidden: int = 9, seed: int = 0) -> Model:
    """Two layers of a variant over one signal, the second backwards, and a third backwards over what both give."""
    rng = np.random.default_rng(seed)
    forward, backward = (VARIANTS[variant](rng, inputs, hidden, 1.0) for _ in range(2))
    size = forward.output_size
    above = VARIANTS[variant](rng, 2 * size, 5, 1.0)
    layers = [Reverse(inputs), forward, backward, Reverse(size), Concat((size, size)), Reverse(2 * size), above]
    layers.append(Reverse(above.output_size))
    return Model(layers, sources=[(-1,), (-1,), (0,), (2,), (1, 3), (4,), (5,), (6,)])


@quick
@given(whole=models(), n_steps=st.sampled_from([0, 1, 23, 60]))
def test_a_model_that_can_be_streamed_gives_the_bits_of_its_stream(whole: Model, n_steps: int) -> None:
    assert whole.streamable
    stream, x = Stream(whole), signal(n_steps, whole.input_size)
    y, states = run_offline(whole, x, states=True)
    assert y.tobytes() == stream.process(x).tobytes()
    for ours, theirs in zip(states, stream.states, strict=True):
        assert {name: value.tobytes() for name, value in ours.items()} == {n: value.tobytes() for n, value in theirs.items()}


@pytest.mark.parametrize("n_steps", [1, 2, 200])
@pytest.mark.parametrize("variant", RECURRENT)
def test_layers_that_run_backwards_are_those_of_the_reference(variant: str, n_steps: int) -> None:
    whole, x = both_ways(variant), signal(n_steps)
    expected, ends = reference.run(whole, x)
    y, states = run_offline(whole, x, states=True)
    np.testing.assert_allclose(y, expected, rtol=0, atol=TOLERANCE)
    for ours, theirs in zip(states, ends, strict=True):
        assert ours.keys() == theirs.keys()
        for name, values in theirs.items():
            np.testing.assert_allclose(ours[name], values, rtol=1e-6, atol=TOLERANCE)


@quick
@given(whole=graphs("reverse", "reverse", "reverse"), n_steps=st.integers(0, 40))
def test_any_graph_with_reversals_is_the_reference(whole: Model, n_steps: int) -> None:
    x = signal(n_steps, whole.input_size)
    y, expected = run_offline(whole, x), reference.run(whole, x)[0].reshape(n_steps, whole.output_size)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * max(1.0, float(np.abs(expected).max(initial=0))))


@pytest.mark.parametrize("variant", ["lstm", "gru-reset-before", "rnn-relu"])
def test_a_layer_between_two_reversals_has_the_bits_of_its_stream_over_the_signal_backwards(variant: str) -> None:
    alone, x = model(variant), signal(100)
    size = alone.output_size
    y, states = run_offline(Model([Reverse(3), *alone.layers, Reverse(size)]), x, states=True)
    stream = Stream(alone)
    assert y.tobytes() == np.ascontiguousarray(stream.process(x[::-1])[::-1]).tobytes()
    assert states[1]["h"].tobytes() == y[0].tobytes() == stream.states[0]["h"].tobytes()


def test_recordings_of_several_lengths_are_each_reversed_over_their_own() -> None:
    whole = both_ways("gru-reset-after")
    recordings = [signal(n_steps, seed=n_steps) for n_steps in (40, 0, 7)]
    for ours, (y, states), x in zip(
        run_offline(whole, recordings), run_offline(whole, tuple(recordings), states=True), recordings, strict=True
    ):
        assert ours.tobytes() == y.tobytes() == run_offline(whole, x).tobytes()
        assert len(states) == len(whole.layers)
    assert run_offline(whole, []) == []


def test_a_list_of_rows_is_one_recording() -> None:
    whole, x = both_ways("lstm"), signal(6)
    assert run_offline(whole, x.tolist()).tobytes() == run_offline(whole, x).tobytes()


def test_a_recording_leaves_nothing_behind_for_the_next() -> None:
    whole, x = both_ways("lstm-projected"), signal(30)
    before = run_offline(whole, x)
    run_offline(whole, 3 * x)
    assert run_offline(whole, x).tobytes() == before.tobytes()


def test_float64_is_the_reference_to_its_own_precision() -> None:
    whole, x = both_ways("lstm").astype("float64"), signal(100)
    y = run_offline(whole, x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, reference.run(whole, x)[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("handle", [Stream, StreamPool])
def test_what_reads_backwards_cannot_be_streamed_and_the_error_names_layer_and_way(handle: Any) -> None:
    whole = Model([VARIANTS["lstm"](np.random.default_rng(0), 3, 4, 1.0), Reverse(4)])
    assert not whole.streamable
    with pytest.raises(ModelError, match=r"^layer 1: a reverse layer cannot be streamed, .*run_offline\(model, signal\)"):
        handle(whole)


def test_an_archive_keeps_reversals(tmp_path: Path) -> None:
    whole, x = both_ways("gru-reset-before"), signal(20)
    whole.save(tmp_path / "both.safetensors")
    again = load(tmp_path / "both.safetensors")
    assert again.fingerprint == whole.fingerprint
    assert run_offline(again, x).tobytes() == run_offline(whole, x).tobytes()


@pytest.mark.parametrize(
    "given",
    [np.zeros(3), np.zeros((2, 4)), np.zeros((2, 2, 3)), "x", None, [[1, 2]], np.zeros((2, 3), complex), [np.zeros((2, 4))]],
    ids=lambda given: f"{type(given).__name__}{np.shape(given)}",
)
@pytest.mark.parametrize("layers", [[], [Reverse(3)]], ids=["streamable", "backwards"])
def test_what_is_no_recording_is_refused(layers: list[Layer], given: Any) -> None:
    with pytest.raises(InputError, match=r"^run_offline: "):
        run_offline(Model([*layers, *model("gru-reset-after").layers]), given)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_a_number_that_is_not_finite_is_refused_with_its_place_in_the_recording(value: float) -> None:
    x = signal(9).astype(np.float64)
    x[2, 1] = value
    with pytest.raises(NonFiniteInputError, match=r"^input\[2, 1\] is"):
        run_offline(Model([Reverse(3), *model("lstm").layers]), x)


def test_what_overflows_between_the_layers_is_refused() -> None:
    rng, loud = np.random.default_rng(0), np.array([[-200.0]])
    stages: list[Layer] = [Pointwise(1, "exp"), Pointwise(1, Activation("reciprocal")), Reverse(1), rnn(rng, 1, 2)]
    with pytest.raises(NonFiniteStateError, match="between layers left the range of float32; scale the input"):
        run_offline(Model(stages), loud)


def test_only_a_model_can_be_run() -> None:
    with pytest.raises(StreamRNNError, match=r"run_offline: str is not a streamrnn.Model"):
        run_offline("model", signal(3))  # type: ignore[call-overload]
