"""What the command prints: one line whatever a message contains, and no failure when the reader has gone away."""

import subprocess
from pathlib import Path

import pytest

from streamrnn.command.console import printable
from tests.command.process import COMMAND, PATIENCE


@pytest.mark.parametrize(
    ("text", "shown"), [("λ – 1", "λ – 1"), ("a\tb\r\n", r"a\tb\r\n"), ("\x1b[0m", r"\x1b[0m"), ("\udcff", r"\udcff")]
)
def test_printable_text_is_shown_as_it_is_and_the_rest_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_reader_that_leaves_is_no_error(archive: Path) -> None:
    command = " ".join([*COMMAND, "inspect", str(archive), "--json | true; exit ${PIPESTATUS[0]}"])
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=PATIENCE, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
def test_a_full_disk_is_an_error_of_one_line(archive: Path) -> None:
    command = " ".join([*COMMAND, "inspect", str(archive), "> /dev/full"])
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=PATIENCE, check=False)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == b"error: standard output: cannot be written (No space left on device)\n"
