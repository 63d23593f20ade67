"""`streamrnn verify`: what is compared, what is shown, and with which exit code."""

import json
from pathlib import Path

import pytest

from streamrnn import load
from streamrnn.command import exit_codes
from streamrnn.model import Model
from tests.command.process import Command
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")

from tests.command.graphs import gru_file  # noqa: E402


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


def test_json_is_all_that_a_report_has(command: Command, pair: list[str | Path], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    ended = command("verify", *pair, "--horizon", "50", "--json", "--report", report)
    assert (ended.code, ended.err) == (exit_codes.DONE, f"{report}: written\n")
    found = json.loads(ended.out)
    assert found == json.loads(report.read_text())
    assert (found["proven"], found["horizon"] is None, bool(found["layers"])) == (True, False, True)


def test_what_differs_far_out_is_not_proven(command: Command, pair: list[str | Path]) -> None:
    archive = Path(pair[0])
    (layer,) = load(archive).layers
    Model([rebuilt(layer, bias=layer.bias + 1e-3)]).save(archive)  # type: ignore[attr-defined]
    ended = command("verify", *pair, "--horizon", "50")
    assert ended.code == exit_codes.NOT_PROVEN
    assert "does NOT hold: output 'Y' differs from step 0 on" in ended.out


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
