"""Many signals: each line continues the signal of its key, and the store has the right states however the run ends."""

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import Embedding, Model, StateStore, Stream, StreamPool
from streamrnn.command.running import keyed_session
from tests.command.process import PATIENCE, Command, Ended, called, finished, started
from tests.models import dense, gru, rnn

N_KEYS = 7
Run = Callable[..., Ended]


@pytest.fixture(scope="session")
def keys(x: np.ndarray) -> list[str]:
    """The key of each row of the signal."""
    return [f"sensor {index}" for index in np.random.default_rng(4).integers(0, N_KEYS, len(x))]


@pytest.fixture(scope="session")
def lines(x: np.ndarray, keys: list[str]) -> list[bytes]:
    """The signal as csv, with the key between the values."""
    return [f"{row[0]!s},{key},{row[1]!s}\n".encode() for key, row in zip(keys, x, strict=True)]


@pytest.fixture(scope="session")
def y(gated: Model, x: np.ndarray, keys: list[str]) -> list[np.ndarray]:
    """The outputs of a separate stream for each key."""
    alone = {key: Stream(gated) for key in set(keys)}
    return [alone[key].step(row) for key, row in zip(keys, x, strict=True)]


@pytest.fixture(scope="session")
def answers(y: list[np.ndarray], keys: list[str]) -> list[bytes]:
    return [f"{key},{','.join(map(str, row))}\n".encode() for key, row in zip(keys, y, strict=True)]


def states_after(model: Model, x: np.ndarray, keys: list[str], n_rows: int) -> dict[Any, bytes]:
    """The state of each key after so many rows, from a separate stream."""
    rows: dict[str, list[int]] = {}
    for index, key in enumerate(keys[:n_rows]):
        rows.setdefault(key, []).append(index)
    stream, states = Stream(model), {}
    for key, indices in rows.items():
        stream.reset()
        stream.process(x[indices])
        states[key] = stream.snapshot()
    return states


def stored(path: Path) -> dict[Any, bytes]:
    with StateStore(path) as store:
        return store.get(store)


@pytest.fixture
def states(tmp_path: Path) -> Path:
    return tmp_path / "states"


