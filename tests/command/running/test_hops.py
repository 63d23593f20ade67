"""`streamrnn run` of a model whose steps take several lines."""

import json
from pathlib import Path

import numpy as np
import pytest

from streamrnn import Frame, Model, Reverse, Stream, run_offline
from streamrnn.command.running.formats import Row
from streamrnn.command.running.hops import Hops
from tests.command.process import Command
from tests.models import dense, gru, one_width, signal  # noqa: F401  (a fixture)


@pytest.fixture
def strided() -> Model:
    rng = np.random.default_rng(0)
    return Model([gru(rng, 2, 5), Frame(5, 3, 4), dense(rng, 20, 2)])


def csv(x: np.ndarray) -> str:
    return "".join(",".join(map(str, row)) + "\n" for row in x.tolist())


def numbers(text: str) -> np.ndarray:
    return np.array([line.split(",") for line in text.splitlines()], np.float32)


def test_rows_are_joined_over_calls_and_bad_ones_pass() -> None:
    hops = Hops(2)
    rows = [Row(f"line {n}", [n, -n], kept=(n,)) for n in range(1, 6)]
    bad = Row("line 9", error="is bad")
    joined = [*hops.joined([rows[0], bad]), *hops.joined(rows[1:4]), *hops.joined(rows[4:])]
    assert joined == [bad, Row("line 2", [1, -1, 2, -2], kept=(2,)), Row("line 4", [3, -3, 4, -4], kept=(4,))]
    assert hops.left.startswith("line 5: not answered, as a step takes 2 rows and the last one has only 1")
    assert Hops(2).left == ""


def test_three_lines_give_one_and_the_rest_is_named(command: Command, strided: Model, tmp_path: Path) -> None:
    x = signal(11, 2)
    strided.save(tmp_path / "m")
    (tmp_path / "in.csv").write_text(csv(x))
    ended = command("run", tmp_path / "m", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--state", tmp_path / "state")
    assert ended.code == 0
    assert "line 10 to line 11: not answered, as a step takes 3 rows and the last one has only 2" in ended.err
    expected = Stream(strided).process(x[:9])
    assert numbers((tmp_path / "out.csv").read_text()).tobytes() == expected.tobytes()
    (tmp_path / "rest.csv").write_text(csv(np.concatenate([x[9:], signal(1, 2, seed=1)])))
    ended = command("run", tmp_path / "m", tmp_path / "rest.csv", "-o", tmp_path / "rest.out", "--state", tmp_path / "state")
    assert (ended.code, ended.err) == (0, "")
    whole = Stream(strided).process(np.concatenate([x, signal(1, 2, seed=1)]))
    assert numbers((tmp_path / "rest.out").read_text()).tobytes() == whole[3:].tobytes()


def test_a_bad_line_in_a_step_is_skipped_and_the_step_goes_on(command: Command, strided: Model, tmp_path: Path) -> None:
    x = signal(6, 2)
    strided.save(tmp_path / "m")
    lines = csv(x).splitlines(keepends=True)
    (tmp_path / "in.csv").write_text("".join([*lines[:2], "nan,1\n", *lines[2:]]))
    ended = command("run", tmp_path / "m", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--on-error", "skip")
    assert ended.code == 0
    assert "line 3" in ended.err
    assert numbers((tmp_path / "out.csv").read_text()).tobytes() == Stream(strided).process(x).tobytes()


def test_a_model_that_answers_recordings_takes_whole_steps_too(command: Command, tmp_path: Path) -> None:
    whole, x = Model([Reverse(2), Frame(2, 3)]), signal(7, 2)
    whole.save(tmp_path / "m")
    (tmp_path / "in.csv").write_text(csv(x))
    ended = command("run", tmp_path / "m", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert ended.code == 0
    assert "line 7: not answered" in ended.err
    assert numbers((tmp_path / "out.csv").read_text()).tobytes() == run_offline(whole, x[:6]).tobytes()


def test_many_signals_need_a_model_that_answers_every_line(command: Command, strided: Model, tmp_path: Path) -> None:
    strided.save(tmp_path / "m")
    ended = command("run", tmp_path / "m", "--key", "1", "--store", tmp_path / "states")
    assert ended.code == 2
    assert "a step of this one takes 3" in " ".join(ended.err.split())


def test_inspect_and_bench_tell_of_steps(command: Command, strided: Model, tmp_path: Path) -> None:
    strided.save(tmp_path / "m")
    assert "3 rows for each output row" in command("inspect", tmp_path / "m").out
    assert json.loads(command("inspect", "--json", tmp_path / "m").out)["stride"] == 3
    assert command("bench", tmp_path / "m", "--steps", "100").code == 0
