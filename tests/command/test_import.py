"""`streamrnn import`: nothing is written that is not proven, unless it is asked for."""

import hashlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from streamrnn import GRU, Stream, load
from streamrnn.command import exit_codes
from tests.command.graphs import HIDDEN, gru_file
from tests.command.process import Command, finished
from tests.models import signal

onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
onnxruntime = pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")

from tests.converters.onnx.build.test_single_step import one_step  # noqa: E402
from tests.converters.onnx.onnx_graphs import random_node  # noqa: E402
from tests.converters.onnx.sketch import Sketch  # noqa: E402
from tests.converters.onnx.test_carried_values import plain  # noqa: E402
from tests.converters.onnx.test_from_onnx_layers import rated  # noqa: E402
from tests.converters.onnx.test_from_onnx_steps import dtln  # noqa: E402, F401  (a fixture)


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
    assert command("import", source, "--no-verify").code == exit_codes.UNPROVEN
    assert "not written, the older file is still there" in command("import", source).err


def test_json_tells_what_was_written_and_how_it_was_proven(
    command: Command, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = source.with_suffix(".safetensors")
    ended = command("import", source, "--json")
    found = json.loads(ended.out)
    assert ended.code == exit_codes.DONE
    assert list(found) == ["source", "written", "proven", "proof", "remarks", "warnings"]
    assert (found["source"], found["written"], found["proven"]) == (source.name, str(target), True)
    assert found["proof"] == load(target).notes["proof"]
    assert f"{target}: written\n" in ended.err

    unproven = command("import", source, "--json", "--no-verify")
    assert unproven.code == exit_codes.UNPROVEN
    assert json.loads(unproven.out) | {"remarks": found["remarks"]} == found | {"proven": None, "proof": None}

    refuted = SimpleNamespace(proven=False, to_json=lambda: {"proven": False})
    monkeypatch.setattr("streamrnn.command.import_.prove", lambda model, source: refuted)
    refused = command("import", source, "--json")
    assert refused.code == exit_codes.NOT_PROVEN
    assert "error: " in refused.err
    proof = {"source": source.name, "proven": False}
    assert json.loads(refused.out) == found | {"written": None, "proven": False, "proof": proof}


def test_json_tells_the_remarks_and_a_refusal_has_no_object(command: Command, tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    ended = command("import", tmp_path / "no.onnx", "--json")
    assert (ended.code, ended.out) == (exit_codes.FAILED, "")


def test_the_file_of_another_program_is_kept(command: Command, source: Path) -> None:
    weights = source.with_suffix(".safetensors")
    weights.write_bytes(b"somebody's weights")
    assert command("import", source, "--no-verify").code == exit_codes.UNPROVEN
    assert load(source.with_suffix(".streamrnn.safetensors"))
    ended = command("import", source, "-o", weights)
    assert (ended.code, "--force" in ended.err) == (exit_codes.FAILED, True)
    assert weights.read_bytes() == b"somebody's weights"
    assert command("import", source, "-o", weights, "--force", "--no-verify").code == exit_codes.UNPROVEN
    assert load(weights)


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


@pytest.fixture
def rated_source(tmp_path: Path) -> Path:
    path = tmp_path / "rated.onnx"
    path.write_bytes(rated([])[1])
    return path


def test_an_input_is_fixed_by_set_and_the_archive_remembers_it(command: Command, rated_source: Path) -> None:
    assert command("import", rated_source, "--set", "sr=16000").code == exit_codes.DONE
    archive = rated_source.with_suffix(".safetensors")
    assert load(archive).notes["source"]["constants"] == {"sr": 16000}
    assert command("verify", archive, "--against", rated_source).code == exit_codes.DONE


@pytest.mark.parametrize("setting", ["sr", "=16000", "sr=fast", "sr="])
def test_a_setting_that_is_no_pair_is_an_error(setting: str, command: Command, rated_source: Path) -> None:
    ended = command("import", rated_source, "--set", setting)
    assert ended.code not in (exit_codes.DONE, exit_codes.UNPROVEN)
    assert f"--set {setting}: expected NAME=VALUE" in ended.err.replace("\n", " ")


def test_a_setting_of_an_input_that_is_not_there_is_refused(command: Command, rated_source: Path) -> None:
    ended = command("import", rated_source, "--set", "rate=16000")
    assert (ended.code, ended.err.count("\n")) == (exit_codes.FAILED, 1)
    assert "constant 'rate': the graph has no such input" in ended.err


def test_the_axis_of_time_is_given_by_number_or_name_and_the_archive_remembers_it(command: Command, tmp_path: Path) -> None:
    source = tmp_path / "dense.onnx"
    g = Sketch("BTF", open_axes="BT")
    source.write_bytes(g.bytes(g.add("MatMul", "x", g.draw(3, 2))))
    for setting in ("1", "-2", "x=1"):
        assert command("import", source, "--force", "--time-axis", setting).code == exit_codes.DONE
        assert load(tmp_path / "dense.safetensors").notes["source"]["time_axis"] == {"x": 1}
    assert command("verify", tmp_path / "dense.safetensors", "--against", source).code == exit_codes.DONE


@pytest.mark.parametrize("settings", [["time"], ["x="], ["1", "2"], ["x=1", "2"]], ids=str)
def test_an_axis_of_time_that_is_no_number_is_an_error(settings: list[str], command: Command, rated_source: Path) -> None:
    ended = command("import", rated_source, *[part for setting in settings for part in ("--time-axis", setting)])
    assert ended.code not in (exit_codes.DONE, exit_codes.UNPROVEN)
    assert "expected the number of an axis, or NAME=N" in " ".join(ended.err.split())


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
    model = load(archive)
    x = np.abs(np.random.default_rng(3).normal(size=(50, model.input_size))).astype("<f4")
    result = finished("run", archive, "--format", "f32", stdin=x.tobytes())
    assert result.stdout == Stream(model).process(x).astype("<f4").tobytes()


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
    assert (ended.code, "--offline, --time-axis, --state and --report are for ONNX" in " ".join(ended.err.split())) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [["net.onnx", "--layers", "lstm:"], ["net.onnx", "--dtype", "float64"], ["net.pt", "--against", "a.npz", "--no-verify"]],
)
def test_options_that_do_not_fit_are_wrong_usage(command: Command, arguments: list[str]) -> None:
    assert command("import", *arguments).code == 2


def test_a_graph_of_one_step_begins_each_step_anew_unless_its_states_are_carried(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "step.onnx"
    path.write_bytes(one_step(random_node(np.random.default_rng(3), "GRU", 2, HIDDEN)))
    ended = command("import", path, "--no-verify")
    assert "each step begins anew" in ended.err
    assert not any(layer.states for layer in load(path.with_suffix(".safetensors")).layers)
    kept = command("import", path, "--state", "carry", "--no-verify")
    assert kept.code == exit_codes.UNPROVEN
    assert [layer.kind for layer in load(path.with_suffix(".safetensors")).layers] == ["gru"]
    assert "--state keep" in command("import", path, "--state", "keep").err


def test_states_are_paired_by_hand_and_what_was_found_is_said(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "sums.onnx"
    path.write_bytes(plain("a", "b", first=[1, 3], second=[1, 3]))
    assert "(--state first=a --state second=b), or states={} (--state none) if none is" in " ".join(
        command("import", path).err.split()
    )
    kept = command("import", path, "--state", "second=b", "--no-verify")
    assert "graph input 'second' and output 'b', paired by hand" in " ".join(kept.err.split())
    assert load(path.with_suffix(".safetensors")).input_size == 3
    assert command("import", path, "--state", "none", "--no-verify").code == exit_codes.UNPROVEN
    assert load(path.with_suffix(".safetensors")).input_size == 6
    for wrong in (["first="], ["none", "first=b"], ["first=a", "first=b"]):
        assert command("import", path, *(word for pair in wrong for word in ("--state", pair))).code == 2
