"""`streamrnn import` of model files of other programs: the test vector that came with a file is its proof."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamrnn import load
from streamrnn.command import exit_codes
from tests.command.process import Command
from tests.converters.formats.files import FIXTURES, answers, description, written


@pytest.fixture
def amplifier(tmp_path: Path) -> Path:
    """An AIDA-X file, with its vector."""
    return written(tmp_path / "amplifier.aidax", description("aidax_lstm.json"))


def test_a_file_is_proven_by_its_own_vector(command: Command, amplifier: Path) -> None:
    ended = command("import", amplifier)
    assert ended.code == exit_codes.DONE
    assert "proven: 60 recorded steps" in ended.out
    assert "remark: the input is added to the output" in ended.err
    model = load(amplifier.with_suffix(".safetensors"))
    assert model.notes["proof"]["proven"] is True
    assert model.notes["proof"]["source"] == amplifier.name
    assert model.notes["source"]["format"] == "aidax"


@pytest.mark.parametrize(("name", "n_steps"), [("lstm.json", 100), ("lstm.nam", 1000)])
def test_a_file_is_proven_by_its_own_csv_files_beside_it(name: str, n_steps: int, command: Command, tmp_path: Path) -> None:
    """All lie in one folder; a .nam file has its whole name in those of its vector."""
    for file in [*FIXTURES.glob("rtneural/lstm*"), *FIXTURES.glob("nam/lstm*")]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    ended = command("import", tmp_path / name)
    assert ended.code == exit_codes.DONE
    assert f"proven: {n_steps} recorded steps" in ended.out


def test_a_file_whose_vector_says_something_else_is_not_written(command: Command, amplifier: Path) -> None:
    described = json.loads(amplifier.read_text())
    described["output_batch"][40] += 1e-3
    written(amplifier, described)
    ended = command("import", amplifier)
    assert ended.code == exit_codes.NOT_PROVEN
    assert "NOT proven" in ended.out
    assert "test vector" in ended.err
    assert "doctor" not in ended.err
    assert not amplifier.with_suffix(".safetensors").exists()


def test_without_verifying_the_vector_is_not_looked_at(command: Command, amplifier: Path) -> None:
    ended = command("import", amplifier, "--no-verify")
    assert (ended.code, ended.out) == (exit_codes.UNPROVEN, "")
    assert "proof" not in load(amplifier.with_suffix(".safetensors")).notes


def test_a_file_without_a_vector_is_unproven_or_proven_against_a_recording(command: Command, tmp_path: Path) -> None:
    source, recording = tmp_path / "amp.nam", tmp_path / "io.npz"
    source.write_bytes((FIXTURES / "two_layers.nam").read_bytes())
    assert command("import", source).code == exit_codes.UNPROVEN
    x, y = answers("two_layers")
    np.savez(recording, input=x, output=y)
    ended = command("import", source, "--against", recording, "--dtype", "float64")
    assert ended.code == exit_codes.DONE
    assert load(tmp_path / "amp.safetensors").notes["proof"]["source"] == "io.npz"
    np.savez(recording, input=x, output=y + 1)
    assert command("import", source, "--against", recording).code == exit_codes.NOT_PROVEN


def test_what_is_refused_is_an_error_of_one_line(command: Command, tmp_path: Path) -> None:
    source = written(tmp_path / "net.json", {"in_shape": [None, 1], "layers": [{"type": "conv2d"}]})
    for arguments in (["import", source], ["import", source, "--layers", "lstm:rnn"]):
        ended = command(*arguments)
        assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
        assert str(source) in ended.err
