"""`from_file` finds the format by itself, and says which are known where it finds none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError
from streamrnn_converters import from_aidax, from_file, from_guitarml, from_nam, from_rtneural
from streamrnn_converters.formats import read_model_file
from tests.converters.checkpoints.state_dicts import linear
from tests.converters.checkpoints.state_dicts import written as checkpoint
from tests.converters.formats.files import FIXTURES, written

FORMATS: dict[str, Any] = {
    "aidax_lstm.json": from_aidax,
    "guitarml_lstm_skip.json": from_guitarml,
    "two_layers.nam": from_nam,
    "rtneural/lstm.json": from_rtneural,
    "rtneural_state_dict.json": from_rtneural,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("extension", [".json", ".nam", ".aidax"])
def test_a_json_file_is_told_by_what_is_in_it_whatever_it_is_called(name: str, extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{extension}"
    path.write_bytes((FIXTURES / name).read_bytes())
    assert from_file(path, dtype="float64").fingerprint == FORMATS[name](FIXTURES / name, dtype="float64").fingerprint


def test_checkpoints_are_files_too(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "net.npz", linear(3, 2, "head."))
    np.testing.assert_array_equal(from_file(path).layers[0].tensors()["weights"], linear(3, 2)["weight"])


def test_graphs_are_files_too(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the graph is made for it")
    pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
    from tests.converters.onnx.onnx_graphs import random_node, recurrent_model

    path = tmp_path / "net.onnx"
    node = random_node(np.random.default_rng(0), "GRU", 3, 4)
    path.write_bytes(recurrent_model(node).SerializeToString())
    assert [layer.kind for layer in from_file(path).layers] == ["gru"]
    assert from_file(path, dtype="float64").dtype == "float64"


@pytest.mark.parametrize("content", [{}, {"layers": []}, {"a": 1}, {"model_data": {}}, {"weights": [1.0]}])
def test_json_of_no_known_format_is_refused(content: object, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"net\.json"):
        from_file(written(tmp_path / "net.json", content))


def test_an_extension_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"\.onnx, .*\.safetensors.*\.json"):
        from_file(tmp_path / "net.tflite")


def test_a_description_of_layers_is_for_state_dicts_only() -> None:
    with pytest.raises(ConversionError, match="names its layers itself"):
        read_model_file(FIXTURES / "two_layers.nam", "lstm:rnn")


def test_an_rtneural_file_with_entries_of_aidax_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="from_aidax"):
        from_rtneural(FIXTURES / "aidax_lstm.json")
