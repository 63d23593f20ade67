"""The programs and commands of the README and the site run as they stand there, page by page, in a clone's folder."""

import code
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).parent.parent
NEEDS = {
    "torch.md": ["torch"],
    "checkpoint.md": ["torch"],
    "audio.md": ["soundfile"],
    "forecast.md": ["matplotlib"],
    "onnx.md": ["matplotlib", "onnxscript", "torch"],
}
TUTORIALS = ["docs/index.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/tutorials").glob("*.md"))]
PAGES = [*TUTORIALS, "docs/gates.md"]
ELSEWHERE = ["README.md", "docs/own-cells.md"]  # tests/test_docs.py runs their programs
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

_RUN = "import subprocess\ndef _run(line):\n    subprocess.run(['bash', '-ec', line], check=True)\n"


def blocks_of(page: str, language: str) -> list[str]:
    """The blocks of a page in one language."""
    return [text for name, text in BLOCK.findall((ROOT / page).read_text("utf-8")) if name == language]


def program_of(page: str) -> str:
    """The blocks of a page as one program, in their order. A line of `console` that begins with "$ " is a command."""
    parts = [_RUN]
    for language, text in BLOCK.findall((ROOT / page).read_text("utf-8")):
        if language == "python":
            parts.append(text)
        elif page in TUTORIALS:
            assert language == "console", f"{page}: a block of {language or 'no language'}, which does not run"
            commands = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
            parts += [f"_run({command!r})\n" for command in commands if not command.startswith("pip install ")]
    return "\n".join(parts)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the examples, and a command `streamrnn` of this tree."""
    (tmp_path / "bin").mkdir()
    for name, module in (("streamrnn", "-m streamrnn "), ("python", "")):
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {module}"$@"\n')
        script.chmod(0o755)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.mark.few(2)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_as_it_stands(page: str, clone: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the pages import ONNX models: the extra `convert`")
    missing = [name for name in NEEDS.get(Path(page).name, ()) if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the page needs {', '.join(missing)}, which is not installed")
    path = os.pathsep.join([str(clone / "bin"), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program_of(page)], cwd=clone, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    printed = set(_words(done.stdout + done.stderr))
    shown = _words("\n".join(blocks_of(page, "console")))
    assert [line for line in shown if not line.startswith("$") and line not in printed] == []


def _words(text: str) -> list[str]:
    """The lines of an output without blanks and numbers: times and last digits differ between machines and versions."""
    return [re.sub(r"[\d.]+(e[+-]?\d+)?", "0", "".join(line.split())) for line in text.splitlines() if line.strip()]


class _Prompt(code.InteractiveConsole):
    """Python's prompt, which reads lines and runs none."""

    def runcode(self, code: CodeType) -> None:
        """Nothing: only the syntax is of interest."""

    def showsyntaxerror(self, filename: str | None = None, **options: object) -> None:
        raise  # the error that is being handled where the console calls this


@pytest.mark.parametrize("page", [*PAGES, *ELSEWHERE])
def test_every_block_of_a_page_can_be_pasted_into_the_prompt(page: str) -> None:
    """There a blank line ends what is indented, and nothing else does: neither a line of less indent nor the block's end."""
    prompt, waits = _Prompt(), False
    for text in blocks_of(page, "python"):
        for line in text.splitlines():
            waits = prompt.push(line)
        assert not waits, f"the block ends in an indented line, and the prompt waits for more of it:\n{text}"


def test_every_command_that_a_document_names_has_the_options_it_is_given() -> None:
    """In each block of README and docs, a line that begins with `streamrnn`."""
    import typer

    from streamrnn.command.application import application

    commands = typer.main.get_command(application).commands
    seen = 0
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        blocks = "\n".join(text for _, text in BLOCK.findall(path.read_text("utf-8")))
        for name, rest in re.findall(r"^(?:\$ |.*\| )?streamrnn +(\w+) (.*)$", blocks, re.MULTILINE):
            known = {option for parameter in commands[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
            given = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", rest.partition(" # ")[0].replace('"', " ")))
            assert given <= known | {"--help"}, (path.name, name, given - known)
            seen += 1
    assert seen > 20
