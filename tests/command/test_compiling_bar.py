"""The bar of what is compiled: every subcommand that makes a stream shows it, in a terminal only."""

import io
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from streamrnn import Model
from streamrnn.code_cache import code
from streamrnn.command.compiling_bar import compiling_shown
from streamrnn.command.progress_bar import progress_bar
from streamrnn.readiness import functions_of
from tests.command.process import finished
from tests.command.test_progress_bar import Terminal

LOG = logging.getLogger("streamrnn")


def compile_three() -> None:
    for n_done in range(4):
        LOG.info("compiling", extra={"compiled": (n_done, 3)})


def test_a_terminal_shows_how_many_kernels_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with compiling_shown():
        compile_three()
        LOG.info("a message of another kind")
        compile_three()
    assert "compiling: kernels" in sys.stderr.getvalue()
    assert "3/3" in sys.stderr.getvalue()
    shown = sys.stderr.getvalue()
    compile_three()
    assert (sys.stderr.getvalue(), LOG.handlers, LOG.level) == (shown, [], logging.NOTSET)


def test_it_is_shown_below_another_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with compiling_shown(), progress_bar("measuring", threaded=False) as advance:
        advance(1, 10)
        compile_three()
    assert "compiling: kernels" in sys.stderr.getvalue()
    assert "measuring" in sys.stderr.getvalue()


def test_ctrl_c_while_it_is_shown_removes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())

    def interrupted() -> None:
        with compiling_shown():
            LOG.info("compiling", extra={"compiled": (0, 3)})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert LOG.handlers == []
    with progress_bar("another"):
        pass


def test_elsewhere_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with compiling_shown():
        compile_three()
    assert sys.stderr.getvalue() == ""


@pytest.fixture
def lacking(archive: Path, gated: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code cache that lacks one of the functions of the archive, a small one."""
    code.load_all(functions_of(gated))
    whole = code.files.directory()
    (tmp_path / "store").mkdir(mode=0o700)
    lock = functions_of(gated)[-2]
    for path in whole.glob("*.o"):
        if path.stem != code.key_of(*lock):
            os.link(path, tmp_path / "store" / path.name)
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "store"))


def on_a_terminal(*arguments: str | Path, stdin: bytes = b"") -> bytes:
    """What the command shows on a terminal that is its standard error."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "streamrnn", *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        process.stdin.write(stdin)
        process.stdin.close()
        shown = b""
        try:
            while chunk := os.read(ours, 1 << 16):  # or else the terminal would be full, and the command would wait
                shown += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(ours)
    assert process.returncode == 0
    return shown


def test_run_shows_it_in_a_terminal(lacking: None, archive: Path) -> None:
    shown = on_a_terminal("run", archive, stdin=b"1,2\n")
    assert b"compiling: kernels" in shown
    assert b"0/1" in shown
    assert b"compiling" not in on_a_terminal("run", archive, stdin=b"1,2\n")  # it was kept


def test_warmup_shows_it_in_a_terminal(lacking: None, archive: Path) -> None:
    assert b"compiling: kernels" in on_a_terminal("warmup", archive)


def test_run_prints_nothing_where_there_is_no_terminal(lacking: None, archive: Path) -> None:
    ended = finished("run", archive, stdin=b"1,2\n")
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_a_warning_is_one_line_without_source(lacking: None, archive: Path, gated: Model) -> None:
    store = code.files.directory()
    (store / f"{code.key_of(*functions_of(gated)[-2])}.o").mkdir()  # where the file of the missing function would go
    ended = finished("run", archive, stdin=b"1,2\n")
    assert ended.returncode == 0
    assert ended.stderr.startswith(f"warning: {store}: compiled code cannot be kept (".encode())
    assert ended.stderr.count(b"\n") == 1
    assert b"STREAMRNN_CACHE_DIR" in ended.stderr
