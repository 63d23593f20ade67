"""Mutants of good files are refused by errors of ours, or import: none crashes, hangs, or raises anything else."""

import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="imports ONNX graphs, and onnx is not installed")
pytest.importorskip("resource", reason="bounds the memory of a process, which this system cannot")

from tests.fuzz import fuzzing
from tests.fuzz.fuzzing import Worker, fuzz, main
from tests.fuzz.mutants import corpus, mutant
from tests.fuzz.worker import outcome
from tests.models import one_width  # noqa: F401  (a fixture)

N = 2000
FOUND = Path(__file__).parent / "found"  # mutants that were failures once, by what is wrong with them
FIRST = 1_000_000  # others than those of `make fuzz`


def test_two_thousand_mutants_are_refused_or_imported() -> None:
    counts = fuzz(FIRST, FIRST + N)
    assert counts["refused"] + counts["imported"] == N, counts
    assert counts["imported"] > N / 20
    assert counts["refused"] > N / 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("path", sorted(FOUND.iterdir()), ids=lambda path: path.stem)
def test_what_once_failed_does_so_no_more(path: Path) -> None:
    assert outcome(path.suffix, path.read_bytes()) in ("refused", "imported")


def test_a_number_gives_one_mutant_and_most_numbers_another() -> None:
    mutants = [mutant(number) for number in range(100)]
    assert mutants == [mutant(number) for number in range(100)]
    assert len(set(mutants)) > 95
    assert len({data for _, data in mutants} & set(corpus())) < 20
    assert {suffix for suffix, _ in map(mutant, range(3, 2000, 4))} == {".json", ".nam", ".keras", ".h5"}


def test_a_mutant_that_kills_or_stops_the_process_is_a_failure_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = """
import os, sys, time
for number in sys.stdin:
    {1: os.abort, 3: lambda: time.sleep(60)}.get(int(number), lambda: print("refused", flush=True))()
"""

    class Fragile(Worker):
        command = (sys.executable, "-c", script)

    monkeypatch.setattr(fuzzing, "Worker", Fragile)
    monkeypatch.setattr(fuzzing, "SECONDS", 1.0)
    assert main(5, tmp_path) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"1.onnx", "1.txt", f"3{mutant(3)[0]}", "3.txt", "state.json"}
    assert (tmp_path / "1.txt").read_text() == "failed: crashed, with exit code -6\n"
    assert (tmp_path / "3.txt").read_text() == "failed: hung, for more than 1 s\n"
    assert (tmp_path / f"3{mutant(3)[0]}").read_bytes() == mutant(3)[1]


def test_a_run_goes_on_where_the_last_one_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []

    def only_counting(first: int, end: int, folder: Path, told: fuzzing.Told) -> None:
        seen.extend(range(first, end))
        told(end, Counter(refused=end - first))

    monkeypatch.setattr(fuzzing, "fuzz", only_counting)
    assert [main(n, tmp_path) for n in (10, 10, 25)] == [0, 0, 0]
    assert seen == list(range(25))
    assert "25 of 25: 25 refused, 0 imported, 0 failed" in capsys.readouterr().err
