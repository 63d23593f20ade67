"""Build the sdist, the wheel from it, and use the wheel as a user does, outside the source tree: `python tests/wheel.py`.

Needs the package "build". Whatever is wrong ends the run with a message and exit code 1.
"""

import os
import subprocess
import sys
import timeit
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


def run(*command: str | Path, cwd: Path, stdin: str | None = None, **variables: str) -> str:
    """Standard output of a command, with environment variables; ends the run where the command fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | variables
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


WITHOUT_COMPILER = """
import importlib.util
for name in ("numba", "llvmlite", "platformdirs", "filelock", "typer"):
    assert importlib.util.find_spec(name) is None, name
"""

BITS = """
import hashlib, numpy, streamrnn
stream = streamrnn.Stream(streamrnn.load("model.safetensors"))
x = numpy.random.default_rng(0).normal(size=(100, stream.model.input_size)).astype(numpy.float32)
print(type(stream.step).__name__, hashlib.sha256(numpy.array([stream.step(row) for row in x]).tobytes()).hexdigest())
"""


def check_without_compiler(python: Path, wheel: Path, cwd: Path) -> None:
    """In an environment with NumPy and safetensors only, a model gives the same bits on kernels that were compiled ahead."""
    expected = run(python, "-c", BITS, cwd=cwd)
    run(python.with_name("streamrnn"), "compile", "model.safetensors", "-o", "kernels", cwd=cwd)
    venv.create(cwd / "bare", with_pip=True)
    bare = cwd / "bare" / "bin" / "python"
    run(bare, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", wheel, "numpy", "safetensors", cwd=cwd)
    given = {"STREAMRNN_KERNELS": str(cwd / "kernels")}
    if (found := run(bare, "-c", WITHOUT_COMPILER + BITS, cwd=cwd, **given)) != expected:
        sys.exit(f"without Numba and llvmlite: {found.strip()} instead of {expected.strip()}")
    print("   without Numba and llvmlite: the same bits")
    print(f"   site-packages without pip: {bytes_of_packages(bare) / 1e6:.1f} MB")
    for what, program in {"NumPy imported": "import numpy", "the first step": ONE_STEP}.items():
        seconds = min(timeit.repeat(lambda program=program: run(bare, "-c", program, cwd=cwd, **given), number=1, repeat=10))
        print(f"   from the start of a process to {what}: {seconds:.3f} s, the smallest of 10")


def bytes_of_packages(python: Path) -> int:
    """Bytes of the packages of an environment, without those that the environment began with."""
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    files = (path for path in packages.rglob("*") if path.is_file())
    tools = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence")
    return sum(path.stat().st_size for path in files if not path.relative_to(packages).as_posix().startswith(tools))


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
        run(python, "-m", "pip", "--disable-pip-version-check", "install", f"{wheel}[test,export]", cwd=place)
        print("use it")
        cwd = place / "elsewhere"
        cwd.mkdir()
        check_use(python, cwd)
        check_without_compiler(python, wheel, cwd)
        check_tests(python, cwd)


if __name__ == "__main__":
    main()
