"""GuitarML's JSON gives what the torch network answers, its skip included."""

from pathlib import Path
from typing import Any

import pytest

from streamrnn import ConversionError
from streamrnn_converters import from_guitarml
from streamrnn_converters.formats import read_model_file
from tests.converters.formats.files import FIXTURES, answers, description, largest_error, written

NAMES = ["guitarml_lstm_skip", "guitarml_gru_two_layers", "guitarml_rnn_knob"]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_gives_what_torch_answers(name: str) -> None:
    model = from_guitarml(FIXTURES / f"{name}.json", dtype="float64")
    assert largest_error(model, *answers(name)) < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_whether_the_input_is_added_is_said(name: str) -> None:
    skip = description(f"{name}.json")["model_data"]["skip"]
    (remark,) = read_model_file(FIXTURES / f"{name}.json").remarks
    assert remark.startswith("the input is added" if skip else "the input is not added")


@pytest.mark.parametrize(
    ("entry", "value", "why"),
    [
        ("model", "GatedConvNet", "only 'SimpleRNN'"),
        ("unit_type", "Transformer", "LSTM, GRU, RNN"),
        ("hidden_size", 5, "weights are of"),
        ("num_layers", 2, "weights are of"),
        ("input_size", 2, "weights are of"),
        ("output_size", 0, "output_size"),
        ("skip", 2, "skip of 2"),
        ("skip", -1, "skip"),
        ("skip", None, "skip"),
        ("skip", "missing", "'skip' is missing"),
        ("gain", 2.0, "model_data: 'gain' is not understood"),
    ],
)
def test_a_description_that_does_not_fit_the_weights_is_refused(entry: str, value: Any, why: str, tmp_path: Path) -> None:
    described = description("guitarml_lstm_skip.json")
    described["model_data"][entry] = value
    if value == "missing":
        del described["model_data"][entry]
    with pytest.raises(ConversionError, match=why) as error:
        from_guitarml(written(tmp_path / "amp.json", described))
    assert "amp.json" in str(error.value)


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    described = description("guitarml_lstm_skip.json") | {"author": "me"}
    assert "not used: 'author'" in read_model_file(written(tmp_path / "amp.json", described)).remarks


def test_a_tensor_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    described = description("guitarml_lstm_skip.json")
    described["state_dict"]["other.weight"] = [[1.0]]
    with pytest.raises(ConversionError, match="other"):
        from_guitarml(written(tmp_path / "amp.json", described))
