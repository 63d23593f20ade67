"""`streamrnn import` and `verify`: nothing gets into an archive that has not been proven, unless it is said so."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from streamrnn import GRU, Stream, load
from streamrnn.command import exit_codes
from tests.command.process import Command, finished
from tests.models import signal

onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
onnxruntime = pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")

HIDDEN = 5


def gru_file(path: Path, seed: int = 0, direction: str = "forward") -> Path:
    """A GRU node, time first, one signal: (n_steps, 1, 2) -> (n_steps, directions, 1, 5)."""
    rng = np.random.default_rng(seed)
    directions = 1 + (direction == "bidirectional")
    shapes = {"W": (3 * HIDDEN, 2), "R": (3 * HIDDEN, HIDDEN), "B": (6 * HIDDEN,)}
    tensors = [
        onnx.numpy_helper.from_array(rng.uniform(-0.6, 0.6, (directions, *shape)).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    node = onnx.helper.make_node(
        "GRU", ["X", *shapes], ["Y"], "rnn1", hidden_size=HIDDEN, linear_before_reset=1, direction=direction
    )
    x = onnx.helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, ["n_steps", 1, 2])
    y = onnx.helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, ["n_steps", directions, 1, HIDDEN])
    graph = onnx.helper.make_graph([node], "gru", [x], [y], tensors)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8), path)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return gru_file(tmp_path / "gru.onnx")


def test_a_proven_model_is_written_with_its_proof(command: Command, source: Path) -> None:
    ended = command("import", source)
    assert ended.code == exit_codes.DONE
    assert "onnxruntime" in ended.out
    assert "\x1b" not in ended.out + ended.err
    model = load(source.with_suffix(".safetensors"))
    proof = model.notes["proof"]
    assert proof["proven"] is True
    assert proof["source"] == source.name
    assert proof["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert proof["model_fingerprint"] == model.fingerprint
    assert proof["onnxruntime"] == onnxruntime.__version__
    assert 0 < max(comparison["absolute"] for comparison in proof["comparisons"]) < proof["tolerance"] <= 1e-5
    assert str(source.parent) not in json.dumps(model.notes)
    (layer,) = model.layers
    assert isinstance(layer, GRU)
    assert (layer.form, layer.hidden_size) == ("reset-after", HIDDEN)
    shown = command("inspect", source.with_suffix(".safetensors"))
    assert hashlib.sha256(source.read_bytes()).hexdigest() in shown.out


def test_what_was_imported_runs(command: Command, source: Path, tmp_path: Path) -> None:
    assert command("import", source, "-o", tmp_path / "out.safetensors").code == exit_codes.DONE
    x = signal(20, 2)
    result = finished("run", tmp_path / "out.safetensors", "--format", "f32", stdin=x.astype("<f4").tobytes())
    assert result.stdout == Stream(load(tmp_path / "out.safetensors")).process(x).astype("<f4").tobytes()


def test_without_verifying_the_archive_has_no_proof_and_the_exit_code_says_so(command: Command, source: Path) -> None:
    ended = command("import", source, "--no-verify")
    assert (ended.code, ended.out) == (exit_codes.UNPROVEN, "")
    assert "not proven" in ended.err
    assert "proof" not in load(source.with_suffix(".safetensors")).notes


def test_what_is_not_proven_is_not_written(command: Command, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuted = SimpleNamespace(proven=False, to_json=dict)
    monkeypatch.setattr("streamrnn.command.import_.prove", lambda model, source: refuted)
    ended = command("import", source)
    assert ended.code == exit_codes.NOT_PROVEN
    assert "not written" in ended.err
    assert not source.with_suffix(".safetensors").exists()


def test_verify_proves_the_archive_of_a_model(command: Command, source: Path) -> None:
    command("import", source, "--no-verify")
    ended = command("verify", source.with_suffix(".safetensors"), "--against", source)
    assert (ended.code, ended.err) == (exit_codes.DONE, "")
    assert "onnxruntime" in ended.out


def test_verify_refutes_the_archive_of_another_model(command: Command, source: Path, tmp_path: Path) -> None:
    command("import", source, "--no-verify")
    other = gru_file(tmp_path / "other.onnx", seed=1)
    ended = command("verify", source.with_suffix(".safetensors"), "--against", other)
    assert (ended.code, ended.err) == (exit_codes.NOT_PROVEN, "")


def test_what_cannot_be_streamed_is_refused_by_the_name_of_its_node(command: Command, tmp_path: Path) -> None:
    source = gru_file(tmp_path / "both.onnx", direction="bidirectional")
    ended = command("import", source)
    assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
    assert "rnn1" in ended.err
    assert not source.with_suffix(".safetensors").exists()


@pytest.mark.parametrize("content", [None, b"", b"no model", "directory"])
def test_a_source_that_is_no_model_is_an_error_of_one_line(
    command: Command, tmp_path: Path, archive: Path, content: bytes | str | None
) -> None:
    source = tmp_path / "bad.onnx"
    if content == "directory":
        source.mkdir()
    elif isinstance(content, bytes):
        source.write_bytes(content)
    for arguments in (["import", source], ["verify", archive, "--against", source]):
        ended = command(*arguments)
        assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
        assert ended.err.startswith("error: ")
        assert ("not an ONNX model" if isinstance(content, bytes) else f"{source}: cannot be read") in ended.err


def test_an_archive_never_replaces_its_source_or_gets_lost(command: Command, source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    for target in (source, tmp_path, tmp_path / "missing" / "out.safetensors"):
        ended = command("import", source, "-o", target)
        assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
    assert source.read_bytes() == before


@pytest.mark.parametrize("subcommand", ["import", "verify"])
def test_a_missing_extra_says_how_to_install_it(
    subcommand: str, source: Path, archive: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "streamrnn_converters"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    arguments = {"import": [source], "verify": [archive, "--against", source]}[subcommand]
    ended = command(subcommand, *arguments)
    assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
    assert "pip install" in ended.err
    assert "streamrnn[convert]" in ended.err
