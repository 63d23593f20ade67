"""The command as others run it: another process, or this one's entry point."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from streamrnn.command import main

COMMAND = [sys.executable, "-m", "streamrnn"]
PATIENCE = 60  # seconds, for what takes less than one once the kernels are compiled


class Ended(NamedTuple):
    """How the entry point ended."""

    code: Any
    out: str
    err: str


Command = Callable[..., Ended]  # what the fixture `command` is


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
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command with a live pipe at each end, whatever this process does with Ctrl-C."""
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=-1, stdout=-1, stderr=-1, bufsize=0, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    ) as process:
        try:
            yield process
        finally:
            process.kill()
