"""AIDA-X's JSON gives what torch answers, with gains, skip and knobs, and its own vector proves it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError
from streamrnn_converters import from_aidax
from streamrnn_converters.formats import read_model_file
from tests.converters.formats.files import FIXTURES, answers, description, largest_error, written

NAMES = ["aidax_lstm", "aidax_gru_knobs"]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_gives_what_torch_answers(name: str) -> None:
    model = from_aidax(FIXTURES / f"{name}.json", dtype="float64")
    assert largest_error(model, *answers(name)) < 1e-12
    assert model.notes["source"]["sample_rate"] == 48000


@pytest.mark.parametrize("name", NAMES)
def test_its_own_vector_proves_it(name: str) -> None:
    found = read_model_file(FIXTURES / f"{name}.json", dtype="float64")
    assert found.vector is not None
    assert largest_error(found.model, found.vector.input, found.vector.output) < 1e-12


@pytest.mark.parametrize(
    "changes", [{"in_skip": 0}, {"weights": 1.01}, {"output_batch": 1.01}], ids=["skip", "weights", "vector"]
)
def test_its_own_vector_refutes_a_file_in_which_something_was_changed(changes: dict[str, Any], tmp_path: Path) -> None:
    described = description("aidax_lstm.json")
    if "weights" in changes:
        described["layers"][0]["weights"][1][0][0] *= 1.01
    elif "output_batch" in changes:
        described["output_batch"][-1] *= 1.01
    else:
        described |= changes
    found = read_model_file(written(tmp_path / "amp.aidax", described))
    assert found.vector is not None
    assert largest_error(found.model, found.vector.input, found.vector.output) > 1e-5


def test_gains_are_said_and_the_vector_is_made_without_them() -> None:
    found = read_model_file(FIXTURES / "aidax_lstm.json")
    assert [remark.partition(":")[0] for remark in found.remarks] == [
        "in_gain",
        "the input is added to the output (in_skip)",
        "out_gain",
    ]
    assert found.vector is not None
    assert "without gains" in found.vector.remarks[0]
    described = description("aidax_lstm.json")
    np.testing.assert_allclose(found.vector.input[:, 0] * 10 ** (3 / 20), described["input_batch"], rtol=1e-12)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("in_skip", 2),
        ("in_skip", True),
        ("in_gain", "3 dB"),
        ("out_gain", 1e6),
        ("input_batch", [1.0]),
        ("output_batch", None),
        ("output_batch", []),
        ("in_shape", [None, 16, 1, 4]),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(entry: str, value: Any, tmp_path: Path) -> None:
    described = description("aidax_lstm.json") | {entry: value}
    with pytest.raises(ConversionError, match=r"amp\.json"):
        from_aidax(written(tmp_path / "amp.json", described))


def test_entries_that_are_not_known_are_said(tmp_path: Path) -> None:
    found = read_model_file(written(tmp_path / "amp.json", description("aidax_lstm.json") | {"cabinet": 1}))
    assert found.remarks[0] == "not used: 'cabinet'"
