"""A model is compared with recorded input and output: one wrong value is found, and a bad recording is refused."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, Dense, Model, VerificationError
from streamrnn_converters.proof.recording import Recording, compare, read_recording
from tests import reference
from tests.models import dense, gru, lstm, model, one_width, rebuilt, rnn, signal  # noqa: F401  (one_width is a fixture)

RNG = np.random.default_rng
X, Y = signal(20, 3), signal(20, 2, seed=1)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def recorded(of: Any, n_steps: int = 50) -> Recording:
    x = signal(n_steps, of.input_size)
    y, _ = reference.run(of, x)
    return read_recording(npz(input=x, output=y.astype(np.float32)))


@pytest.mark.parametrize("variants", [["lstm"], ["gru-reset-before", "dense-softmax"], ["rnn-relu", "lstm"]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_is_proven_by_what_it_gives(variants: list[str], dtype: str) -> None:
    ours = model(*variants).astype(dtype)
    report = compare(ours, recorded(ours))
    assert report.proven
    assert report.comparisons[0].absolute < 1e-6
    assert report.to_json()["proven"] is True
    assert str(report).splitlines()[-1].startswith("proven: 50 recorded steps")


def test_one_wrong_value_is_found_where_it_is() -> None:
    ours = model("gru-reset-after")
    recording = recorded(ours)
    recording.output[17, 3] += 1e-4
    report = compare(ours, recording)
    assert not report.proven
    assert report.comparisons[0].place == {"time": 17, "feature": 3}
    assert "differs from step 17 on" in str(report)


def test_a_recording_may_begin_in_states_that_the_model_has_not() -> None:
    first, second = gru(RNG(0), 2, 4), lstm(RNG(1), 4, 3)
    x = signal(30, 2)
    y, _ = reference.run(Model([first, second]), x)
    states = {"initial_hidden": first.initial_hidden[None, None], "initial_hidden_1": second.initial_hidden}
    recording = read_recording(npz(input=x, output=y, **states, initial_cell_1=second.initial_cell))
    zeros = {"initial_hidden": None}
    ours = Model([rebuilt(first, **zeros), rebuilt(second, **zeros, initial_cell=None)])
    assert not compare(ours, replace(recording, initial={})).proven
    report = compare(ours, recording)
    assert report.proven
    assert report.model_fingerprint == ours.fingerprint
    assert "the model keeps its own" in str(report)


def test_a_model_that_overflows_is_not_proven() -> None:
    """h grows to one within eight units; times 1e38 their sum is more than float32 holds."""
    weights = np.zeros((3, 8, 1))
    weights[2] = 10
    ours = Model([GRU(weights, np.zeros((3, 8, 8))), Dense(np.full((1, 8), 1e38))])
    for n_steps in (2, 3, 30):
        report = compare(ours, Recording(np.ones((n_steps, 1)), np.zeros((n_steps, 1)), ""))
        assert not report.proven
        assert "NOT proven" in str(report)


def test_sizes_that_differ_are_an_error() -> None:
    with pytest.raises(VerificationError, match="takes 3 values and gives 9, but the recording has 3 and 2"):
        compare(model("lstm"), read_recording(npz(input=X, output=Y)))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no output": ({"input": X}, "'output' is missing"),
    "no input": ({"output": Y}, "'input' is missing"),
    "other lengths": ({"input": X, "output": Y[1:]}, "20 steps, 'output' 19"),
    "one step": ({"input": X[:1], "output": Y[:1]}, "1 step"),
    "no steps": ({"input": X[:0], "output": Y[:0]}, "shape"),
    "a batch": ({"input": X[None], "output": Y[None]}, r"\(n_steps, size\)"),
    "NaN": ({"input": X, "output": np.full_like(Y, np.nan)}, "'output': holds NaN"),
    "text": ({"input": X, "output": np.array([["a"]] * 20)}, "'output': not a plain array"),
    "objects": ({"input": X, "output": np.array([None])}, "not a recording"),
    "something else": ({"input": X, "output": Y, "hidden": Y}, "'hidden' is not understood"),
    "a state that is none": ({"input": X, "output": Y, "initial_hidden": Y}, r"'initial_hidden': shape .* \(H,\)"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_recording_is_refused_by_the_name_of_the_array(what: str) -> None:
    arrays, words = REFUSED[what]
    with pytest.raises(VerificationError, match=words):
        read_recording(npz(**arrays))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"garbage" * 100, npz(input=X, output=Y)[:-50]])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match="not a recording"):
        read_recording(data)


@pytest.mark.parametrize("state", ["initial_cell", "initial_hidden_1"])
def test_states_that_the_model_has_not_are_refused(state: str) -> None:
    ours = Model([rnn(RNG(0), 3, 4), dense(RNG(1), 4, 2)])
    with pytest.raises(VerificationError, match="no recurrent layer"):
        compare(ours, read_recording(npz(input=X, output=Y, **{state: np.ones(4)})))
    with pytest.raises(VerificationError, match="shape"):
        compare(ours, read_recording(npz(input=X, output=Y, initial_hidden=np.ones(5))))
