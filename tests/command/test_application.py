"""The command as a whole: help, version, exit codes, errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import streamrnn
from streamrnn.command import exit_codes
from tests.command.process import PATIENCE, called, finished

SUBCOMMANDS = ["import", "verify", "doctor", "inspect", "run", "gates", "export", "bench", "warmup", "compile"]


@pytest.mark.parametrize("subcommand", SUBCOMMANDS)
def test_every_subcommand_explains_itself_with_examples(
    subcommand: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = called(capfd, monkeypatch, subcommand, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert f"Usage: streamrnn {subcommand}" in ended.out
    assert "Examples:\n    streamrnn " in ended.out


def test_the_help_names_every_subcommand_and_exit_code(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = called(capfd, monkeypatch, "--help")
    for subcommand in SUBCOMMANDS:
        assert f"  {subcommand} " in ended.out
    codes = [value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)]
    for code in {*codes, 2, 130} - {exit_codes.INTERRUPTED}:
        assert f"\n    {code} " in ended.out
    assert "\x1b" not in ended.out


def test_nothing_asked_is_wrong_usage(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert called(capfd, monkeypatch).code == 2


def test_an_unknown_subcommand_is_wrong_usage(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ended = called(capfd, monkeypatch, "trian")
    assert (ended.code, ended.out) == (2, "")


# Sends Ctrl-C to the process at the n-th module that is looked for, from the command's first one on; counts them for n < 0.
INTERRUPTS = """
import atexit, os, signal, sys
class Interrupts:
    left, n_seen = int(os.environ["INTERRUPT_AT"]), 0
    def find_spec(self, name, *rest):
        if name == "streamrnn.command" or self.n_seen:
            self.n_seen += 1
            if self.n_seen == self.left:
                os.kill(os.getpid(), signal.SIGINT)
if "INTERRUPT_AT" in os.environ:
    interrupts = Interrupts()
    sys.meta_path.insert(0, interrupts)
    if interrupts.left < 0:
        atexit.register(lambda: print(interrupts.n_seen))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script that an installer makes of the entry point, in a folder whose `sitecustomize` sends Ctrl-C."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "sitecustomize.py").write_text(INTERRUPTS)
    (folder / "streamrnn-script").write_text(
        "import re\nimport sys\nfrom streamrnn.command import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    )
    return folder / "streamrnn-script"


@pytest.mark.parametrize("installed", [True, False], ids=["script", "module"])
def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_traceback(installed: bool, script: Path) -> None:
    path = f"{script.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    command = [sys.executable, *([script] if installed else ["-m", "streamrnn"]), "--version"]

    def ended(interrupt_at: int) -> subprocess.CompletedProcess[bytes]:
        environment = os.environ | {"PYTHONPATH": path, "INTERRUPT_AT": str(interrupt_at)}
        return subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, check=False)

    n_modules = int(ended(-1).stdout.split()[-1])
    assert n_modules > 100
    first = 2 if installed else 1  # the script's own import of the entry point is beyond our reach
    for interrupt_at in [first, first + 1, *range(first + 2, n_modules, n_modules // 8)]:
        result = ended(interrupt_at)
        assert (result.returncode, result.stdout, result.stderr) == (130, b"", b""), interrupt_at


def test_the_shell_completes_subcommands_and_options(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--install-completion" in called(capfd, monkeypatch, "--help").out
    for words, completed in (("streamrnn war", "warmup"), ("streamrnn run --no-s", "--no-sync")):
        environment = {"_STREAMRNN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        result = finished(env=os.environ | environment)
        assert result.stdout.split() == [completed.encode()]


def test_the_module_is_the_command() -> None:
    result = finished("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"streamrnn {streamrnn.__version__}\n".encode(), b"")


def test_an_error_is_one_line_whatever_the_name_of_the_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = called(capfd, monkeypatch, "inspect", tmp_path / "a\nb\x1b[31m\udcff")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert r"a\nb\x1b[31m\udcff: cannot be read" in ended.err
