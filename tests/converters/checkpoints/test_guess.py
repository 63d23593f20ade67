"""Layers are guessed only where names and shapes leave one answer; else the message says what to write."""

from pathlib import Path

import numpy as np
import pytest

from streamrnn import ConversionError, Stream
from streamrnn_converters import from_torch
from streamrnn_converters.checkpoints import read_checkpoint
from tests.converters.checkpoints.state_dicts import NETWORK, State, linear, recurrent, written
from tests.models import one_width  # noqa: F401  (a fixture)


@pytest.mark.parametrize(
    ("state", "layers"),
    [
        (NETWORK, "lstm:rnn, dense:head"),
        (recurrent("gru", 3, 4), "gru:"),
        (recurrent("lstm", 3, 4, "cell.", ""), "lstm:cell"),
        (linear(3, 4, "only."), "dense:only"),
        (linear(3, 5, "z.") | recurrent("gru", 5, 4, "a.") | recurrent("lstm", 4, 6, "m.") | linear(6, 1, "b."),
         "dense:z, gru:a, lstm:m, dense:b"),
        (recurrent("gru", 3, 4, "r.") | recurrent("gru", 4, 4, "r.", "_l1"), "gru:r"),
    ],
)  # fmt: skip
def test_layers_are_guessed_where_sizes_leave_one_order_and_the_guess_is_said(
    state: State, layers: str, tmp_path: Path
) -> None:
    found = read_checkpoint(written(tmp_path / "net.safetensors", state))
    assert found.model.fingerprint == from_torch(state, layers).fingerprint
    assert f'guessed: {layers}; say --layers "…" to overrule' in found.remarks
    assert any("functions after its Linear" in remark for remark in found.remarks) == ("dense" in layers)
    assert "that is a guess of the layers that have weights" in found.remarks[-1]
    assert found.model.notes["source"]["remarks"] == list(found.remarks)
    described = read_checkpoint(tmp_path / "net.safetensors", layers)
    assert described.remarks == ()
    assert described.model.fingerprint == found.model.fingerprint


@pytest.mark.parametrize(
    ("state", "layers", "n_added"),
    [
        (recurrent("gru", 3, 3, "rec."), "gru:rec", 3),
        (recurrent("lstm", 2, 8, "rec.") | linear(8, 1, "lin."), "lstm:rec, dense:lin", 1),
    ],
)
def test_a_guess_says_that_a_skip_may_be_missing_and_what_it_says_makes_one(
    state: State, layers: str, n_added: int, tmp_path: Path
) -> None:
    path = written(tmp_path / "net.safetensors", state)
    found = read_checkpoint(path)
    assert f'say --layers "{layers}, skip"' in found.remarks[-1]
    whole = read_checkpoint(path, f"{layers}, skip")
    x = np.random.default_rng(0).normal(size=(20, found.model.input_size)).astype(np.float32)
    assert np.array_equal(Stream(whole.model).process(x), Stream(found.model).process(x) + x[:, :n_added])
    assert whole.remarks == ()


def test_no_skip_is_told_of_where_none_fits(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", recurrent("gru", 3, 4, "r."))
    assert "--layers" not in read_checkpoint(path).remarks[-1]
    with pytest.raises(ConversionError, match="takes 3 values and gives 4"):
        read_checkpoint(path, "gru:r, skip")
    with pytest.raises(ConversionError, match="name it after them"):
        read_checkpoint(path, "skip, gru:r")


UNTOLD: dict[str, tuple[State, list[str]]] = {
    "two orders": (recurrent("lstm", 4, 4, "a.") | linear(4, 4, "b."), ['"lstm:a, dense:b"', '"dense:b, lstm:a"']),
    "a circle": (recurrent("lstm", 3, 8, "a.") | recurrent("gru", 8, 3, "b."), ["more than one order", '"lstm:a, gru:b"']),
    "no order": (recurrent("lstm", 3, 4, "a.") | linear(5, 2, "b."), ["lstm 'a': 3 to 4", "dense 'b': 5 to 2", "--layers"]),
    "tanh or relu": (recurrent("rnn", 3, 4, "a.") | linear(4, 2, "b."), ['"rnn:a, dense:b" for tanh', '"rnn:a:relu, dense:b"']),
    "between two linears": (NETWORK | linear(2, 7, "out."), ["dense 'head' and dense 'out'", "dense:head:relu, dense:out"]),
    "an embedding": (recurrent("gru", 3, 4) | {"embed.weight": np.ones((9, 3), np.float32)}, ["'embed.weight'", "embedding"]),
    "too many": ({k: v for n in range(9) for k, v in linear(n + 1, n + 2, f"{n}.").items()}, ["9 modules", "--layers"]),
    "something else beside": (NETWORK | {"norm.weight": np.ones(4, np.float32)}, ["not used", "'norm.weight'"]),
    "bidirectional": (recurrent("gru", 3, 4) | recurrent("gru", 3, 4, suffix="_l0_reverse"), ["bidirectional=False"]),
    "rows of no kind": ({"weight_ih_l0": np.ones((10, 3)), "weight_hh_l0": np.ones((10, 5))}, ["(10, 3)", "LSTM, GRU nor RNN"]),
    "no input weights": ({"weight_hh_l0": np.ones((8, 2))}, ["'weight_ih_l0'", "()"]),
    "no weights": ({"running_mean": np.ones(3)}, ["no weights", "'running_mean'"]),
    "NaN": (NETWORK | {"head.bias": np.float32([1, np.nan])}, ["'head.bias'", "NaN"]),
    "integers": ({"weight": np.ones((2, 3), np.int8)}, ["'weight'", "I8"]),
}  # fmt: skip


@pytest.mark.parametrize("what", UNTOLD)
def test_what_names_and_shapes_do_not_tell_is_asked_for(what: str, tmp_path: Path) -> None:
    state, words = UNTOLD[what]
    path = written(tmp_path / "net.safetensors", state)
    with pytest.raises(ConversionError) as refused:
        read_checkpoint(path)
    assert all(word in str(refused.value) for word in [str(path), *words]), refused.value
