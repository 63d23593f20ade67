"""The order in which files reach the disk: outputs before the state that counts them, and a folder after a new name in it."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command.process import COMMAND, PATIENCE, Command

Calls = list[tuple[str, str]]  # name of a system call, and the file


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The calls that write or sync, as they are made in this process."""
    made: Calls = []

    def recorded(name: str, file: Callable[..., str]) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            made.append((name, file(*arguments)))
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "fsync", "fdatasync"):
        recorded(name, lambda descriptor, *data: os.readlink(f"/proc/self/fd/{descriptor}"))
    recorded("replace", lambda source, target: str(target))
    return made


def last(calls: Calls, names: tuple[str, ...], file: Path) -> int:
    return max((at for at, (name, of) in enumerate(calls) if name in names and of == str(file)), default=-1)


def check_order(calls: Calls, out: Path, state: Path) -> None:
    written, replaced = last(calls, ("write",), out), last(calls, ("replace", "rename"), state)
    assert 0 <= written < last(calls, ("fsync", "fdatasync"), out) < replaced
    assert last(calls, ("fsync",), out.parent) in range(written, replaced)
    assert last(calls, ("fsync",), state.parent) > replaced


def paths(tmp_path: Path, lines: list[bytes]) -> tuple[Path, Path, Path]:
    """Input, output and state, each in a folder of its own."""
    for name in ("in", "out", "state"):
        (tmp_path / name).mkdir()
    (tmp_path / "in/a.csv").write_bytes(b"".join(lines))
    return tmp_path / "in/a.csv", tmp_path / "out/a.csv", tmp_path / "state/a"


def test_output_is_on_the_disk_before_the_state_that_counts_it(
    calls: Calls, command: Command, archive: Path, lines: list[bytes], tmp_path: Path
) -> None:
    source, out, state = paths(tmp_path, lines)
    assert command("run", archive, source, "-o", out, "--state", state).code == 0
    check_order(calls, out, state)


def test_output_is_on_the_disk_before_the_state_after_a_bad_line_too(
    calls: Calls, command: Command, archive: Path, lines: list[bytes], tmp_path: Path
) -> None:
    source, out, state = paths(tmp_path, [*lines, b"oops\n"])
    assert command("run", archive, source, "-o", out, "--state", state).code == 1
    check_order(calls, out, state)


def test_the_system_calls_of_a_run_have_that_order(archive: Path, lines: list[bytes], tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    source, out, state = paths(tmp_path, lines)
    run = [*COMMAND, "run", archive, source, "-o", out, "--state", state]
    traced = [strace, "-f", "-y", "-s", "4096", "-e", "trace=write,fsync,fdatasync,rename", "-o", tmp_path / "trace", *run]
    subprocess.run(traced, timeout=PATIENCE, check=True)
    calls: Calls = []
    for line in (tmp_path / "trace").read_text(errors="replace").splitlines():
        if found := re.search(r"\b(write|fsync|fdatasync)\(\d+<([^>]*)>", line):
            calls.append((found[1], found[2]))
        elif found := re.search(r'\brename\("[^"]*", "([^"]*)"\)', line):
            calls.append(("rename", found[1]))
    check_order(calls, out, state)


@pytest.mark.parametrize("options", [["--key", "1", "--store", "{tmp}/state/a"], ["--state", "{tmp}/state/a"]])
def test_without_sync_no_output_waits_for_the_disk(
    calls: Calls, command: Command, archive: Path, lines: list[bytes], tmp_path: Path, options: list[str]
) -> None:
    source, out, _ = paths(tmp_path, [b"a," + line if "--key" in options else line for line in lines])
    options = [option.format(tmp=tmp_path) for option in options]
    assert command("run", archive, source, "-o", out, *options).code == 0
    synced = {file for name, file in calls if "sync" in name}
    assert {str(out), str(out.parent)} <= synced
    calls.clear()
    out.unlink()
    assert command("run", archive, source, "-o", out, "--no-sync", *options).code == 0
    assert not {file for name, file in calls if "sync" in name} & {str(out), str(out.parent), str(tmp_path / "state")}