@pytest.fixture
def run(archive: Path, states: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A function that runs the archive on a file of these bytes; the output goes to the file `out`."""

    def run_on(data: bytes, *options: str | Path, key: str = "2", name: str = "in.csv", out: str = "out") -> Ended:
        (tmp_path / name).write_bytes(data)
        arguments = ("run", archive, tmp_path / name, "-o", tmp_path / out, "--key", key, "--store", states, *options)
        return called(capfd, monkeypatch, *arguments)

    return run_on


@pytest.mark.parametrize("max_rows", [37, keyed_session.MAX_ROWS])
def test_every_line_goes_on_with_the_signal_of_its_key(
    run: Run, max_rows: int, gated: Model, states: Path, lines: list[bytes], answers: list[bytes], tmp_path: Path,
    x: np.ndarray, keys: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In blocks of any size, with several lines of the same key."""
    monkeypatch.setattr(keyed_session, "MAX_ROWS", max_rows)
    assert run(b"".join(lines)) == Ended(0, "", "")
    assert (tmp_path / "out").read_bytes() == b"".join(answers)
    assert stored(states) == states_after(gated, x, keys, len(x))


def test_the_key_is_found_by_the_name_of_its_column_too(
    run: Run, lines: list[bytes], answers: list[bytes], tmp_path: Path
) -> None:
    for header, key in ((b"load, id ,heat\n", "id"), (b'"load";"id, of";"heat"\n', "id, of"), (b"load,2,heat\n", "2")):
        (tmp_path / "states").unlink(missing_ok=True)
        ended = run(header + b"".join(lines), key=key)
        assert (ended.code, "header" in ended.err) == (0, key == "2")
        assert (tmp_path / "out").read_bytes() == b"".join(answers)


def test_two_runs_with_a_store_are_one(run: Run, lines: list[bytes], answers: list[bytes], tmp_path: Path) -> None:
    outputs = []
    for part in lines[:150], lines[150:]:
        assert run(b"".join(part)) == Ended(0, "", "")
        outputs.append((tmp_path / "out").read_bytes())
    assert b"".join(outputs) == b"".join(answers)


def test_formats_carry_the_same_numbers(run: Run, x: np.ndarray, y: list[np.ndarray], keys: list[str], tmp_path: Path) -> None:
    """Arrays, objects with numbers in any order, and objects with an array. The output can be the input of another run."""
    expected = [[key, *map(float, row)] for key, row in zip(keys, y, strict=True)]
    rows = list(zip(keys, x.tolist(), strict=True))
    forms = {
        "1": [[key, *row] for key, row in rows],
        "id": [{"id": key, "a": row[0], "b": row[1]} if n % 2 else {"b": row[1], "id": key, "a": row[0]} for n, (key, row) in
               enumerate(rows, 1)],
        "name": [{"name": key, "x": row} for key, row in rows],
    }  # fmt: skip
    for column, form in forms.items():
        (tmp_path / "states").unlink(missing_ok=True)
        data = "\n".join(map(json.dumps, form)).encode()
        assert run(data, key=column, name="in.jsonl", out="out.jsonl") == Ended(0, "", "")
        found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
        assert [[row[0], *map(np.float32, row[1:])] for row in found] == expected
    assert run((tmp_path / "out.jsonl").read_bytes(), key="1", name="again.jsonl", out="out.csv") == Ended(0, "", "")


def test_keys_keep_their_text_and_their_type(run: Run, states: Path, tmp_path: Path) -> None:
    given = ["a,b", 'say "x"', " λ ", "7", 7, "a;b\tc"]
    data = "\n".join(json.dumps([key, 1, 2]) for key in given).encode()
    assert run(data, key="1", name="in.jsonl").code == 0
    assert [json.loads(line)[0] for line in (tmp_path / "out").read_bytes().splitlines()] == given
    assert run(data, key="1", name="in.jsonl", out="out.csv") == Ended(0, "", "")
    assert list(stored(states)) == given
    written = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert written[0].startswith('"a,b",')
    assert written[1].startswith('"say ""x""",')
    assert run("".join(f"{line}\n" for line in written[:2]).encode(), key="1").code == 0
    assert (tmp_path / "out").read_text(encoding="utf-8").startswith('"a,b",')
    assert list(stored(states)) == given


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"1,,2", "line 3: column 2 is empty"),
        (b"1", "line 3: 1 column, but the key is in column 2"),
        (b"1,a", "line 3: 1 value, but the model takes 2"),
        (b"1,a,2,3", "line 3: 3 values, but the model takes 2"),
        (b"1,a,oops", "line 3: value 2 is 'oops'"),
        (b"nan,a,1", "line 3: value 1 is nan"),
        (b"1,\xff,2", "line 3: '\\\\xff' is not UTF-8"),
        (b'1,"a,2', "line 3: its quotes are wrong"),
        (b'1,"a\x00",2', "line 3: 'a\\x00' has a line break or a zero byte"),
    ],
)
def test_a_bad_line_is_named_and_counts_for_no_signal(
    run: Run, line: bytes, error: str, states: Path, gated: Model, x: np.ndarray, keys: list[str],
    lines: list[bytes], answers: list[bytes], tmp_path: Path,
) -> None:  # fmt: skip
    ended = run(b"".join([*lines[:2], line + b"\n", *lines[2:]]))
    assert ended.code == 1
    assert ended.err.startswith(f"error: {error}")
    assert (tmp_path / "out").read_bytes() == b"".join(answers[:2])
    assert stored(states) == states_after(gated, x, keys, 2)
    rest = run(b"".join([line + b"\n", *lines[2:]]), "--on-error", "skip")
    assert (rest.code, rest.err.splitlines()[1]) == (0, "skipped 1 row")
    assert (tmp_path / "out").read_bytes() == b"".join(answers[2:])


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"id": "a", "y": 1}', "'x' is not in every line"),
        (b'{"x": 1, "y": 2}', "has no 'id'"),
        (b"[1, 2]", "has no 'id'"),
        (b"7", "has no 'id'"),
        (b'{"id": "", "x": 1, "y": 2}', "the key is '\"\"'"),
        (b'{"id": null, "x": 1, "y": 2}', "the key is 'null'"),
        (b'{"id": true, "x": 1, "y": 2}', "the key is 'true'"),
        (b'{"id": 1.5, "x": 1, "y": 2}', "the key is '1.5'"),
        (b'{"id": 9223372036854775808, "x": 1, "y": 2}', "more than 64 bits"),
        (b'{"id": "\\ud800", "x": 1, "y": 2}', "UTF-8 cannot represent"),
        (b'{"id": "a", "x": 1, "y": true}', "value 2 is 'true'"),
    ],
)
def test_a_bad_object_is_named(run: Run, line: bytes, error: str) -> None:
    ended = run(b'{"id": "a", "x": 1, "y": 2}\n' + line, key="id", name="in.jsonl")
    assert ended.code == 1
    assert ended.err.startswith("error: line 2: ")
    assert error in ended.err


