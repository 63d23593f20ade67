"""The benchmarks run, and what they found becomes a table, a JSON file and a picture. Their figures are no test's business."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("pytest_benchmark", "matplotlib"):
    pytest.importorskip(package, reason="the benchmarks need the extra 'bench'")

ROOT = Path(__file__).parents[2]
OPTIONS = ["--rounds=1", "--sizes=1x3,2x2", "--kinds=lstm,gru", "--calls=1000", "--streams=3,20", "--also=tails,memory"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def ended(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *OPTIONS, "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}  # a run of its own
    environment["RESULTS"] = str(folder)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_table_has_every_measurement(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stderr
    for layer in ("lstm 1x3", "lstm 2x2", "gru 1x3", "gru 2x2"):
        for measured in ("step", "process of 1000"):
            assert any(line.startswith(layer) and measured in line for line in ended.stdout.splitlines())
        for n_streams in "3", "20":
            assert any(line.split()[:3] == [*layer.split(), n_streams] for line in ended.stdout.splitlines())
    assert re.search(r"lstm 1x3 +step \(\d+ lanes × \d+\)", ended.stdout)
    for measured in ("single call p99.9", "start to first step", "references left", "make bench ROUNDS=1 "):
        assert measured in ended.stdout
    assert "passed" not in ended.stdout
    assert "lstm 1x3: step by step" in ended.stderr


def test_the_picture_of_the_steps_is_drawn_before_all_else_is_measured(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.stderr.index("lstm 2x2: step by step") < ended.stderr.index("bench.png") < ended.stderr.index("steps at once")


def test_the_json_says_who_took_part_on_what(ended: subprocess.CompletedProcess[str], folder: Path) -> None:
    found = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    assert {"cpu", "versions", "threads", "date", "command"} <= found["environment"].keys()
    contenders = {entry["extra_info"]["contender"] for entry in found["benchmarks"]}
    expected = {"streamrnn step", "streamrnn loop", "streamrnn process", "read: 16 lanes", "streamrnn pool", "peak"}
    for package, name in (("onnxruntime", "onnxruntime run"), ("torch", "torch cell")):
        if importlib.util.find_spec(package):
            expected.add(name)
    assert expected <= contenders
    for entry in found["benchmarks"]:
        assert 0 < entry["stats"]["min"] <= entry["stats"]["median"]
    (memory,) = (entry["extra_info"] for entry in found["benchmarks"] if entry["extra_info"]["what"] == "memory")
    assert (memory["traced_bytes"], memory["nrt_allocations"], memory["references"]) == (0, 0, 0)


def test_the_pictures_are_drawn(ended: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert (folder / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (folder / "bench.svg").read_bytes()


def test_a_contender_that_is_not_installed_is_missed_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.contender import missing

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert missing("torch cell") == "torch is not installed: pip install 'streamrnn[torch]'"
    assert missing("onnxruntime run") == "onnxruntime is not installed: pip install 'streamrnn[convert]'"
    assert missing("streamrnn step") is None
