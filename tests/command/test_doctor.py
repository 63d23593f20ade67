"""`streamrnn doctor` and the import of checkpoints: exit code 0 is a proof, everything else says what is missing."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamrnn import LSTM, load
from streamrnn.command import exit_codes
from tests import reference
from tests.command.process import Command
from tests.converters.doctor.test_doctor import as_keras, as_onnx, from_zero, onnx_file
from tests.models import gru, lstm, one_width, rebuilt, signal  # noqa: F401  (one_width is a fixture)


@pytest.fixture
def layer() -> LSTM:
    return from_zero(lstm(np.random.default_rng(0), 3, 4))


@pytest.fixture
def recording(tmp_path: Path, layer: LSTM) -> Path:
    return record(tmp_path / "io.npz", layer)


def record(path: Path, layer: object, loudness: float = 2.0) -> Path:
    x = signal(30, 3, loudness=loudness)
    np.savez(path, input=x, output=reference.run_layer(layer, x)[0].astype(np.float32))
    return path


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


@pytest.mark.parametrize(
    "arguments",
    [["net.onnx", "--layers", "lstm:"], ["net.onnx", "--dtype", "float64"], ["net.pt", "--against", "a.npz", "--no-verify"]],
)
def test_options_that_do_not_fit_are_wrong_usage(command: Command, arguments: list[str]) -> None:
    assert command("import", *arguments).code == 2