@pytest.mark.parametrize("header", [b"load,heat\n", b"id,id,heat\n", b"1,2,3\n", b""])
def test_a_column_that_is_not_there_is_an_error_before_anything_is_written(
    run: Run, header: bytes, lines: list[bytes], tmp_path: Path, states: Path
) -> None:
    ended = run(header + b"".join(lines), key="id")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert ended.err.startswith("error: line 1: the header must have one column 'id', but has ")
    assert ((tmp_path / "out").exists(), stored(states)) == (False, {})


def diverging() -> Model:
    """h' = relu(x + 2 h): four steps with 1e38 leave the range of float32."""
    layer = rnn(np.random.default_rng(0), 1, 1, activations=("relu",))
    return Model([type(layer)([[[1.0]]], [[[2.0]]], activations=("relu",))])


def test_lines_that_a_stream_refuses_are_found_among_others_and_undone(
    command: Command, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    diverging().save(tmp_path / "model")
    rng = np.random.default_rng(2)
    rows = [(f"k{rng.integers(3)}", 1.0 if rng.integers(4) else 1e38) for _ in range(60)]
    alone, expected, refused = {key: Stream(diverging()) for key, _ in rows}, [], []
    for number, (key, value) in enumerate(rows, 1):
        try:
            expected.append(f"{key},{alone[key].step([value])[0]!s}\n")
        except ArithmeticError:
            refused.append(number)
    (tmp_path / "in").write_text("".join(f"{key},{value}\n" for key, value in rows))
    options = ("--key", "1", "--store", tmp_path / "states", "--on-error", "skip")
    ended = command("run", tmp_path / "model", tmp_path / "in", "-o", tmp_path / "out", *options)
    assert (tmp_path / "out").read_text() == "".join(expected)
    *errors, last = ended.err.splitlines()
    assert [int(error.split(":")[1].removeprefix(" line ")) for error in errors] == refused
    assert last == f"skipped {len(refused)} rows"
    assert stored(tmp_path / "states") == {key: stream.snapshot() for key, stream in alone.items()}


def test_an_index_that_is_none_is_refused_by_line(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Model([Embedding(rng.normal(size=(4, 3))), gru(rng, 3, 4), dense(rng, 4, 1)]).save(tmp_path / "model")
    (tmp_path / "in").write_text("a,1\nb,2\na,9\nb,3\n")
    ended = command(
        *("run", tmp_path / "model", tmp_path / "in", "-o", tmp_path / "out"),
        *("--key", "1", "--store", tmp_path / "states", "--on-error", "skip"),
    )
    assert ended.code == 0
    assert ended.err.startswith("error: line 3: ")
    assert [line[:2] for line in (tmp_path / "out").read_text().splitlines()] == ["a,", "b,", "b,"]


def test_the_output_never_replaces_the_store(run: Run, lines: list[bytes], states: Path) -> None:
    run(b"".join(lines))
    before = stored(states)
    for out in "states", "states-wal":
        for resume in [], ["--resume"]:
            ended = run(b"".join(lines), *resume, out=out)
            assert ended.code == 1
            assert "would replace" in ended.err
    assert stored(states) == before


def test_a_store_that_is_none_or_another_models_is_an_error_of_one_line(
    run: Run, lines: list[bytes], states: Path, tmp_path: Path
) -> None:
    with StateStore(states) as store:
        store.put({"a": Stream(diverging()).snapshot()})
    for message in "use that model", "not a state store":
        ended = run(b"".join(lines))
        assert (ended.code, ended.err.count("\n")) == (1, 1)
        assert message in ended.err
        assert not (tmp_path / "out").exists()
        states.write_bytes(b"key,state\n" * 100)


@pytest.mark.parametrize("stop", [0, 1, 100, 250, 400])
def test_a_run_that_stopped_is_resumed(run: Run, stop: int, lines: list[bytes], answers: list[bytes], tmp_path: Path) -> None:
    """It stopped at a bad line, which is then corrected. Output that does not count is removed."""
    header = b"load,id,heat\n"
    bad = [*lines[:stop], b"1,oops\n", *lines[stop + 1 :]] if stop < len(lines) else lines
    assert run(header + b"".join(bad), "--resume", key="id").code == (stop < len(lines))
    assert (tmp_path / "out").read_bytes() == b"".join(answers[:stop])
    with open(tmp_path / "out", "ab") as out:
        out.write(answers[0] + answers[1][:5])
    assert run(header + b"".join(lines), "--resume", key="id") == Ended(0, "", "")
    assert (tmp_path / "out").read_bytes() == b"".join(answers)


def test_a_resumed_run_passes_over_the_lines_that_were_left_out(
    run: Run, lines: list[bytes], answers: list[bytes], tmp_path: Path
) -> None:
    bad = b"1,,2\n"
    first = run(bad + b"".join(lines[:9]) + bad + bad, "--on-error", "skip", "--resume")
    again = run(bad + b"".join(lines[:9]) + bad + bad + b"".join(lines[9:]), "--on-error", "skip", "--resume")
    assert (first.code, len(first.err.splitlines()), again) == (0, 4, Ended(0, "", ""))
    assert (tmp_path / "out").read_bytes() == b"".join(answers)


def test_what_is_not_what_the_run_began_with_is_refused(
    run: Run, lines: list[bytes], answers: list[bytes], states: Path, tmp_path: Path
) -> None:
    run(b"".join(lines[:50]))
    out, before = tmp_path / "out", stored(states)
    others = [lines[1:], lines[:49], [b"0.5,other,0.25\n", *lines[1:]], []]
    for other in others:
        ended = run(b"".join(other), "--resume")
        assert (ended.code, ended.err.count("\n")) == (1, 1)
        assert "the input does not begin with the 50 rows" in ended.err
        assert out.read_bytes() == b"".join(answers[:50])
    for content in b"precious" * 1000, b"".join(answers[:49]):
        out.write_bytes(content)
        ended = run(b"".join(lines), "--resume")
        assert "does not begin with the" in ended.err
        assert out.read_bytes() == content
    assert stored(states) == before


def test_the_same_numbers_with_other_keys_are_another_input(run: Run, lines: list[bytes], states: Path, tmp_path: Path) -> None:
    """The key counts, wherever the line is, and so does its type."""
    run(b"".join(lines[:50]))
    before = stored(states)
    for index in 0, 20, 49:
        other = [*lines[:index], lines[index].replace(b"sensor ", b"other "), *lines[index + 1 :]]
        ended = run(b"".join(other), "--resume")
        assert (ended.code, ended.err.count("\n")) == (1, 1)
        assert "the input does not begin with the 50 rows" in ended.err
    assert stored(states) == before
    states.unlink()
    assert run(b"[7, 1, 2]\n", key="1", name="in.jsonl").code == 0
    assert "the input does not begin with the 1 row " in run(b'["7", 1, 2]\n', "--resume", key="1", name="in.jsonl").err


def test_a_resumed_run_needs_a_file_and_a_store_of_this_command(
    archive: Path, run: Run, lines: list[bytes], states: Path, gated: Model, command: Command
) -> None:
    run(b"")
    ended = command("run", archive, states.parent / "in.csv", "--key", "2", "--store", states, "--resume")
    assert ended.code == 1
    assert "name a file with -o" in ended.err
    for note in "so far", "{}", "[1]", '{"run": {"n_rows": "x"}}', '{"run": {"rows": 1}}':
        with StateStore(states) as store:
            store.put({"a": Stream(gated).snapshot()}, note)
        assert "used by something else" in run(b"".join(lines), "--resume").err


def test_a_line_is_answered_and_committed_before_the_next_is_written(
    archive: Path, gated: Model, states: Path, x: np.ndarray, keys: list[str], lines: list[bytes], answers: list[bytes]
) -> None:
    """Ctrl-C ends the wait for the next line, and the states are those of what was written."""
    with started("run", archive, "--key", "2", "--store", states) as process:
        for line, answer in zip(lines[:10], answers[:10], strict=True):
            process.stdin.write(line)
            assert process.stdout.readline() == answer
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == b""
    assert stored(states) == states_after(gated, x, keys, 10)


@pytest.mark.parametrize("end", ["reader", "SIGTERM"])
def test_however_a_full_pipe_ends_the_states_are_those_of_whole_lines_in_it(
    archive: Path, gated: Model, states: Path, x: np.ndarray, keys: list[str], lines: list[bytes], tmp_path: Path, end: str
) -> None:
    (tmp_path / "in.csv").write_bytes(b"".join(lines) * 20)
    with started("run", archive, tmp_path / "in.csv", "--key", "2", "--store", states) as process:
        written = process.stdout.readline()
        if end == "reader":
            process.stdout.close()
        else:
            process.send_signal(signal.SIGTERM)
            written += process.stdout.read()
        code = process.wait(PATIENCE)
        assert process.stderr.read() == b""
    assert code == (0 if end == "reader" else 143)
    there = stored(states)
    if end == "SIGTERM":
        n_rows = written.count(b"\n")
        assert written.endswith(b"\n")
        assert there == states_after(gated, np.tile(x, (20, 1)), keys * 20, n_rows)


def test_a_full_disk_counts_nothing(archive: Path, states: Path, lines: list[bytes]) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full, a disk without room")
    result = finished("run", archive, "-o", "/dev/full", "--key", "2", "--store", states, stdin=b"".join(lines))
    assert result.returncode == 1
    assert result.stderr == b"error: /dev/full: cannot be written (No space left on device)\n"
    assert stored(states) == {}


@pytest.mark.parametrize("room", [30_000, 90_000, 250_000])
def test_a_disk_that_fills_up_is_an_error_of_one_line_and_the_run_is_resumed(
    archive: Path, states: Path, lines: list[bytes], tmp_path: Path, room: int
) -> None:
    """The disk of the output or that of the store."""
    (tmp_path / "in.csv").write_bytes(b"".join(lines) * 25)
    command = ("run", archive, tmp_path / "in.csv", "-o", tmp_path / "out", "--key", "2", "--store", states, "--resume")
    result = finished(*command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)))
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)
    assert result.stderr.startswith(b"error: ")
    assert finished(*command).returncode == 0
    whole = (tmp_path / "out").read_bytes()
    assert finished(*command[:3], "-o", tmp_path / "again", "--key", "2", "--store", tmp_path / "other").returncode == 0
    assert whole == (tmp_path / "again").read_bytes()


