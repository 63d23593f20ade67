"""Use the package with the oldest, or with the newest, packages that its bounds allow: `python tests/bounds.py oldest`.

A virtual environment of its own gets every dependency and every extra but torch, which CI pins, and the tools of `check` and
`docs`. With "oldest" each has the version that pyproject.toml names as its lower bound. Then the help of every subcommand is
shown, with warnings as errors, and a few tests run that touch all of them. Whatever is wrong ends the run with exit code 1.

Needs the package "packaging".
"""

import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent

#: Extras whose packages are not looked at here.
LEFT_OUT = {"torch", "check", "docs", "export", "spark"}

#: The package; streams and pools; files of other programs, by onnx, onnxruntime, h5py, safetensors; the command.
TESTS = (
    "tests/test_package.py",
    "tests/test_stream.py",
    "tests/code_cache/test_compile_lock.py",
    "tests/converters/checkpoints/test_files.py",
    "tests/converters/formats/test_keras.py",
    "tests/converters/formats/test_rtneural.py",
    "tests/converters/onnx/test_from_onnx_exports.py::test_an_export_streams_what_torch_computes",
    "tests/converters/onnx/test_from_onnx_steps.py",
    "tests/command/test_application.py",
    "tests/command/running/formats/test_wav.py",
)


def lower_bounds(project: dict[str, Any]) -> dict[str, str]:
    """Package -> the oldest version that the bounds of a project allow, in the extras that are looked at."""
    extras = project["optional-dependencies"]
    groups = [project["dependencies"], *(extras[name] for name in extras if name not in LEFT_OUT)]
    requirements = [requirement for group in groups for requirement in map(Requirement, group)]
    return {
        requirement.name: next(bound.version for bound in requirement.specifier if bound.operator == ">=")
        for requirement in requirements
        if requirement.name != project["name"]
    }


def run(*command: str | Path, **more: str) -> None:
    """Run a command; ends the run where it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    code = subprocess.run(command, cwd=ROOT, env=environment | more, check=False).returncode
    if code:
        sys.exit(f"{' '.join(map(str, command))}\nexit code {code}")


def main() -> None:
    """Set up the environment, and use the package in it."""
    which = sys.argv[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = lower_bounds(project) if which == "oldest" else {}
    with TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        venv.create(Path(folder, "venv"), with_pip=True)
        python = Path(folder, "venv", "Scripts" if os.name == "nt" else "bin", "python")
        extras = ",".join(name for name in project["optional-dependencies"] if name not in LEFT_OUT)
        install = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--constraint", constraints)
        run(python, *install, "--editable", f".[{extras}]")
        run(python, "-W", "error", "-m", "streamrnn", "--help")
        for name in ("import", "verify", "doctor", "inspect", "run", "gates", "warmup", "bench"):
            run(python, "-W", "error", "-m", "streamrnn", name, "--help")
        run(python, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", *TESTS, STREAMRNN_CACHE_DIR=f"{folder}/code")


if __name__ == "__main__":
    main()
