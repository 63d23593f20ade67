"""The store as processes meet it: a cold start, a warm one, many at once, a damaged directory, none at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamrnn.host import driver_width
from streamrnn.store.key import key_of

# Prints a hash of what a small model answers, and whether Numba was imported.
PROGRAM = """
import hashlib, sys
import numpy as np
from streamrnn import RNN, Model, Stream
x = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
weights = np.linspace(-0.5, 0.5, 15).reshape(1, 5, 3), np.linspace(0.3, -0.3, 25).reshape(1, 5, 5)
stream = Stream(Model([RNN(*weights, activations=("relu",))]))
y = stream.process(x)
print(hashlib.sha256(y.tobytes()).hexdigest(), "numba" in sys.modules)
"""


def start(place: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"STREAMRNN_CACHE_DIR": str(place), "STREAMRNN_DOOR": "plain"}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> tuple[str, bool]:
    """The hash, and whether code had to be compiled."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    digest, compiled = out.split()
    return digest, compiled == "True"


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store that has been filled, and the right answer."""
    place = tmp_path_factory.mktemp("warm") / "store"
    digest, compiled = answer(start(place))
    assert compiled
    return place, digest


def test_a_warm_start_gives_the_same_bits_without_numba(warm: tuple[Path, str]) -> None:
    place, digest = warm
    assert answer(start(place)) == (digest, False)


def test_altered_files_are_replaced(warm: tuple[Path, str], tmp_path: Path) -> None:
    place, digest = warm
    for file in place.iterdir():
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    assert answer(start(place)) == (digest, True)
    assert answer(start(place)) == (digest, False)


def test_without_a_directory_code_is_compiled_in_memory(warm: tuple[Path, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert answer(start(tmp_path / "file" / "store")) == (warm[1], True)


def test_many_processes_at_once_fill_one_store(warm: tuple[Path, str], tmp_path: Path) -> None:
    """The driver is missing, so that each of them compiles it; everything at once would only take longer."""
    place, digest = warm
    crowded = tmp_path / "store"
    shutil.copytree(place, crowded)
    (crowded / f"{key_of('kernels.driver.run', driver_width(np.float32))}.o").unlink()
    processes = [start(crowded) for _ in range(32)]
    assert {answer(process)[0] for process in processes} == {digest}
    assert answer(start(crowded)) == (digest, False)
    assert sorted(path.name for path in crowded.iterdir()) == sorted(path.name for path in place.iterdir())
