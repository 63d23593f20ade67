"""`streamrnn doctor`: exit code 0 is a proof, everything else says what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamrnn import LSTM, load
from streamrnn.command import exit_codes
from tests.command.process import Command
from tests.command.recordings import record
from tests.converters.doctor.test_doctor import as_keras, as_onnx, from_zero, onnx_file
from tests.models import gru, lstm, one_width  # noqa: F401  (one_width is a fixture)


@pytest.fixture
def weights(tmp_path: Path, layer: LSTM) -> Path:
    np.savez(tmp_path / "weights.npz", **dict(zip("abc", as_keras(layer).values(), strict=True)))
    return tmp_path / "weights.npz"


def test_the_convention_found_is_named_and_its_model_written_with_the_proof(
    command: Command, weights: Path, recording: Path, layer: LSTM, tmp_path: Path
) -> None:
    target = tmp_path / "found.safetensors"
    ended = command("doctor", weights, "--against", recording, "-o", target)
    assert (ended.code, ended.err) == (exit_codes.DONE, "")
    table, found = ended.out.split("found: ")
    assert table.split()[0] == "error"
    errors = [float(line.split()[0]) for line in table.splitlines()[1:]]
    assert errors == sorted(errors)
    assert errors[0] < 1e-6 < 1e-3 < errors[1]
    assert found.startswith("lstm, gates i f g o (keras), weights (I, G·H), sigmoid: reproduces the reference to ")
    assert "next best" in found
    assert "input weights: 'a', recurrent weights: 'b', bias: 'c'" in found
    model = load(target)
    np.testing.assert_array_equal(model.layers[0].tensors()["input_weights"], layer.input_weights)
    assert model.notes["proof"]["proven"] is True
    assert model.notes["proof"]["source"] == "io.npz"
    assert model.notes["source"]["convention"].startswith("lstm, gates i f g o (keras)")
    assert str(tmp_path) not in str(model.notes)


def test_json_has_the_conventions_of_the_table(command: Command, weights: Path, recording: Path, tmp_path: Path) -> None:
    table = command("doctor", weights, "--against", recording).out.splitlines()
    ended = command("doctor", weights, "--against", recording, "--json", "-o", tmp_path / "found.safetensors")
    found = json.loads(ended.out)
    assert ended.code == exit_codes.DONE
    assert "found.safetensors: written" in ended.err
    assert (found["found"], found["verdict"].startswith("found: lstm, gates i f g o (keras)")) == (True, True)
    assert [f"{row['error']:.2e}" for row in found["conventions"]] == [line.split()[0] for line in table[1:9]]


def test_the_steps_that_were_compared_are_told_of_a_longer_recording(
    command: Command, weights: Path, layer: LSTM, tmp_path: Path
) -> None:
    for n_steps, told in ((50, ", 50 steps, "), (80, ", first 50 of 80 steps, ")):
        ended = command("doctor", weights, "--against", record(tmp_path / "io.npz", layer, n_steps=n_steps))
        assert told in ended.out


def test_a_graph_serves_as_the_reference(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="runs the graph: pip install 'streamrnn[convert]'")
    layer = gru(np.random.default_rng(0), 3, 4)
    (tmp_path / "gru.onnx").write_bytes(onnx_file(layer, initial=True))
    save_file({name: np.ascontiguousarray(array) for name, array in as_onnx(layer).items()}, tmp_path / "w.safetensors")
    ended = command(
        "doctor", tmp_path / "w.safetensors", "--against", tmp_path / "gru.onnx", "-o", tmp_path / "out.safetensors"
    )
    assert ended.code == exit_codes.DONE
    assert "found: gru, gates z r n (onnx), weights (G·H, I), reset-after, second bias" in ended.out
    assert load(tmp_path / "out.safetensors").notes["proof"]["proven"] is True


def test_where_no_convention_or_several_fit_nothing_is_written(command: Command, weights: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.safetensors"
    other = record(tmp_path / "other.npz", from_zero(lstm(np.random.default_rng(5), 3, 4)))
    ended = command("doctor", weights, "--against", other, "-o", target)
    assert (ended.code, "NOT found" in ended.out) == (exit_codes.NOT_PROVEN, True)
    ended = command("doctor", weights, "--against", other, "--tolerance", "100", "-o", target)
    assert (ended.code, "NOT decided" in ended.out) == (exit_codes.NOT_PROVEN, True)
    assert not target.exists()


def test_what_cannot_be_read_is_an_error_of_one_line_that_names_it(
    command: Command, weights: Path, recording: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"garbage")
    missing = tmp_path / "missing.npz"
    for arguments, name in [
        ((bad, "--against", recording), bad),
        ((weights, "--against", bad), bad),
        ((missing, "--against", recording), missing),
        ((weights, "--against", missing), missing),
        ((recording, "--against", recording), recording),
        ((weights, "--against", recording, "-o", weights), weights),
        ((weights, "--against", recording, "-o", tmp_path / "no" / "where"), tmp_path / "no"),
    ]:
        ended = command("doctor", *arguments)
        assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
        assert str(name) in ended.err
