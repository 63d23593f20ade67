"""The widths of a kind are timed, and the rule's choice is put beside the best. The figures are no test's business."""

import re

import pytest

from benchmarks import tune
from streamrnn.target.packing import Width


def test_each_way_has_a_line_and_a_sum_of_how_far_the_choice_is_from_the_best(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMRNN_LANES", "8")
    monkeypatch.setattr(tune, "tried", lambda layer: [Width(8, 1), Width(8, 2)])
    tune.main(["--kinds=dense", "--sizes=2x20", "--rounds=2"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert re.search(r"first cache \d+ KB, second \d+ KB", head)
    of_ways, sums = lines[:2], lines[2:]
    for way, line, whole in zip(("step", "process"), of_ways, sums, strict=True):
        found = re.fullmatch(rf"dense +2x20 +{way} +8,[12] +\d+ ns +(\d\.\d+)  8,[12]=\d+ 8,[12]=\d+", line)
        assert found, line
        assert float(found[1]) >= 1
        assert whole == f"dense      {way}: the choice takes {found[1]} times the best at worst, {found[1]} on average"


def test_a_width_that_is_timed_is_that_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_LANES", "8")
    layer = tune.KINDS["dense"](2, 20)
    for width in Width(8, 1), Width(8, 2):
        plan = tune.stream_of(layer, width)._workspace.plan
        assert plan.widths == [width]
    assert tune.choice(layer).lanes == 8
