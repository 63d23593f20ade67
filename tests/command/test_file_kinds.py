"""What files seem to be: named where it is certain, and never an ONNX model or an archive by mistake."""

import pickle
from pathlib import Path

import pytest

from streamrnn import Model
from streamrnn.command.file_kinds import seems_to_be
from streamrnn.command.source_file import MODEL_FILES
from tests.command.process import Command

FILES = [
    ("mk1.py", b"import torch\n", "a Python program"),
    ("amp.nam", b'{"architecture": "LSTM"}', "a Neural Amp Modeler file"),
    ("net.json", b' {"model": 1}', "a JSON file"),
    ("net.h5", b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 file"),
    ("net.tflite", b"\x1c\0\0\0TFL3\0\0", "a TensorFlow Lite model"),
    ("net.keras", b"PK\x03\x04", "a zip file"),
    ("net.pkl", pickle.dumps({"a": 1}), "a pickle of Python objects"),
    ("net.onnx", b"x,y\n1,2\n", "a text file"),
]


@pytest.mark.parametrize(("name", "content", "kind"), FILES)
def test_import_and_run_name_what_a_file_seems_to_be(
    command: Command, archive: Path, tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert kind in seems_to_be(path)
    ended = command("import", path)
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith(f"error: {path}: ")
    if path.suffix not in MODEL_FILES:  # those are read, and refused for what is wrong with them
        assert ended.err.startswith(f"error: {path}: is {kind}")
        assert "not an ONNX model" in ended.err
        with_layers = command("import", path, "--layers", "lstm:rnn")
        assert with_layers.code == 1
        assert kind in with_layers.err
    for subcommand in ("run", "inspect", "warmup"):
        ended = command(subcommand, path)
        assert ended.code == 1
        assert "not a streamrnn archive" in ended.err


def test_a_directory_is_refused(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").touch()
    for arguments, what in ((["."], "a directory"), ([".."], "a directory"), (["saved"], "a TensorFlow SavedModel folder")):
        ended = command("import", *arguments)
        assert (ended.code, ended.err.count("\n")) == (1, 1)
        assert what in ended.err
    (tmp_path / "net.pt").mkdir()
    assert "is a directory" in command("import", "net.pt").err


def test_a_model_that_can_be_imported_is_said_to_be_one(command: Command, source: Path, tmp_path: Path) -> None:
    ended = command("run", source)
    assert ended.err == (
        f"error: {source}: is an ONNX model, not a streamrnn archive; `streamrnn import {source}` makes one from it\n"
    )


def test_an_archive_that_was_cut_off_is_called_nothing_else(command: Command, archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(archive.read_bytes()[:500])
    assert "or truncated" in command("inspect", path).err


def test_a_graph_seems_to_be_nothing_else(source: Path, gated: Model, tmp_path: Path) -> None:
    assert seems_to_be(source) == ""
    gated.save(tmp_path / "a")
    assert seems_to_be(tmp_path / "a") == "an archive of streamrnn"
