import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

LINE = r"\d\d:\d\d:\d\d  last second +\d+\.\d%  as predicted +(-|\d+\.\d%)  next second +\d+\.\d%"

on_linux = pytest.mark.skipif(not Path("/proc/stat").is_file(), reason="live.py reads /proc of Linux")


@on_linux
def test_without_a_terminal_it_prints_a_plain_line_a_second_and_sums_up(host_load, tmp_path):
    command = [sys.executable, host_load / "live.py", "--seconds", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, summary = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert re.fullmatch(LINE, line)
    assert summary.startswith("RMSE over 1 s: model ")


@on_linux
def test_ctrl_c_ends_it_quietly_with_a_summary(host_load):
    def heed_ctrl_c():  # which a run of the tests in the background would have its children ignore
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, host_load / "live.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c) as live:
        live.stdout.readline()
        live.send_signal(signal.SIGINT)
        out, err = live.communicate(timeout=30)
    assert (live.returncode, err) == (0, "")
    assert "no forecast has met its second yet" in out or "RMSE" in out


@on_linux
def test_a_reader_that_goes_away_is_no_error(host_load):
    command = [sys.executable, host_load / "live.py", "--seconds", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as live:
        live.stdout.close()
        err = live.stderr.read()
        assert live.wait(timeout=30) == 0
    assert err == ""


def test_a_system_without_proc_is_told_so(example, monkeypatch, tmp_path):
    live, counters = example("live"), example("counters")
    monkeypatch.setattr(counters, "PROC", tmp_path)
    monkeypatch.setattr(sys, "argv", ["live.py", "--seconds", "1"])
    with pytest.raises(SystemExit, match=r"live\.py: .*counters of Linux"):
        live.main()


def test_a_model_file_that_is_not_there_is_told_without_a_traceback(host_load):
    command = [sys.executable, host_load / "live.py", "--model", "nowhere.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "nowhere.onnx" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_score_is_the_rmse_of_both_forecasts(example):
    score = example("live").Score()
    for truth, predicted, before in [(0.5, 0.4, 0.5), (0.9, 0.6, 0.5)]:
        score.add(truth, predicted, before)
    model, persistence = np.sqrt((0.1**2 + 0.3**2) / 2), np.sqrt(0.4**2 / 2)
    assert str(score) == f"RMSE over 2 s: model {100 * model:.2f}, persistence {100 * persistence:.2f} points of CPU"


def test_a_terminal_gets_truth_and_forecast_as_bars(example):
    live = example("live")
    from rich.console import Console

    console = Console(width=100, force_terminal=False)
    with console.capture() as captured:
        console.print(live.bars(live.Moment(0.25, None, 0.75), live.Score()))
    text = captured.get()
    assert "last second" in text
    assert "25.0%" in text
    assert "75.0%" in text
    assert "as predicted" in text
