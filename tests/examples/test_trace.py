import gzip
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest


@pytest.fixture(scope="module")
def dataset(example):
    return example("dataset")


@pytest.fixture(scope="module")
def readings(dataset):
    return dataset.read_trace(dataset.TRACE)


@pytest.fixture(scope="module")
def data(dataset, readings):
    return dataset.dataset(readings)


def test_the_trace_has_more_than_an_hour_once_a_second(readings):
    steps = np.diff([reading.time for reading in readings])
    assert len(readings) > 3600
    assert (steps > 0).all()
    assert np.mean(np.abs(steps - 1) < 0.1) > 0.99


def test_totals_since_boot_do_not_go_back(example, readings):
    now = {"time", "running", "blocked", "available", "iowait", "idle"}  # idle and iowait may, by a little: proc(5)
    for name in set(example("counters").Counters._fields) - now:
        values = [getattr(reading, name) for reading in readings]
        assert all(before <= after for before, after in pairwise(values)), name


def test_every_part_of_the_trace_has_real_variation(data):
    for part in (data, *data.split()):
        assert 0.05 < part.load.mean() < 0.95
        assert part.load.std() > 0.1
        assert len(np.unique(part.load)) > 30  # of some 200 that the clock ticks of two CPUs can tell apart


def test_the_parts_follow_each_other_in_time_and_share_no_second(data):
    parts = data.split()
    assert sum(map(len, parts)) == len(data)
    np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), data.x)
    np.testing.assert_allclose([len(part) / len(data) for part in parts], (0.7, 0.1, 0.2), atol=0.001)


def test_the_truth_is_the_load_of_the_row_that_follows(data):
    np.testing.assert_array_equal(data.following[:-1], data.load[1:])
    np.testing.assert_array_equal(data.x[:, 0], data.load)


def test_a_pause_of_the_recorder_is_not_scored(dataset, readings):
    before, after = readings[:10], readings[12:20]
    counts = dataset.dataset([*before, *after]).counts
    assert len(counts) == 16
    assert np.flatnonzero(~counts).tolist() == [8, 9]  # the second before the pause, whose truth is missing, and the pause


@pytest.mark.parametrize(
    ("line", "message"), [("1,2,3", "line 3"), ("a" + ",1" * 19, "line 3"), ("1.0" + ",1" * 18 + ",x", "line 3")]
)
def test_a_line_that_is_no_reading_is_named(example, dataset, tmp_path, line, message):
    path = tmp_path / "trace.csv.gz"
    header = ",".join(example("counters").Counters._fields)
    path.write_bytes(gzip.compress(f"{header}\n1.0{',1' * 19}\n{line}\n".encode()))
    with pytest.raises(ValueError, match=message):
        dataset.read_trace(path)


def test_a_file_that_is_no_trace_is_refused(dataset, tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"other\.csv, line 1"):
        dataset.read_trace(tmp_path / "other.csv")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the recorder reads /proc of Linux")
def test_a_recording_goes_on_where_it_was(dataset, host_load, tmp_path):
    path = tmp_path / "trace.csv"
    command = [sys.executable, host_load / "record.py", path, "--interval", "0.05", "--seconds", "0.11"]
    for _ in range(2):
        subprocess.run(command, check=True, timeout=60)
    readings = dataset.read_trace(path)
    assert 4 <= len(readings) <= 6
    assert all(before.time < after.time for before, after in pairwise(readings))