def test_a_store_in_use_is_an_error_of_one_line(run: Run, lines: list[bytes], states: Path) -> None:
    with StateStore(states):
        ended = run(b"".join(lines))
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "one process may open it at a time" in ended.err


def test_a_killed_run_is_resumed_at_any_moment(archive: Path, gated: Model, states: Path, tmp_path: Path) -> None:
    """A run that is killed STREAMRNN_KILLS times answers each line as a run that is not killed.

    What it has written is always a prefix of the right output, with at least the lines that count. The states are those of the
    lines that count.
    """
    rng, n_rows = np.random.default_rng(8), 60_000
    x = rng.normal(size=(n_rows, 2)).astype(np.float32)
    keys = [f"sensor {index}" for index in (rng.pareto(1, n_rows) * 20).astype(int) % 500]
    stream, y = Stream(gated), np.empty_like(x)
    for key in set(keys):
        rows = np.flatnonzero(np.array(keys) == key)
        stream.reset()
        y[rows] = stream.process(x[rows])
    outputs = [(key, *row) for key, row in zip(keys, y, strict=True)]
    answers = [",".join(map(str, output)).encode() + b"\n" for output in outputs]
    right, ends = b"".join(answers), np.cumsum([0, *map(len, answers)]).tolist()
    StreamPool(gated)  # compiled now, and not by each of those that are killed
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("".join(f"{key},{row[0]!s},{row[1]!s}\n" for key, row in zip(keys, x, strict=True)))
    command = ("run", archive, source, "-o", target, "--key", "1", "--store", states, "--resume")
    n_within, n_ahead = 0, 0

    def counted() -> int:
        """The number of rows that count, after a check of the output and the store."""
        nonlocal n_ahead
        written = target.read_bytes() if target.exists() else b""
        with StateStore(states) as store:
            note = json.loads(store.note)["run"] if store.note else {"n_rows": 0, "n_bytes": 0}
            there = store.get(store)
        assert right.startswith(written)
        assert ends[note["n_rows"]] == note["n_bytes"] <= len(written)
        assert there == states_after(gated, x, keys, note["n_rows"])
        n_ahead += note["n_bytes"] < len(written)
        return int(note["n_rows"])

    before = 0
    for _ in range(int(os.environ.get("STREAMRNN_KILLS", "4"))):
        with started(*command) as process:
            cut = False  # whether the output was cut to what counts: then the run has begun
            while process.poll() is None and rng.integers(300):
                size = target.stat().st_size if target.exists() else 0
                cut = cut or size == ends[before]
                if cut and size > ends[before]:
                    break
                time.sleep(0.003)
            with suppress(subprocess.TimeoutExpired):
                process.wait(float(rng.uniform(0, 0.3)))
            process.kill()
            assert process.wait(PATIENCE) in (0, -signal.SIGKILL)
        after = counted()
        assert after >= before
        n_within += before < after < n_rows
        before = after
        if after == n_rows:  # and from the beginning
            states.unlink()
            target.unlink()
            before = 0
    print(f"{n_within} killed within the lines, {n_ahead} with output that does not count")
    assert finished(*command).returncode == 0
    assert (counted(), target.read_bytes()) == (n_rows, right)
