"""Models that read their input backwards, on the command line: imported with a proof, shown, run over whole recordings."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Model, Pointwise, Reverse, StreamRNNError, load, run_offline
from streamrnn.command import exit_codes
from streamrnn.command.running.formats import Row
from streamrnn.command.running.session import OnError
from streamrnn.command.running.whole import Whole
from tests.command.conftest import csv
from tests.command.process import Command
from tests.command.test_import import gru_file
from tests.models import gru, rebuilt, signal

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")


@pytest.fixture(scope="module")
def backward() -> Model:
    return Model([Reverse(2), gru(np.random.default_rng(3), 2, 4), Reverse(4)])


@pytest.fixture(scope="module")
def archive(backward: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "backward.safetensors"
    backward.save(path)
    return path


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return signal(500, 2)


def test_both_directions_are_imported_offline_with_a_proof_and_a_report(command: Command, tmp_path: Path) -> None:
    source, report = gru_file(tmp_path / "both.onnx", direction="bidirectional"), tmp_path / "report.json"
    refused = command("import", source)
    assert (refused.code, "streamrnn import --offline" in refused.err) == (exit_codes.FAILED, True)
    ended = command("import", source, "--offline", "--report", report)
    assert ended.code == exit_codes.DONE
    assert "remark: the model reads recordings backwards: it cannot be streamed" in ended.err
    assert "layers were not compared one by one: the graph answers whole recordings" in ended.out
    archive = source.with_suffix(".safetensors")
    assert load(archive).notes["proof"]["proven"] is True
    assert json.loads(report.read_text())["proven"] is True
    assert command("verify", archive, "--against", source).code == exit_codes.DONE


def test_a_checkpoint_is_not_imported_offline(command: Command, tmp_path: Path) -> None:
    ended = command("import", tmp_path / "weights.npz", "--offline")
    assert (ended.code, "--offline and --report are for ONNX" in " ".join(ended.err.split())) == (2, True)


def test_what_such_a_model_is_can_be_seen(command: Command, archive: Path) -> None:
    assert "offline only" in command("inspect", archive).out
    assert json.loads(command("inspect", archive, "--json").out)["streamable"] is False


def test_lines_are_one_recording_answered_behind_the_last(
    command: Command, backward: Model, archive: Path, tmp_path: Path, x: np.ndarray
) -> None:
    (tmp_path / "in.csv").write_bytes(b"".join(csv(x)))
    ended = command("run", archive, tmp_path / "in.csv", "-o", tmp_path / "out.f32")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (tmp_path / "out.f32").read_bytes() == run_offline(backward, x).tobytes()


def test_a_bad_line_stops_before_any_answer_or_is_left_out(
    command: Command, backward: Model, archive: Path, tmp_path: Path, x: np.ndarray
) -> None:
    lines = csv(x[:9])
    (tmp_path / "in.csv").write_bytes(b"".join([*lines[:4], b"1,nan\n", *lines[4:]]))
    out = tmp_path / "out.csv"
    ended = command("run", archive, tmp_path / "in.csv", "-o", out)
    assert (ended.code, out.read_bytes()) == (exit_codes.FAILED, b"")
    assert ended.err.startswith("error: line 5: value 2 is nan")
    ended = command("run", archive, tmp_path / "in.csv", "-o", out, "--on-error", "skip")
    assert (ended.code, ended.err.splitlines()[1:]) == (0, ["left out 1 rows that could not be used"])
    assert out.read_bytes() == b"".join(csv(run_offline(backward, x[:9])))


def test_there_is_no_state_to_go_on_with(command: Command, archive: Path, tmp_path: Path) -> None:
    ended = command("run", archive, tmp_path / "in.csv", "--state", tmp_path / "state")
    assert (ended.code, "answers whole recordings" in " ".join(ended.err.split())) == (2, True)
    assert not (tmp_path / "state").exists()


def test_a_recording_that_is_too_long_is_refused_by_its_line(backward: Model, x: np.ndarray) -> None:
    rows = [Row(f"line {number}", row.tolist()) for number, row in enumerate(x, 1)]
    with pytest.raises(StreamRNNError, match=r"^line 6: the recording has more than 10 values"):
        list(Whole(backward, OnError.STOP, longest=8, most=10).answers(rows))
    blocks = list(Whole(backward, OnError.STOP, longest=8, most=10).answers(rows[:5]))
    assert np.concatenate(blocks).tobytes() == run_offline(backward, x[:5]).tobytes()


def test_an_output_beyond_float32_is_refused() -> None:
    beyond = Model([Reverse(1), Pointwise(1, "exp")])
    with pytest.raises(StreamRNNError, match="the output left the range of float32; scale the input"):
        list(Whole(beyond, OnError.STOP, longest=8).answers([Row("line 1", [100.0])]))


def test_what_such_a_model_needs_is_compiled_ahead(command: Command, archive: Path) -> None:
    ended = command("warmup", "--pools", archive)
    assert (ended.code, ended.err) == (0, "")
    assert "kernels compiled" in ended.out


def test_units_that_never_move_are_seen_in_a_backward_layer_too(backward: Model) -> None:
    from streamrnn_converters.proof.sanity_checks import suspicions

    assert suspicions(backward) == ()
    layer = backward.layers[1]
    shut = rebuilt(layer, bias=np.full((3, 4), 30.0, np.float32))
    (warning,) = suspicions(Model([Reverse(2), shut, Reverse(4)]))[:1]
    assert warning.startswith("layer 1 (gru): ")
