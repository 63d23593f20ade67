"""The command, run in another process or by its entry point in this one."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streamrnn.command import main

COMMAND = [sys.executable, "-m", "streamrnn"]
PATIENCE = 60  # seconds; with compiled kernels a run takes less than one


class Ended(NamedTuple):
    """How the entry point ended."""

    code: Any
    out: str
    err: str


Command = Callable[..., Ended]  # the type of the fixture `command`


def called(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> Ended:
    """The entry point, called in this process."""
    monkeypatch.setattr(sys, "argv", ["streamrnn", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return Ended(end.value.code or 0, *capfd.readouterr())


def finished(*arguments: str | Path, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
    """The command, run to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, input=stdin, stdout=-1, stderr=-1, timeout=PATIENCE, check=False, **options)


@contextmanager
def started(*arguments: str | Path, python: Sequence[str] = COMMAND[:-1]) -> Iterator[subprocess.Popen[bytes]]:
    """The command with a pipe at each end. It handles Ctrl-C even if this process ignores it.

    python  what runs a module
    """
    command = [*python, COMMAND[-1], *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=-1, stdout=-1, stderr=-1, bufsize=0, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    ) as process:
        try:
            yield process
        finally:
            process.kill()
