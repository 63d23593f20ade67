"""`--plot` of `run` and `bench`: a picture at the end, and the errors that it shows."""

import re
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Stream, load
from streamrnn.command.running import plot
from tests.command.pictures import legend_covers_nothing
from tests.command.process import Command

pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")


def table(path: Path, n_rows: int = 400, truth: str = "truth") -> np.ndarray:
    """A csv with two inputs and a truth, which is empty in the second row; the numbers, with NaN for it."""
    rows = np.random.default_rng(0).normal(size=(n_rows, 3)).astype(np.float32)
    rows[1, 2] = np.nan
    lines = (",".join("" if np.isnan(value) else repr(value) for value in row) for row in rows.tolist())
    path.write_text(f"a,b,{truth}\n" + "\n".join(lines) + "\n")
    return rows


def test_the_errors_are_those_of_the_first_output_and_the_truth_is_copied(
    command: Command, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(tmp_path / "in.csv")
    expected = Stream(load(archive)).process(rows[:, :2])
    errors = (expected[:, 0] - rows[:, 2])[[0, *range(2, 400)]]
    for n_columns in (4000, 50):  # as lines, and as the range of each column
        monkeypatch.setattr(plot, "MOST_COLUMNS", n_columns)
        picture = tmp_path / f"out{n_columns}.png"
        ended = command("run", archive, tmp_path / "in.csv", "-o", tmp_path / "o.csv", "--plot", picture, "--truth", "truth")
        assert ended.code == 0, ended.err
        (mae, rmse) = map(float, re.search(r"out\d+\.png: 400 steps, MAE (\S+), RMSE (\S+)$", ended.err, re.MULTILINE).groups())
        assert mae == pytest.approx(np.abs(errors).mean(), rel=1e-3)
        assert rmse == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-3)
        assert picture.read_bytes().startswith(b"\x89PNG")
    output = [line.split(",") for line in (tmp_path / "o.csv").read_text().splitlines()]
    assert [float(kept or "nan") for kept, *_ in output] == pytest.approx(rows[:, 2].tolist(), nan_ok=True)
    np.testing.assert_array_equal(np.array([line[1:] for line in output], np.float32), expected)


def test_a_wav_is_drawn_over_seconds_and_the_legend_covers_no_data(command: Command, archive: Path, tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="reads wav: pip install 'streamrnn[audio]'")
    rows = table(tmp_path / "in.csv")[:, :2]
    soundfile.write(tmp_path / "in.wav", np.clip(np.nan_to_num(rows), -0.9, 0.9), 100)
    for name, time, last in (("in.csv", "step", 400), ("in.wav", "seconds", 4)):
        columns = [] if name == "in.wav" else ["--columns", "1,2"]
        output = tmp_path / f"{name}.f32"
        ended = command("run", archive, tmp_path / name, *columns, "-o", output, "--plot", tmp_path / "o.svg")
        assert ended.code == 0, ended.err
        drawn = (tmp_path / "o.svg").read_text()
        assert f"<!-- {time}; 400 steps -->" in drawn
        assert max(map(float, re.findall(r"<!-- ([\d.]+) -->", drawn))) == last  # the last number on the axis of time
        assert legend_covers_nothing(drawn)


def test_more_values_than_are_kept_are_told(
    command: Command, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(tmp_path / "in.csv", 30)
    monkeypatch.setattr(plot, "MOST_VALUES", 0)
    ended = command("run", archive, tmp_path / "in.csv", "--columns", "1,2", "--plot", tmp_path / "o.svg")
    assert (ended.code, "no output, so nothing is drawn" in ended.err) == (0, True)
    assert len(ended.out.splitlines()) == 30


def test_bench_draws_a_histogram(command: Command, archive: Path, tmp_path: Path) -> None:
    ended = command("bench", archive, "--steps", "200", "--plot", tmp_path / "b.svg")
    assert ended.code == 0, ended.err
    assert (tmp_path / "b.svg").read_text().startswith("<?xml")


def test_what_cannot_be_drawn_is_refused_before_the_run(command: Command, archive: Path, tmp_path: Path) -> None:
    table(tmp_path / "in.csv", 3)
    for arguments, words in (
        (["--plot", tmp_path / "o.txt"], "a picture is one of .png, .svg, .pdf"),
        (["--truth", "truth"], "--truth is drawn; give --plot FILE too"),
        (["--plot", tmp_path / "o.png", "--key", "a", "--store", tmp_path / "s"], "--plot draws one signal"),
    ):
        ended = command("run", archive, tmp_path / "in.csv", *arguments)
        assert ended.code == 2
        assert words in " ".join(re.sub("[│╭╮╰╯─]", " ", ended.err).split())
    assert command("run", archive, tmp_path / "in.csv", "--plot", tmp_path / "no" / "o.png").code == 1
    (tmp_path / "bad.csv").write_text("a,b,truth\n1,2,3\n1,2,high\n")
    ended = command("run", archive, tmp_path / "bad.csv", "--plot", tmp_path / "o.png", "--truth", "truth")
    assert (ended.code, "line 3: the truth is 'high', which is not a number" in ended.err) == (1, True)
