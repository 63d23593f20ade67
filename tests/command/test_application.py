"""The command as a whole: help, version, exit codes, errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import streamrnn
from streamrnn.command import exit_codes
from tests.command.process import PATIENCE, called, finished

SUBCOMMANDS = ["import", "verify", "doctor", "inspect", "run", "bench", "warmup"]


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


def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_traceback() -> None:
    """In the middle of the imports, as Ctrl-C in the first tenth of a second is."""
    code = (
        "import sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'streamrnn.command.run':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from streamrnn.command import main\n"
        "main()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


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
