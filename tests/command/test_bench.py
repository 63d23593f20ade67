"""`streamrnn bench`: which results it reports. The speed of a machine cannot be tested."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import RNN, Activation, Model, load
from streamrnn.command import exit_codes
from tests.command.process import Command

NUMBER = (int, float)
ENGINE = {
    "step": dict.fromkeys(("p50_ns", "p99_ns", "p99_9_ns", "max_ns"), NUMBER),
    "deadline_misses": (int, type(None)),
    "chunk": {"per_step_ns": NUMBER},
    "loop": {"per_step_ns": NUMBER, "dispatch_ns": NUMBER},
    "memory": {"n_steps": int, "traced_bytes": int, "resident_bytes": (int, type(None))},
}
SCHEMA = {
    "model": {"file": str, "fingerprint": str, "input_size": int, "output_size": int, "parameters": int, "dtype": str},
    "environment": {
        "cpu": str,
        "cores": int,
        "system": str,
        "python": str,
        "versions": dict,
        "threads": int,
        "date": str,
    },
    "steps": int,
    "deadline_ns": (int, float, type(None)),
    "clock_ns": NUMBER,
    "remarks": list,
    "streamrnn": ENGINE,
}


@pytest.fixture
def command(command: Command) -> Command:
    return partial(command, "bench")


def check(found: Any, schema: Any) -> None:
    """The names are those of the schema, and the values have its types."""
    if isinstance(schema, dict):
        assert found.keys() == schema.keys()
        for name, inner in schema.items():
            check(found[name], inner)
    else:
        assert isinstance(found, schema)


def check_order(step: dict[str, float]) -> None:
    assert 0 <= step["p50_ns"] <= step["p99_ns"] <= step["p99_9_ns"] <= step["max_ns"]


def test_the_json_has_all_that_is_measured_and_on_what(command: Command, archive: Path) -> None:
    ended = command(archive, "--steps", "1500", "--json")
    assert (ended.code, ended.err) == (exit_codes.DONE, "")
    found = json.loads(ended.out)
    check(found, SCHEMA | {"onnxruntime": type(None)})
    model = load(archive)
    assert (found["model"]["file"], found["model"]["fingerprint"]) == (archive.name, model.fingerprint)
    assert (found["steps"], found["deadline_ns"], found["streamrnn"]["deadline_misses"]) == (1500, None, None)
    assert found["streamrnn"]["memory"]["n_steps"] == 2000  # in whole rounds
    assert found["environment"]["versions"]["numpy"] == np.__version__
    check_order(found["streamrnn"]["step"])


def test_steps_take_nothing_from_memory(command: Command, archive: Path) -> None:
    memory = json.loads(command(archive, "--steps", "5000", "--json").out)["streamrnn"]["memory"]
    assert memory["traced_bytes"] == 0
    assert (memory["resident_bytes"] or 0) <= 1 << 20


def test_the_table_names_all_of_it(command: Command, archive: Path) -> None:
    ended = command(archive, "--steps", "100", "--deadline", "1e9")
    assert (ended.code, ended.err) == (exit_codes.DONE, "")
    for label in ("p50", "p99", "p99.9", "max", "chunk", "compiled loop", "call from Python", "bytes", "steps over 1e+09 µs"):
        assert label in ended.out
    assert archive.name in ended.out
    assert "onnxruntime" not in ended.out
    assert "\x1b" not in ended.out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_missed_deadline_is_an_exit_code_and_a_line_on_standard_error(
    command: Command, archive: Path, options: list[str]
) -> None:
    ended = command(archive, "--steps", "200", "--deadline", "0", *options)
    assert ended.code == exit_codes.TOO_LATE
    assert ended.err.startswith("error: ")
    assert ended.err.endswith(" of 200 steps took longer than 0 µs\n")
    if options:
        found = json.loads(ended.out)
        assert 0 < found["streamrnn"]["deadline_misses"] <= 200
        assert found["deadline_ns"] == 0


def test_onnxruntime_takes_its_turns_with_the_graph(command: Command, tmp_path: Path) -> None:
    archive, source = imported(tmp_path)
    ended = command(archive, "--against", source, "--steps", "100", "--json", "--deadline", "1e9")
    assert ended.code == exit_codes.DONE
    found = json.loads(ended.out)
    other = {"chunk": dict, "loop": type(None), "memory": type(None)}
    check(found, SCHEMA | {"onnxruntime": ENGINE | other})
    check_order(found["onnxruntime"]["step"])
    assert found["onnxruntime"]["deadline_misses"] == 0
    assert ended.err == "".join(f"remark: {remark}\n" for remark in found["remarks"])
    assert len(found["remarks"]) == 1
    shown = command(archive, "--against", source, "--steps", "100")
    assert "onnxruntime" in shown.out


def imported(folder: Path) -> tuple[Path, Path]:
    """An archive and the graph that it was made from."""
    pytest.importorskip("onnxruntime", reason="comparing needs the extra 'convert'")
    from streamrnn_converters import from_onnx
    from tests.command.graphs import gru_file

    source = gru_file(folder / "gru.onnx")
    archive = folder / "gru.safetensors"
    from_onnx(source).save(archive)
    return archive, source


def test_a_graph_of_another_model_is_refused(command: Command, tmp_path: Path) -> None:
    _, source = imported(tmp_path)
    other = tmp_path / "other.safetensors"
    Model([RNN(np.ones((1, 4, 7)), np.zeros((1, 4, 4)))]).save(other)
    ended = command(other, "--against", source)
    assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
    assert "takes 7 values, but the graph 2" in ended.err


@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_source_that_is_no_model_is_an_error_of_one_line(
    command: Command, archive: Path, tmp_path: Path, content: bytes | None
) -> None:
    pytest.importorskip("onnx", reason="comparing needs the extra 'convert'")
    source = tmp_path / "bad.onnx"
    if content is not None:
        source.write_bytes(content)
    ended = command(archive, "--against", source)
    assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
    assert ended.err.startswith("error: ")


def test_a_missing_extra_says_how_to_install_it(
    command: Command, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "some.onnx"
    source.write_bytes(b"")
    for name in [name for name in sys.modules if name.partition(".")[0] == "streamrnn_converters"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    ended = command(archive, "--against", source)
    assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
    assert "streamrnn[convert]" in ended.err


def test_a_model_that_overflows_is_an_error_of_one_line(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "diverging.safetensors"
    Model([RNN(np.ones((1, 4, 1)), np.full((1, 4, 4), 9.0), activations=(Activation("relu"),))]).save(path)
    ended = command(path)
    assert (ended.code, ended.out, ended.err.count("\n")) == (exit_codes.FAILED, "", 1)
    assert ended.err.startswith("error: ")


@pytest.mark.parametrize("options", [["--steps", "0"], ["--steps", "many"], ["--deadline", "-1"]])
def test_options_without_sense_are_wrong_usage(command: Command, archive: Path, options: list[str]) -> None:
    ended = command(archive, *options)
    assert (ended.code, ended.out) == (2, "")


def test_without_numba_it_says_how_to_install_it(command: Command, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamrnn.command.bench.code_cache.numba_version", lambda: None)
    ended = command(archive)
    assert (ended.code, ended.out) == (1, "")
    assert (
        ended.err
        == "error: bench: needs Numba for a compiled loop, and it is not installed; pip install 'streamrnn[compile]'\n"
    )


def test_it_explains_itself_with_examples(command: Command) -> None:
    ended = command("--help")
    assert (ended.code, ended.err) == (0, "")
    assert "Examples:\n    streamrnn bench " in ended.out
    assert f"{exit_codes.TOO_LATE}: with --deadline" in ended.out
