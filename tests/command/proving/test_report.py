"""`--report`: the results of `import` and `verify` in a file."""

import json
from pathlib import Path

import pytest

from streamrnn import load
from streamrnn.command import exit_codes
from streamrnn.model import Model
from tests.command.graphs import gru_file
from tests.command.process import Command
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

pytest.importorskip("onnxruntime", reason="verifying needs the extra 'convert'")


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
        (["--report", "a.html", "--no-verify"], 2, "--report writes a proof"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_first(
    given: list[str], code: int, message: str, command: Command, tmp_path: Path
) -> None:
    ended = command("import", gru_file(tmp_path / "gru.onnx"), *given)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert not (tmp_path / "gru.safetensors").exists()
