"""Each kind is timed at all amplitudes, with biases and without. The figures are no test's business."""

import pytest

from benchmarks import quiet


def test_each_kind_has_a_line_with_biases_and_one_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMRNN_LANES", "8")
    quiet.main(["--kinds=dense", "--sizes=2x5", "--rounds=1"])
    _, head, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [["dense", "2x5", "no"], ["dense", "2x5", "bias"]]
    assert all(len(line.split()) - 2 >= len(head.split()) == len(quiet.AMPLITUDES) for line in lines)
    assert lines[1].split()[3] == "1.00"
