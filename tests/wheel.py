"""Build the sdist, the wheel from it, and use the wheel as a user does, outside the source tree: `python tests/wheel.py`.

Needs the package "build". Whatever is wrong ends the run with a message and exit code 1.
"""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {"streamrnn": ROOT, "streamrnn_converters": ROOT / "converters"}

LOCATION = """
import importlib.util, sys, streamrnn, streamrnn_converters
for package in (streamrnn, streamrnn_converters):
    assert package.__file__.startswith(sys.prefix), package.__file__
assert importlib.util.find_spec("converters") is None, "the source root became a package"
"""

ONE_STEP = """
import numpy, streamrnn
model = streamrnn.load("model.safetensors")
print(",".join(["0.25"] * model.input_size))
assert streamrnn.Stream(model).step(numpy.full(model.input_size, 0.25)).shape == (model.output_size,)
"""


def run(*command: str | Path, cwd: Path, stdin: str | None = None) -> str:
    """Standard output of a command; ends the run where the command fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(command, cwd=cwd, input=stdin, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        shown = " ".join(str(word) for word in command)
        sys.exit(f"{shown}\nexit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def check_content(wheel: Path) -> None:
    """Each module and page of the source tree is in the wheel, and no other package."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        path.relative_to(root).as_posix()
        for package, root in SOURCES.items()
        for path in (root / package).rglob("*")
        if path.suffix in (".py", ".html", ".h", ".c") or path.name == "py.typed"
    }
    packed = {name for name in names if ".dist-info/" not in name}
    if packed != wanted:
        sys.exit(f"wheel: missing {sorted(wanted - packed)}, unexpected {sorted(packed - wanted)}")


def check_use(python: Path, cwd: Path) -> None:
    """The installed package imports, converts an ONNX file and streams lines through it."""
    command = python.with_name("streamrnn")
    run(python, "-c", LOCATION, cwd=cwd)
    print("  ", run(command, "--version", cwd=cwd).strip())

    example = min((ROOT / "examples").rglob("*.onnx"), key=lambda path: path.stat().st_size)
    (cwd / "model.onnx").write_bytes(example.read_bytes())
    run(command, "import", "model.onnx", "-o", "model.safetensors", cwd=cwd)
    line = run(python, "-c", ONE_STEP, cwd=cwd)
    answer = run(command, "run", "model.safetensors", cwd=cwd, stdin=line * 3).splitlines()
    if len(answer) < 3 or len(set(answer[-3:])) != 3:
        sys.exit(f"streamrnn run: three equal lines into a model with a memory gave {answer}")
    print(f"   {example.name}: imported, proven, streamed")


def check_tests(python: Path, cwd: Path) -> None:
    """The tests of the package as a whole hold for the installed one."""
    (cwd / "pytest.ini").write_text("[pytest]\naddopts = -q -p no:cacheprovider --import-mode=importlib\n")
    (cwd / "test_package.py").write_bytes((ROOT / "tests" / "test_package.py").read_bytes())
    print("  ", run(python, "-m", "pytest", "test_package.py", cwd=cwd).strip().splitlines()[-1])


def main() -> None:
    """Build, install, use."""
    with TemporaryDirectory() as temporary:
        place = Path(temporary)
        print("build sdist and wheel")
        run(sys.executable, "-m", "build", "--outdir", place, ROOT, cwd=place)
        (wheel,) = place.glob("*.whl")
        check_content(wheel)
        print("install", wheel.name)
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        run(python, "-m", "pip", "--disable-pip-version-check", "install", f"{wheel}[test]", cwd=place)
        print("use it")
        cwd = place / "elsewhere"
        cwd.mkdir()
        check_use(python, cwd)
        check_tests(python, cwd)


if __name__ == "__main__":
    main()
