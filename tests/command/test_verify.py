"""`streamrnn verify --horizon` and `--plot`: over how many steps, what is shown, and with which exit code."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamrnn import load
from streamrnn.command import exit_codes
from streamrnn.model import Model
from tests.command.process import Command
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")

from streamrnn_converters import from_onnx  # noqa: E402
from tests.command.test_import import gru_file  # noqa: E402


@pytest.fixture
def pair(tmp_path: Path) -> list[str | Path]:
    source, archive = gru_file(tmp_path / "gru.onnx"), tmp_path / "gru.safetensors"
    from_onnx(source).save(archive)
    return [archive, "--against", source]


@pytest.mark.parametrize(
    ("given", "n_steps"), [(["--horizon"], 10_000), (["--horizon", "300"], 300), (["--horizon=70"], 70), ([], None)]
)
def test_the_horizon_is_as_far_as_it_is_said(
    given: list[str], n_steps: int | None, command: Command, pair: list[str | Path]
) -> None:
    for arguments in ([*pair, *given], [*given, *pair]):
        ended = command("verify", *arguments)
        assert (ended.code, ended.err) == (exit_codes.DONE, "")
        assert ("steps" in ended.out) == (n_steps is not None)
        assert n_steps is None or f"holds over {n_steps} steps: " in ended.out


def test_what_differs_far_out_is_not_proven(command: Command, pair: list[str | Path]) -> None:
    archive = Path(pair[0])
    (layer,) = load(archive).layers
    Model([rebuilt(layer, bias=layer.bias + 1e-3)]).save(archive)  # type: ignore[attr-defined]
    ended = command("verify", *pair, "--horizon", "50")
    assert ended.code == exit_codes.NOT_PROVEN
    assert "does NOT hold: output 'Y' differs from step 0 on" in ended.out


def test_what_looks_wrong_is_warned_of_and_no_reason_to_refuse(command: Command, tmp_path: Path) -> None:
    source, archive = gru_file(tmp_path / "gru.onnx"), tmp_path / "gru.safetensors"
    model = onnx.load(source)
    (weights,) = (tensor for tensor in model.graph.initializer if tensor.name == "W")
    weights.CopyFrom(onnx.numpy_helper.from_array(np.full((1, 15, 2), 0.5, np.float32), "W"))
    onnx.save(model, source)
    for arguments in (["import", source, "--no-verify"], ["import", source], ["verify", archive, "--against", source]):
        ended = command(*arguments)
        assert ended.code == (exit_codes.UNPROVEN if "--no-verify" in arguments else exit_codes.DONE)
        warnings = [line for line in ended.err.splitlines() if line.startswith("warning: ")]
        assert warnings == ["warning: layer 0 (gru): all 30 numbers of input_weights are 0.5; were they trained?"]
        assert "warning" not in ended.out


def test_a_picture_is_drawn_with_a_horizon_of_its_own(command: Command, pair: list[str | Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    ended = command("verify", *pair, "--plot", tmp_path / "a.svg")
    assert (ended.code, ended.err) == (exit_codes.DONE, "")
    assert "holds over 10000 steps: " in ended.out
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (["--horizon", "0"], 2, "--horizon"),
        (["--horizon", "1000001"], 2, "--horizon"),
        (["--plot", "a.pdf"], 1, "a.pdf: a picture is a .png or an .svg"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_run(
    given: list[str], code: int, message: str, command: Command, pair: list[str | Path]
) -> None:
    ended = command("verify", *pair, *given)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


def test_a_picture_that_has_no_place_is_refused_before_anything_is_run(command: Command, pair: list[str | Path]) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot', and that is refused first")
    ended = command("verify", *pair, "--plot", "none/a.png")
    assert (ended.code, ended.out) == (1, "")
    assert "none/a.png: " in ended.err


def test_external_data_is_read_where_it_is_allowed(command: Command, tmp_path: Path) -> None:
    source, archive = gru_file(tmp_path / "gru.onnx"), tmp_path / "gru.safetensors"
    onnx.save(onnx.load(source), source, save_as_external_data=True, location="gru.data", size_threshold=0)
    ended = command("import", source)
    assert ended.code == exit_codes.FAILED
    assert "--allow-external-data" in ended.err
    assert command("import", source, "--allow-external-data").code == exit_codes.DONE
    assert command("verify", archive, "--against", source).code == exit_codes.FAILED
    assert command("verify", archive, "--against", source, "--allow-external-data").code == exit_codes.DONE
    assert command("import", tmp_path / "weights.npz", "--allow-external-data").code == 2


@pytest.mark.parametrize("suffix", [".html", ".json"])
def test_a_report_keeps_what_import_and_verify_have_found(suffix: str, command: Command, tmp_path: Path) -> None:
    source, report = gru_file(tmp_path / "gru.onnx"), tmp_path / f"report{suffix}"
    archive = tmp_path / "gru.safetensors"
    for arguments in (["import", source], ["verify", archive, "--against", source, "--horizon", "50"]):
        ended = command(*arguments, "--report", report)
        assert (ended.code, ended.err) == (exit_codes.DONE, "")
        assert f"{report}: written\n" in ended.out
        assert "holds over" in report.read_text() if suffix == ".html" else json.loads(report.read_text())["horizon"]["agrees"]
        report.unlink()


def test_a_report_is_kept_of_what_is_not_proven_too_and_says_which_layer_differs(
    command: Command, pair: list[str | Path], tmp_path: Path
) -> None:
    archive = Path(pair[0])
    (layer,) = load(archive).layers
    Model([rebuilt(layer, bias=layer.bias + 1e-3)]).save(archive)  # type: ignore[attr-defined]
    ended = command("verify", *pair, "--report", tmp_path / "report.json")
    assert ended.code == exit_codes.NOT_PROVEN
    assert "layer 0 (gru) is the first that differs from its node 'rnn1'" in ended.out
    found = json.loads((tmp_path / "report.json").read_text())
    assert (found["proven"], found["horizon"], found["layers"]["layers"][0]["first_disagreement"]) == (False, None, 0)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (["--report", "a.pdf"], 1, "a.pdf: a report is an .html or a .json"),
        (["--report", "none/a.html"], 1, "none/a.html: its directory does not exist"),
        (["--report", "a.html", "--no-verify"], 2, "--report keeps a proof"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_first(
    given: list[str], code: int, message: str, command: Command, tmp_path: Path
) -> None:
    ended = command("import", gru_file(tmp_path / "gru.onnx"), *given)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert not (tmp_path / "gru.safetensors").exists()
