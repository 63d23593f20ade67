"""`streamrnn import` of graphs that carry their states, and of such with inputs that are really constants."""

from pathlib import Path

import numpy as np
import pytest

from streamrnn import Stream, load
from streamrnn.command import exit_codes
from tests.command.process import Command, finished

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")

from tests.converters.onnx.test_from_onnx_layers import rated
from tests.converters.onnx.test_from_onnx_steps import dtln  # noqa: F401  (a fixture)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rated.onnx"
    path.write_bytes(rated([])[1])
    return path


def test_an_input_is_fixed_by_set_and_the_archive_remembers_it(command: Command, source: Path) -> None:
    assert command("import", source, "--set", "sr=16000").code == exit_codes.DONE
    archive = source.with_suffix(".safetensors")
    assert load(archive).notes["source"]["constants"] == {"sr": 16000}
    assert command("verify", archive, "--against", source).code == exit_codes.DONE


@pytest.mark.parametrize("setting", ["sr", "=16000", "sr=fast", "sr="])
def test_a_setting_that_is_no_pair_is_an_error(setting: str, command: Command, source: Path) -> None:
    ended = command("import", source, "--set", setting)
    assert ended.code not in (exit_codes.DONE, exit_codes.UNPROVEN)
    assert f"--set {setting}: expected NAME=VALUE" in ended.err.replace("\n", " ")


def test_a_setting_of_an_input_that_is_not_there_is_refused(command: Command, source: Path) -> None:
    ended = command("import", source, "--set", "rate=16000")
    assert (ended.code, ended.err.count("\n")) == (exit_codes.FAILED, 1)
    assert "constant 'rate': the graph has no such input" in ended.err


def test_a_checkpoint_has_no_inputs_to_set(command: Command, tmp_path: Path) -> None:
    (tmp_path / "weights.npz").write_bytes(b"")
    ended = command("import", tmp_path / "weights.npz", "--set", "a=1")
    assert ended.code not in (exit_codes.DONE, exit_codes.UNPROVEN)
    assert "--set" in ended.err
    assert "checkpoint" in ended.err


def test_dtln_is_imported_proven_and_run_by_the_command(
    command: Command,
    dtln: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    archive = tmp_path / "dtln.safetensors"
    ended = command("import", dtln, "-o", archive)
    assert ended.code == exit_codes.DONE
    assert "remark: graph input 'input_3' and output 'tf_op_layer_stack_2'" in ended.err
    x = np.abs(np.random.default_rng(3).normal(size=(50, 257))).astype("<f4")
    result = finished("run", archive, "--format", "f32", stdin=x.tobytes())
    assert result.stdout == Stream(load(archive)).process(x).astype("<f4").tobytes()
