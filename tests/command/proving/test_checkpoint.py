"""`streamrnn import` of checkpoints: written unproven, or proven against a recording or a graph."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamrnn import LSTM, Dense, Model, load
from streamrnn.command import exit_codes
from streamrnn.command.proving.checkpoint import remedies
from tests.command.process import Command
from tests.command.recordings import record
from tests.converters.doctor.test_doctor import from_zero, onnx_file
from tests.models import dense, lstm, rebuilt


@pytest.fixture
def checkpoint(tmp_path: Path, layer: LSTM) -> Path:
    """As torch names and shapes it: our order is torch's."""
    state = {
        "module.rnn.weight_ih_l0": layer.input_weights.reshape(16, 3),
        "module.rnn.weight_hh_l0": layer.recurrent_weights.reshape(16, 4),
        "module.rnn.bias_ih_l0": layer.bias.ravel(),
        "module.rnn.bias_hh_l0": 0 * layer.bias.ravel(),
    }
    save_file({name: np.ascontiguousarray(value) for name, value in state.items()}, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def test_a_checkpoint_alone_is_written_unproven_and_the_guess_is_said(command: Command, checkpoint: Path, layer: LSTM) -> None:
    ended = command("import", checkpoint)
    assert (ended.code, ended.out) == (exit_codes.UNPROVEN, "")
    assert "remark: all names begin with 'module.', which is left out\n" in ended.err
    assert 'remark: guessed: lstm:rnn; say --layers "…" to overrule\n' in ended.err
    assert "not proven" in ended.err
    model = load(checkpoint.with_name("net.streamrnn.safetensors"))
    np.testing.assert_array_equal(model.layers[0].tensors()["input_weights"], layer.input_weights)
    assert "proof" not in model.notes


def test_a_checkpoint_is_proven_against_a_recording(
    command: Command, checkpoint: Path, recording: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.safetensors"
    ended = command("import", checkpoint, "--layers", "lstm:rnn", "--against", recording, "-o", target)
    assert ended.code == exit_codes.DONE
    assert "guessed" not in ended.err
    assert load(target).notes["proof"]["source"] == "io.npz"
    again = command("import", checkpoint, "--dtype", "float64", "--against", recording, "-o", target)
    assert again.code == exit_codes.DONE
    assert "float32 weights converted to float64" in again.err
    assert load(target).dtype == np.float64


def test_json_is_one_object_whatever_becomes_of_a_checkpoint(
    command: Command, checkpoint: Path, recording: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.safetensors"
    unproven = command("import", checkpoint, "-o", target, "--json")
    proven = command("import", checkpoint, "--against", recording, "-o", target, "--json")
    assert (unproven.code, proven.code) == (exit_codes.UNPROVEN, exit_codes.DONE)
    first, second = json.loads(unproven.out), json.loads(proven.out)
    assert (first["written"], first["proven"], first["proof"]) == (str(target), None, None)
    assert "all names begin with 'module.', which is left out" in first["remarks"]
    assert (second["written"], second["proven"], second["proof"]) == (str(target), True, load(target).notes["proof"])
    other = record(tmp_path / "other.npz", from_zero(lstm(np.random.default_rng(5), 3, 4)))
    refused = command("import", checkpoint, "--against", other, "-o", target, "--json")
    third = json.loads(refused.out)
    assert (refused.code, third["written"], third["proven"]) == (exit_codes.NOT_PROVEN, None, False)
    assert third["proof"]["source"] == "other.npz"


def test_a_checkpoint_is_proven_against_a_graph(command: Command, checkpoint: Path, layer: LSTM, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="runs the graph: pip install 'streamrnn[convert]'")
    graph, target = tmp_path / "lstm.onnx", tmp_path / "out.safetensors"
    graph.write_bytes(onnx_file(layer))
    assert command("import", checkpoint, "--against", graph, "-o", target).code == exit_codes.DONE
    assert load(target).notes["proof"]["onnxruntime"]
    target.unlink()
    graph.write_bytes(onnx_file(rebuilt(layer, bias=layer.bias + 1)))
    ended = command("import", checkpoint, "--against", graph, "-o", target)
    assert (ended.code, target.exists()) == (exit_codes.NOT_PROVEN, False)


def test_a_checkpoint_that_does_something_else_is_not_written(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    other = record(tmp_path / "other.npz", from_zero(lstm(np.random.default_rng(5), 3, 4)))
    ended = command("import", checkpoint, "--against", other)
    assert ended.code == exit_codes.NOT_PROVEN
    assert "NOT proven" in ended.out
    assert not checkpoint.with_name("net.streamrnn.safetensors").exists()


def test_a_reference_of_another_format_is_refused(command: Command, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "io.csv").write_text("1,2\n")
    ended = command("import", checkpoint, "--against", tmp_path / "io.csv")
    assert (ended.code, "neither" in ended.err) == (exit_codes.FAILED, True)


def test_after_a_failed_proof_only_remedies_that_can_help_are_named() -> None:
    rng = np.random.default_rng(0)
    doctor, activation = "`streamrnn doctor` finds it", "an activation may be missing"
    for layers, found in [
        ([lstm(rng, 3, 4)], {doctor}),
        ([lstm(rng, 3, 4), dense(rng, 4, 1)], {doctor, activation}),
        ([lstm(rng, 3, 4), Dense(np.ones((1, 4)), activation="sigmoid")], {doctor}),
        ([lstm(rng, 3, 4), lstm(rng, 4, 4)], set()),
        ([lstm(rng, 3, 4), lstm(rng, 4, 4), dense(rng, 4, 1)], {activation}),
    ]:
        message = remedies(Model(layers))
        assert {remedy for remedy in (doctor, activation) if remedy in message} == found


def test_an_older_file_that_stays_is_mentioned(command: Command, checkpoint: Path, recording: Path, tmp_path: Path) -> None:
    assert command("import", checkpoint, "--against", recording).code == exit_codes.DONE
    other = record(tmp_path / "other.npz", from_zero(lstm(np.random.default_rng(5), 3, 4)))
    assert "not written, the older file is still there" in command("import", checkpoint, "--against", other).err
