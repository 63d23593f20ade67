import itertools
import time

import pytest

PROC = {
    "stat": "cpu  10 1 20 300 4 5 6 7 0 0\ncpu0 5 0 10 150 2 2 3 3 0 0\nintr 900 1 2 3\nctxt 800\nbtime 1\nprocesses 70\n"
    "procs_running 3\nprocs_blocked 2\n",
    "vmstat": "nr_free_pages 1\npgpgin 40\npgpgout 50\npgfault 60\n",
    "meminfo": "MemTotal:       2000 kB\nMemAvailable:       1000 kB\n",
    "net/dev": "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n"
    "    lo: 9999 1 0 0 0 0 0 0 9999 1 0 0 0 0 0 0\n"
    "  eth0: 100 1 0 0 0 0 0 0 11 1 0 0 0 0 0 0\n"
    "  eth1: 200 1 0 0 0 0 0 0 22 1 0 0 0 0 0 0\n",
}


@pytest.fixture
def counters(example, monkeypatch, tmp_path):
    module = example("counters")
    (tmp_path / "net").mkdir()
    for name, text in PROC.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(module, "PROC", tmp_path)
    return module


def test_every_counter_is_found_in_its_place(counters):
    before = time.time()
    reading = counters.read()
    assert before <= reading.time <= time.time()
    assert reading[1:9] == (10, 1, 20, 300, 4, 5, 6, 7)
    assert (reading.interrupts, reading.switches, reading.forks) == (900, 800, 70)
    assert (reading.running, reading.blocked) == (3, 2)
    assert (reading.paged_in, reading.paged_out, reading.faults, reading.available) == (40, 50, 60, 1000)


def test_network_is_all_interfaces_but_the_loopback(counters):
    reading = counters.read()
    assert (reading.received, reading.sent) == (300, 33)


def test_a_system_without_the_counters_is_told_so(counters, monkeypatch, tmp_path):
    monkeypatch.setattr(counters, "PROC", tmp_path / "none")
    with pytest.raises(OSError, match="the counters of Linux"):
        counters.read()


def test_readings_keep_to_a_fixed_beat_whatever_the_reader_does(counters):
    begin = time.time()
    late = []
    for tick, reading in enumerate(counters.every(0.2, 0.65)):
        late.append(reading.time - begin - 0.2 * tick)
        time.sleep(0.05)
    assert len(late) == 4
    assert -0.02 < min(late) < 0.1


def test_beats_that_were_missed_are_left_out(counters):
    readings = counters.every(0.1, 0.95)
    next(readings)
    time.sleep(0.5)
    times = [reading.time for reading in readings]
    assert len(times) < 7
    assert all(after - before > 0.02 for before, after in itertools.pairwise(times[1:]))
