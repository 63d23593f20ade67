"""One signal through files: formats, headers, bad lines, state, and which files are refused."""

import json
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from csv import reader
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Model, Stream, run_offline
from streamrnn.command import exit_codes
from streamrnn.command.running import io_loop, many_signals, one_signal, source_bytes
from streamrnn.command.running.formats import Reader
from tests.command.conftest import csv
from tests.command.process import Command, Ended, called
from tests.models import model

Run = Callable[..., tuple[Ended, bytes]]


@pytest.fixture
def run(archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs the archive on a file of these bytes: how it ended, and the content of the output file."""

    def run_on(data: bytes, *options: str | Path, name: str = "in.csv", output: str = "out") -> tuple[Ended, bytes]:
        (tmp_path / name).write_bytes(data)
        target = tmp_path / output
        target.unlink(missing_ok=True)
        ended = called(capfd, monkeypatch, "run", archive, tmp_path / name, "-o", target, *options)
        return ended, target.read_bytes() if target.exists() else b""

    return run_on


def test_every_line_is_answered_by_one(run: Run, lines: list[bytes], answers: list[bytes]) -> None:
    ended, out = run(b"".join(lines))
    assert (ended, out) == (Ended(0, "", ""), b"".join(answers))


def test_a_header_blank_lines_and_a_missing_last_newline_change_nothing(
    run: Run, lines: list[bytes], answers: list[bytes]
) -> None:
    text = b"\xef\xbb\xbfx,y\r\n" + b"\r\n\r\n".join(line.strip() for line in lines)
    ended, out = run(text)
    assert (ended.code, out) == (0, b"".join(answers))
    assert run(text, "--header") == (Ended(0, "", ""), b"".join(answers))


def test_nothing_in_is_nothing_out(run: Run) -> None:
    assert run(b"") == (Ended(0, "", ""), b"")


def test_formats_carry_the_same_numbers(run: Run, x: np.ndarray, y: np.ndarray, lines: list[bytes]) -> None:
    text = "\n".join(json.dumps(row) for row in x.tolist()).encode()
    _, raw = run(x.astype("<f4").tobytes(), name="in.f32")
    _, array = run(text, name="in.jsonl")
    assert np.frombuffer(raw, "<f4").tobytes() == y.tobytes()
    assert np.array([json.loads(line) for line in array.splitlines()], np.float32).tobytes() == y.tobytes()
    assert run(b"".join(lines), "--output-format", "f32")[1] == raw
    assert run(b"".join(lines), output="out.f32")[1] == raw
    assert run(text, "--format", "jsonl", name="in.txt")[1] == array


def test_a_bad_line_stops_the_run_with_its_number(run: Run, lines: list[bytes], answers: list[bytes]) -> None:
    ended, out = run(b"x,y\n" + b"".join(lines[:5]) + b"1,oops\n" + b"".join(lines[5:]), "--header")
    assert ended == Ended(1, "", "error: line 7: value 2 is 'oops', which is not a number\n")
    assert out == b"".join(answers[:5])


def test_bad_lines_skipped_are_numbered_and_counted(run: Run, lines: list[bytes], answers: list[bytes]) -> None:
    text = [*lines[:5], b"nan,1\n", *lines[5:9], b"1,2,3\n", b"\xff\n", *lines[9:]]
    ended, out = run(b"".join(text), "--on-error", "skip")
    assert out == b"".join(answers)
    assert ended.code == 0
    assert ended.err.splitlines() == [
        "error: line 6: value 1 is nan, which is not a finite float32 number",
        "error: line 11: 3 values, but the model takes 2",
        r"error: line 12: value 1 is '\\xff', which is not a number",
        "skipped 3 rows",
    ]


def test_a_last_record_cut_off_is_an_error_with_its_byte(run: Run, x: np.ndarray, y: np.ndarray) -> None:
    ended, out = run(x[:3].astype("<f4").tobytes()[:-1], name="in.f32")
    assert ended == Ended(1, "", "error: record 3 at byte 16: cut off after 7 of its 8 bytes\n")
    assert out == y[:2].astype("<f4").tobytes()


@pytest.mark.parametrize("half", [0, 1, 200, 400])
def test_two_halves_with_a_state_file_are_one_run(
    run: Run, lines: list[bytes], answers: list[bytes], tmp_path: Path, half: int
) -> None:
    state = tmp_path / "state"
    first, second = (run(b"".join(part), "--state", state) for part in (lines[:half], lines[half:]))
    assert first[1] + second[1] == b"".join(answers)
    assert first[0] == second[0] == Ended(0, "", "")


def test_output_of_a_stream_that_goes_on_is_appended_to_or_left(
    command: Command, archive: Path, lines: list[bytes], answers: list[bytes], tmp_path: Path
) -> None:
    source, out, state = tmp_path / "in.csv", tmp_path / "out", tmp_path / "state"
    arguments = "run", archive, source, "-o", out, "--state", state
    source.write_bytes(b"".join(lines[:30]))
    assert command(*arguments) == Ended(0, "", "")
    before = state.read_bytes()
    source.write_bytes(b"".join(lines[30:]))
    ended = command(*arguments)
    assert (ended.code, out.read_bytes(), state.read_bytes()) == (1, b"".join(answers[:30]), before)
    assert f"{out}: has output already, and the stream goes on from the state in {state}; give --append" in ended.err
    assert command(*arguments, "--append") == Ended(0, "", "")
    assert out.read_bytes() == b"".join(answers)


def test_a_terminal_is_told_where_a_run_stopped_and_how_the_next_one_goes_on(
    command: Command, archive: Path, lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(reader: Reader, outputs: Callable[..., Iterator[bytes]], *arguments: object, **options: object) -> int:
        assert len(list(outputs(reader.feed(b"".join(lines[:3]))))) == 1
        return exit_codes.INTERRUPTED + signal.SIGINT

    source, state = tmp_path / "in.csv", tmp_path / "state"
    source.write_bytes(b"".join(lines))
    monkeypatch.setattr(one_signal, "is_terminal", lambda: True)
    monkeypatch.setattr(one_signal, "run_io_loop", interrupted)
    ended = command("run", archive, source, "--state", state)
    assert ended == Ended(130, "", f"stopped after line 3; {state} has the state, for a next run with the lines that follow\n")
    assert command("run", archive, source, "--state", state).err.startswith(
        f"remark: goes on from the state in {state}; {source} is read from its first line\n"
    )


def test_it_is_shown_how_much_of_a_file_has_been_read(run: Run, lines: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(
        source_bytes, "progress_bar", lambda *_, **__: nullcontext(lambda done, total: seen.append((done, total)))
    )
    data = b"".join(lines) * 20
    assert run(data)[0].code == 0
    assert seen == sorted(seen)
    assert len(seen) > 1
    assert seen[-1] == (len(data), len(data))


@pytest.mark.parametrize("options", [[], ["--output-format", "wav", "--rate", "8000"]])
@pytest.mark.parametrize("bad", [b"1,2,3\n", b"x,1\n"])
def test_a_run_that_fails_before_its_first_output_leaves_the_output_file_as_it_was(
    command: Command, archive: Path, bad: bytes, options: list[str], tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_bytes(bad)
    (tmp_path / "out").write_bytes(b"precious" * 100)
    assert command("run", archive, tmp_path / "in.csv", "-o", tmp_path / "out", *options).code == 1
    assert (tmp_path / "out").read_bytes() == b"precious" * 100


def test_a_run_that_cannot_begin_leaves_no_new_file(command: Command, archive: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,2\n")
    assert command("run", archive, tmp_path / "in.csv", "--columns", "a,c", "-o", tmp_path / "new").code == 1
    assert not (tmp_path / "new").exists()


def test_a_bad_line_keeps_the_state_behind_the_line_before_it(
    run: Run, lines: list[bytes], answers: list[bytes], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    ended, out = run(b"".join([*lines[:30], b"oops\n", *lines[30:]]), "--state", state)
    assert ended.code == 1
    assert out + run(b"".join(lines[30:]), "--state", state)[1] == b"".join(answers)


def test_a_state_is_the_snapshot_of_the_stream(
    run: Run, gated: Model, lines: list[bytes], x: np.ndarray, tmp_path: Path
) -> None:
    run(b"".join(lines), "--state", tmp_path / "state")
    stream = Stream(gated)
    stream.process(x)
    assert (tmp_path / "state").read_bytes() == stream.snapshot()


def test_a_state_of_another_model_is_refused_before_anything_is_read_or_written(
    run: Run, lines: list[bytes], tmp_path: Path
) -> None:
    other = Stream(model("gru-reset-after")).snapshot()
    state, out = tmp_path / "state", tmp_path / "kept"
    state.write_bytes(other)
    out.write_bytes(b"precious")
    ended, _ = run(b"".join(lines), "--state", state)
    assert ended.code == 1
    assert ended.err.startswith(f"error: {state}: is the state of another model, ")
    assert ended.err.count("\n") == 1
    assert state.read_bytes() == other
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", [b"", b"no snapshot", None])
def test_a_damaged_state_is_refused(run: Run, gated: Model, lines: list[bytes], tmp_path: Path, damage: bytes | None) -> None:
    state = tmp_path / "state"
    saved = Stream(gated).snapshot()
    state.write_bytes(saved[:-1] if damage is None else damage)
    ended, out = run(b"".join(lines), "--state", state)
    assert (ended.code, ended.err.count("\n"), out) == (1, 1, b"")
    assert ended.err.startswith(f"error: {state}: ")


def test_a_state_that_cannot_be_kept_is_found_before_the_first_line(run: Run, lines: list[bytes], tmp_path: Path) -> None:
    ended, out = run(b"".join(lines), "--state", tmp_path / "nowhere" / "state")
    assert (ended.code, out) == (1, b"")
    assert "cannot be written" in ended.err


def test_a_line_without_end_is_refused(run: Run) -> None:
    ended, out = run(bytes(2 << 20))
    assert (ended.code, out) == (1, b"")
    assert ended.err.startswith("error: line 1: 1114112 bytes without a line break")


def test_the_output_never_replaces_what_is_read(command: Command, archive: Path, lines: list[bytes], tmp_path: Path) -> None:
    signal = tmp_path / "in.csv"
    signal.write_bytes(b"".join(lines))
    before = archive.read_bytes()
    for target in (signal, archive):
        ended = command("run", archive, signal, "-o", target)
        assert (ended.code, ended.out) == (1, "")
        assert "would replace" in ended.err
    both = tmp_path / "new"
    assert command("run", archive, signal, "-o", both, "--state", both).code == 1
    assert not both.exists()
    assert signal.read_bytes() == b"".join(lines)
    assert archive.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["{tmp}/missing.safetensors"], "cannot be read"),
        (["{tmp}"], "cannot be read"),
        (["{tmp}/empty"], "not a streamrnn archive"),
        (["{tmp}/altered"], "SHA-256"),
        (["{archive}", "{tmp}/missing.csv"], "cannot be opened"),
        (["{archive}", "{tmp}"], "cannot be read"),
        (["{archive}", "{tmp}/empty", "-o", "{tmp}"], "cannot be opened"),
        (["{archive}", "{tmp}/empty", "-o", "{tmp}/missing/out"], "cannot be opened"),
        (["{archive}", "{tmp}/empty", "--state", "{tmp}"], "cannot be read"),
    ],
)
def test_files_that_cannot_be_used_are_errors_of_one_line(
    command: Command, archive: Path, tmp_path: Path, arguments: list[str], error: str
) -> None:
    (tmp_path / "empty").touch()
    altered = bytearray(archive.read_bytes())
    altered[-1] ^= 1
    (tmp_path / "altered").write_bytes(altered)
    ended = command("run", *(argument.format(tmp=tmp_path, archive=archive) for argument in arguments))
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith("error: ")
    assert error in ended.err


def test_lines_are_one_recording_answered_behind_the_last(
    command: Command, backward: Model, backward_archive: Path, tmp_path: Path, x: np.ndarray
) -> None:
    (tmp_path / "in.csv").write_bytes(b"".join(csv(x)))
    ended = command("run", backward_archive, tmp_path / "in.csv", "-o", tmp_path / "out.f32")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (tmp_path / "out.f32").read_bytes() == run_offline(backward, x).tobytes()


def test_a_bad_line_stops_before_any_answer_or_is_left_out(
    command: Command, backward: Model, backward_archive: Path, tmp_path: Path, x: np.ndarray
) -> None:
    lines = csv(x[:9])
    (tmp_path / "in.csv").write_bytes(b"".join([*lines[:4], b"1,nan\n", *lines[4:]]))
    out = tmp_path / "out.csv"
    ended = command("run", backward_archive, tmp_path / "in.csv", "-o", out)
    assert (ended.code, out.read_bytes()) == (exit_codes.FAILED, b"")
    assert ended.err.startswith("error: line 5: value 2 is nan")
    ended = command("run", backward_archive, tmp_path / "in.csv", "-o", out, "--on-error", "skip")
    assert (ended.code, ended.err.splitlines()[1:]) == (0, ["skipped 1 row"])
    assert out.read_bytes() == b"".join(csv(run_offline(backward, x[:9])))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("keyed", [False, True])
def test_a_block_of_lines_is_written_to_a_pipe_as_a_whole(
    dtype: str, keyed: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A longer block may be written in part; then its lines are in the output, but not in the state."""
    blocks: list[bytes] = []
    monkeypatch.setattr(io_loop, "write_all", lambda target, data, waits: blocks.append(data))
    monkeypatch.setattr(many_signals, "is_regular", lambda target: False)
    model("gru-reset-after").astype(dtype).save(tmp_path / "archive")
    rows = model("gru-reset-after").input_size
    signal = np.random.default_rng(0).normal(size=(2000, rows))
    key, options = ("a,", ["--key", "1", "--store", tmp_path / "store"]) if keyed else ("", [])
    (tmp_path / "in.csv").write_text("".join(key + ",".join(map(str, row)) + "\n" for row in signal))
    assert called(capfd, monkeypatch, "run", tmp_path / "archive", tmp_path / "in.csv", *options).code == 0
    assert max(map(len, blocks)) <= select.PIPE_BUF
    assert b"".join(blocks).count(b"\n") == len(signal)


@pytest.mark.parametrize("compare", ["csv", "jsonl"])
def test_chosen_columns_are_answered_and_kept_ones_are_copied(run: Run, x: np.ndarray, y: np.ndarray, compare: str) -> None:
    text = "time,b,id,a\n" + "".join(f'"t, {n}",{row[1]},{n},{row[0]}\n' for n, row in enumerate(x))
    ended, out = run(text.encode(), "--columns", "a,b", "--keep", "time,id", "--output-format", compare)
    assert ended == Ended(0, "", "")
    expected = [[f"t, {n}", str(n), *row] for n, row in enumerate(y.tolist())]
    if compare == "jsonl":
        found = [json.loads(line) for line in out.splitlines()]
    else:
        found = [[*line[:2], *map(float, line[2:])] for line in reader(out.decode().splitlines())]
    assert [(*row[:2], *np.float32(row[2:])) for row in found] == [(*row[:2], *np.float32(row[2:])) for row in expected]


def test_a_recording_keeps_its_columns_too(
    command: Command, backward: Model, backward_archive: Path, tmp_path: Path, x: np.ndarray
) -> None:
    (tmp_path / "in.csv").write_text("".join(f"t{n},{row[0]},{row[1]}\n" for n, row in enumerate(x)))
    assert command("run", backward_archive, tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--keep", "1").code == 0
    answers = [f"t{n},".encode() + line for n, line in enumerate(csv(run_offline(backward, x)))]
    assert (tmp_path / "out.csv").read_bytes() == b"".join(answers)


def test_a_header_in_another_order_than_the_inputs_of_the_model_is_refused(
    command: Command, gated: Model, tmp_path: Path
) -> None:
    gated.with_notes({"source": {"inputs": [["load", 1], ["heat", 1]]}}).save(tmp_path / "named")
    (tmp_path / "in.csv").write_text("heat,load\n1,2\n")
    ended = command("run", tmp_path / "named", tmp_path / "in.csv")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: line 1: the header has heat, load, but the inputs of the model are load, heat; ")
    assert command("run", tmp_path / "named", tmp_path / "in.csv", "--columns", "load,heat").code == 0


@pytest.mark.parametrize("source", [None, "text", {"inputs": 3}, {"inputs": [["load", 2]]}, {"inputs": [[1, 1], [2, 1]]}])
def test_notes_without_names_refuse_no_header(command: Command, gated: Model, tmp_path: Path, source: object) -> None:
    gated.with_notes({"source": source}).save(tmp_path / "unnamed")
    (tmp_path / "in.csv").write_text("heat,load\n1,2\n")
    assert command("run", tmp_path / "unnamed", tmp_path / "in.csv").code == 0
