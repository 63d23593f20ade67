import re
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture(scope="module")
def output(host_load, tmp_path_factory):
    """What compare.py prints, from another folder and without a terminal."""
    cwd = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run([sys.executable, host_load / "compare.py"], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "proved gru.onnx" in done.stderr
    assert "proved lstm.onnx" in done.stderr
    return done.stdout


def rows(text):
    """Of each model: parameters, MAE, RMSE and skill, as printed."""
    return {
        words[0]: words[1:5]
        for words in map(str.split, text.splitlines())
        if words and words[0] in ("persistence", "GRU", "LSTM") and words[1].isdecimal()
    }


def test_the_table_is_plain_and_whole(output):
    assert list(rows(output)) == ["persistence", "GRU", "LSTM"]
    assert "\x1b" not in output
    assert "…" not in output
    for name in ("GRU", "LSTM"):
        line = next(line for line in output.splitlines() if line.split()[:1] == [name])
        assert re.fullmatch(r" *\w+ +\d+ +\d+\.\d\d +\d+\.\d\d +[+-]\d+\.\d% +\d+\.\d\d +\d+\.\d\d +\d\.\de-\d\d *", line)


def test_the_question_is_answered_and_the_live_command_named(output):
    assert re.search(r"^GRU or LSTM\? (GRU|LSTM|Both|Neither): .+\.$", output, re.MULTILINE)
    assert re.search(r"python\S* \S*live\.py$", output, re.MULTILINE)


def test_the_errors_are_those_of_a_plain_calculation(output, example):
    dataset = example("dataset")
    held_out = dataset.dataset(dataset.read_trace(dataset.TRACE)).split()[2]
    error = 100 * (held_out.load - held_out.following)[held_out.counts].astype(np.float64)
    assert rows(output)["persistence"][1:3] == [f"{np.abs(error).mean():.2f}", f"{np.sqrt((error**2).mean()):.2f}"]


def test_the_readme_shows_these_figures(output, host_load):
    readme = (host_load / "README.md").read_text(encoding="utf-8")
    assert rows(readme) == rows(output)


def test_it_says_what_the_columns_are_and_that_persistence_has_the_smallest_mae(output):
    assert re.search(r"^points: .* skill: .*1 - MSE / MSE of persistence\.", output, re.MULTILINE)
    least = min(rows(output).values(), key=lambda row: float(row[1]))
    assert (f"Persistence has the smallest MAE, {least[1]} points" in output) == (least == rows(output)["persistence"])


def test_the_pictures_of_gates_are_drawn_and_the_readme_says_what_they_show(host_load, tmp_path):
    pytest.importorskip("matplotlib", reason="drawing needs the extra `plot`")
    done = subprocess.run([sys.executable, host_load / "gates.py", tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    gru, lstm = (re.findall(r"-?\d+\.\d\d", line) for line in done.stdout.splitlines())
    readme = " ".join((host_load / "README.md").read_text(encoding="utf-8").split())
    assert f"is {gru[0]} on average in seconds" in readme
    assert f"and {gru[1]} where it moves" in readme
    start, end = (value.replace("-", "−") for value in lstm)
    assert f"c of unit 4 goes from {start} to {end}" in readme
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gru_forgets.png", "lstm_ramps.png"]


def test_a_model_that_is_not_proven_ends_it_with_an_error(example, monkeypatch, capsys):
    compare = example("compare")
    verify = compare.verify
    monkeypatch.setattr(compare, "verify", lambda model, path: verify(model, path, tolerance=0.0))
    with pytest.raises(SystemExit) as ended:
        compare.main()
    assert "gru.onnx" in str(ended.value.code)
    assert "NOT proven" in str(ended.value.code)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("gru", "lstm", "expected"),
    [(0.5, 0.9, "GRU: "), (0.9, 0.5, "LSTM: "), (0.5, 0.5001, "Both: "), (1.0, 1.1, "Neither: "), (2.0, 2.0, "Neither: ")],
)
def test_the_answer_follows_the_figures(example, gru, lstm, expected):
    compare = example("compare")
    noise = np.random.default_rng(0).normal(size=(3, 1200))
    noise[2] = noise[1] + 0.1 * noise[2]  # forecasts of one truth err alike
    baseline = compare.Contender("persistence", noise[0], np.array([]))
    contenders = [
        compare.Contender(name, scale * error, np.ones(1200), parameters)
        for name, scale, error, parameters in (("GRU", gru, noise[1], 10), ("LSTM", lstm, noise[2], 20))
    ]
    assert compare.answer(baseline, contenders).startswith(f"GRU or LSTM? {expected}")
