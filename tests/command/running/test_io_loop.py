"""`streamrnn run` between two pipes: it answers at once, and saves the right state however it ends."""

import fcntl
import os
import resource
import signal
import subprocess
import termios
import time
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Model, Stream
from tests.command.process import COMMAND, PATIENCE, finished, started


def state_after(model: Model, x: np.ndarray) -> bytes:
    stream = Stream(model)
    stream.process(x)
    return stream.snapshot()


def pipe_is_full(descriptor: int) -> None:
    """Wait until the writer of the pipe has been unable to write for a while."""
    held, before = 0, -1
    while held != before or held < 1 << 14:
        time.sleep(0.2)
        before, held = held, int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), "little")


def test_a_line_is_answered_before_the_next_is_written(archive: Path, lines: list[bytes], answers: list[bytes]) -> None:
    with started("run", archive) as process:
        for line, answer in zip(lines[:10], answers[:10], strict=True):
            process.stdin.write(line)
            assert process.stdout.readline() == answer
        process.stdin.write(lines[10][:3])
        process.stdin.write(lines[10][3:] + lines[11] + lines[12].strip())
        assert [process.stdout.readline() for _ in range(2)] == answers[10:12]
        process.stdin.close()
        assert process.stdout.read() == answers[12]
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


def test_a_raw_record_is_answered_before_the_next_is_written(archive: Path, x: np.ndarray, y: np.ndarray) -> None:
    with started("run", archive, "--format", "f32") as process:
        for row, answer in zip(x[:3].astype("<f4"), y[:3].astype("<f4"), strict=True):
            process.stdin.write(row.tobytes()[:5])
            process.stdin.write(row.tobytes()[5:])
            assert process.stdout.read(8) == answer.tobytes()


def test_two_halves_from_a_pipe_are_the_bytes_of_one_run(
    archive: Path, lines: list[bytes], answers: list[bytes], tmp_path: Path
) -> None:
    halves = [
        finished("run", archive, "--state", tmp_path / "state", stdin=b"".join(part)) for part in (lines[:150], lines[150:])
    ]
    assert b"".join(half.stdout for half in halves) == b"".join(answers)
    assert [(half.returncode, half.stderr) for half in halves] == [(0, b"")] * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_wait_for_input_quietly_with_the_state_saved(
    archive: Path, gated: Model, x: np.ndarray, lines: list[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    with started("run", archive, "--state", tmp_path / "state") as process:
        for line in lines[:7]:
            process.stdin.write(line)
            process.stdout.readline()
        process.send_signal(number)
        assert process.wait(PATIENCE) == 128 + number
        assert process.stderr.read() == b""
    assert (tmp_path / "state").read_bytes() == state_after(gated, x[:7])


def test_ctrl_c_counts_even_where_it_ends_the_input_too(archive: Path, lines: list[bytes]) -> None:
    with started("run", archive) as process:
        process.stdin.write(lines[0])
        process.stdout.readline()
        process.stdin.write(lines[1][:4])  # the program before it in the pipeline also ends, within a line
        process.send_signal(signal.SIGINT)
        process.stdin.close()
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == b""


def test_a_signal_ends_a_wait_for_a_reader_and_the_state_is_that_of_the_whole_lines_in_the_pipe(
    archive: Path, gated: Model, tmp_path: Path
) -> None:
    x = np.tile(np.arange(-4, 4, dtype=np.float32).reshape(4, 2) / 8, (5000, 1))
    (tmp_path / "in.csv").write_bytes(b"".join(b"%r,%r\n" % tuple(row) for row in x.tolist()))
    with started("run", archive, tmp_path / "in.csv", "--state", tmp_path / "state") as process:
        first = process.stdout.readline()
        os.set_blocking(process.stdout.fileno(), False)
        pipe_is_full(process.stdout.fileno())
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143
        written = first + process.stdout.read()
    assert written.endswith(b"\n")
    assert 0 < written.count(b"\n") < len(x)
    assert (tmp_path / "state").read_bytes() == state_after(gated, x[: written.count(b"\n")])


def test_a_closed_reader_ends_a_wait_for_input_quietly_with_the_state_saved(
    archive: Path, gated: Model, x: np.ndarray, lines: list[bytes], tmp_path: Path
) -> None:
    with started("run", archive, "--state", tmp_path / "state") as process:
        process.stdin.write(b"".join(lines[:3]))
        for _ in range(3):
            process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""
    assert (tmp_path / "state").read_bytes() == state_after(gated, x[:3])


def test_head_ends_a_long_run_quietly(archive: Path, lines: list[bytes], answers: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"".join(lines) * 100)
    command = " ".join([*COMMAND, "run", str(archive), str(tmp_path / "in.csv"), "| head -1; exit ${PIPESTATUS[0]}"])
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=PATIENCE, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, answers[0], b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
def test_a_full_disk_is_an_error_of_one_line_and_nothing_counts(
    archive: Path, gated: Model, x: np.ndarray, lines: list[bytes], tmp_path: Path
) -> None:
    result = finished("run", archive, "-o", "/dev/full", "--state", tmp_path / "state", stdin=b"".join(lines))
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == b"error: /dev/full: cannot be written (No space left on device)\n"
    assert (tmp_path / "state").read_bytes() == state_after(gated, x[:0])


def test_a_disk_that_fills_up_holds_whole_lines_and_the_state_behind_them(
    archive: Path, gated: Model, x: np.ndarray, lines: list[bytes], answers: list[bytes], tmp_path: Path
) -> None:
    room = len(b"".join(answers)) * 2 // 3
    result = finished(
        *("run", archive, "-o", tmp_path / "out", "--state", tmp_path / "state"),
        stdin=b"".join(lines),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    assert result.returncode == 1
    assert result.stderr == f"error: {tmp_path / 'out'}: cannot be written (File too large)\n".encode()
    written = (tmp_path / "out").read_bytes().splitlines(keepends=True)
    assert 0 < len(written) < len(lines)
    assert written == answers[: len(written)]
    assert (tmp_path / "state").read_bytes() == state_after(gated, x[: len(written)])


def test_a_closed_standard_input_is_an_error_of_one_line(archive: Path) -> None:
    command = " ".join([*COMMAND, "run", str(archive), "<&-"])
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=PATIENCE, check=False)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == b"error: standard input: is closed; name a file\n"
