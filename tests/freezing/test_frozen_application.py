"""An application of one file that PyInstaller makes: it streams, and it can be given the machine code of the installed package.

CI installs PyInstaller; `.venv/bin/pip install pyinstaller` does it here. The build takes about half a minute.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import streamrnn
from streamrnn import RNN, Model, Stream
from streamrnn.code_cache import code
from streamrnn.freezing import hook_directories
from streamrnn.readiness import functions_of

MODEL = Model([RNN([[[1.0]]], [[[0.5]]])])

# Prints whether it is frozen, whether the start compiles nothing, what the model answers, and whether Numba was imported.
APPLICATION = """
import sys
import streamrnn
model = streamrnn.Model([streamrnn.RNN([[[1.0]]], [[[0.5]]])])
ready = streamrnn.compiled(model)
print(sys.frozen, ready, streamrnn.Stream(model).step([1.0]).tobytes().hex(), "numba" in sys.modules)
"""
#: What the application does not need, and would take long to pack.
LEFT_OUT = (
    *("cffi", "jinja2", "matplotlib", "numba.pycc", "numpy.f2py", "pkg_resources", "pycparser", "pygments"),
    *("scipy", "setuptools", "torch", "yaml"),
)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("PyInstaller") is None:
        pytest.skip("needs PyInstaller: pip install pyinstaller")
    folder = tmp_path_factory.mktemp("frozen")
    (folder / "app.py").write_text(APPLICATION)
    places = [f"--{name}path={folder / name}" for name in ("dist", "work", "spec")]
    hooks = [f"--additional-hooks-dir={place}" for place in hook_directories()]
    left_out = [f"--exclude-module={module}" for module in LEFT_OUT]
    paths = [f"--paths={Path(streamrnn.__file__).parents[1]}"]
    command = [sys.executable, "-m", "PyInstaller", "--onefile", "--log-level=ERROR", *places, *hooks, *paths, *left_out]
    quick = os.environ | {"PYINSTALLER_ZLIB_COMPRESSION_LEVEL": "1"}  # the most takes as long as all else
    subprocess.run([*command, str(folder / "app.py")], cwd=folder, env=quick, check=True, timeout=900)
    return folder / "dist" / "app"


def answer(application: Path, store: Path) -> list[str]:
    environment = {**os.environ, "STREAMRNN_CACHE_DIR": str(store)}
    environment.pop("PYTHONPATH", None)
    ended = subprocess.run([application], env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.split()


def test_it_loads_the_machine_code_of_the_installed_package_and_compiles_what_is_missing(
    application: Path, tmp_path: Path
) -> None:
    expected = Stream(MODEL).step(np.ones(1, np.float32)).tobytes().hex()
    full = code.files.directory()
    assert answer(application, full) == ["True", "True", expected, "False"]

    lacking = tmp_path / "store"
    shutil.copytree(full, lacking)
    lacking.chmod(0o700)
    (lacking / f"{code.key_of(*functions_of(MODEL)[-2])}.o").unlink()
    assert answer(application, lacking) == ["True", "False", expected, "True"]
    assert answer(application, lacking) == ["True", "True", expected, "False"]


def test_pyinstaller_finds_the_hook_of_the_package() -> None:
    (folder,) = hook_directories()
    assert (Path(folder) / "hook-streamrnn.py").is_file()
    points = importlib.metadata.entry_points(group="pyinstaller40")
    found = [point for point in points if point.value == "streamrnn.freezing:hook_directories"]
    if not found:
        pytest.skip("the package was installed before it had a hook: make setup installs it anew")
    assert found[0].load() is hook_directories
