"""`streamrnn run`: which options go together."""

from pathlib import Path

import pytest

from tests.command.process import Command


@pytest.mark.parametrize("arguments", [[], ["--format", "xml"], ["--on-error", "panic"], ["--nothing"]])
def test_wrong_usage_is_exit_code_2(command: Command, arguments: list[str]) -> None:
    ended = command("run", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Usage: streamrnn run" in ended.err


@pytest.mark.parametrize(
    "options",
    [
        ["--key", "1"],
        ["--store", "{tmp}/s"],
        ["--resume"],
        ["--key", "0", "--store", "{tmp}/s"],
        ["--key", "1", "--store", "{tmp}/s", "--state", "{tmp}/t"],
        ["--key", "1", "--store", "{tmp}/s", "--format", "f32"],
        ["--key", "1", "--store", "{tmp}/s", "--output-format", "f32"],
        ["--header", "--format", "jsonl"],
        ["--decimal-comma", "--format", "jsonl"],
        ["--columns", "1,2", "--format", "f32"],
        ["--keep", "1", "--output-format", "f32"],
        ["--columns", "1,"],
        ["--columns", "0,1"],
        ["--columns", "1,2,3"],
        ["--keep", "time", "--no-header"],
        ["--no-header", "--key", "id", "--store", "{tmp}/s"],
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    command: Command, archive: Path, tmp_path: Path, options: list[str]
) -> None:
    ended = command("run", archive, *(option.format(tmp=tmp_path) for option in options))
    assert (ended.code, ended.out) == (2, "")
    assert not list(tmp_path.iterdir())


def test_there_is_no_state_to_go_on_with(command: Command, backward_archive: Path, tmp_path: Path) -> None:
    ended = command("run", backward_archive, tmp_path / "in.csv", "--state", tmp_path / "state")
    assert (ended.code, "answers whole recordings" in " ".join(ended.err.split())) == (2, True)
    assert not (tmp_path / "state").exists()
