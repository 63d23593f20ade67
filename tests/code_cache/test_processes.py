"""The store as processes meet it: empty, full, crowded, damaged, read-only, after an upgrade, on another CPU."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import streamrnn
from tests.code_cache.damage import DAMAGES

# Prints a hash of what a small model answers, how many functions were compiled for it, and whether Numba was imported.
PROGRAM = """
import hashlib, sys
import numpy as np
from streamrnn import RNN, Model, Stream
from streamrnn.code_cache import compile_lock, loader
compile_lock._LONGEST_WAIT = 300.0
emit, emitted = loader.emit, []
loader.emit = lambda *arguments: emitted.append(arguments) or emit(*arguments)
x = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
weights = np.linspace(-0.5, 0.5, 15).reshape(1, 5, 3), np.linspace(0.3, -0.3, 25).reshape(1, 5, 5)
y = Stream(Model([RNN(*weights, activations=("relu",))])).process(x)
print(hashlib.sha256(y.tobytes()).hexdigest(), len(emitted), "numba" in sys.modules)
"""

# Takes root's right to pass over the permission bits of files.
OBEDIENT = """
import ctypes
libc, header, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(header, sets) == 0
sets[0] &= ~0b110
assert libc.capset(header, sets) == 0
"""

# Another version of the compiler.
UPGRADED = """
import streamrnn.code_cache.key
streamrnn.code_cache.key.numba_version.cache_clear()
streamrnn.code_cache.key.re.search = lambda *_: (None, b"99.0")
"""

# The same CPU, and one that is a little less.
OTHER_CPU = """
from llvmlite import binding
features = binding.get_host_cpu_features()
features["sha"] = not features.get("sha")
binding.get_host_cpu_features = lambda: features
"""


class Answer(NamedTuple):
    digest: str
    n_compiled: int
    used_numba: bool


def start(folder: Path | None, before: str = "", **environment: str) -> subprocess.Popen[str]:
    """The program in a fresh process, `before` run first; `folder` is its code cache, None the default one."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMRNN_", "NUMBA_"))}
    variables |= {"STREAMRNN_DOOR": "plain"} | environment
    if folder is not None:
        variables["STREAMRNN_CACHE_DIR"] = str(folder)
    command = [sys.executable, "-W", "error", "-W", "always::RuntimeWarning", "-c", before + PROGRAM]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str], warning: str = "") -> Answer:
    """What the program prints; `warning` is a part of the one warning that it gives."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    warnings = [line for line in err.splitlines() if "RuntimeWarning" in line]
    assert len(warnings) == bool(warning), err
    assert all(warning in line and "STREAMRNN_CACHE_DIR" in line for line in warnings), err
    assert warning or not err
    digest, n_compiled, used_numba = out.split()
    return Answer(digest, int(n_compiled), used_numba == "True")


class Warm(NamedTuple):
    """A store that has been filled, and what a start with it answers."""

    folder: Path
    answer: Answer


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Warm:
    folder = tmp_path_factory.mktemp("filled") / "store"
    cold = answer(start(folder))
    assert cold.n_compiled == len(list(folder.iterdir()))
    return Warm(folder, Answer(cold.digest, 0, False))


@pytest.fixture
def warm(filled: Warm, tmp_path: Path) -> Warm:
    """The same, to be damaged."""
    shutil.copytree(filled.folder, tmp_path / "store")
    return Warm(tmp_path / "store", filled.answer)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_warm_start_gives_the_same_bits_without_numba(filled: Warm) -> None:
    assert answer(start(filled.folder)) == filled.answer


WITHOUT_NUMBA = """
import sys
class Missing:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] == "numba":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
import importlib.util
usual = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else usual(name, *rest)
"""


def test_a_full_store_needs_no_numba_to_be_installed(filled: Warm) -> None:
    assert answer(start(filled.folder, WITHOUT_NUMBA)) == filled.answer


def test_without_numba_what_the_store_lacks_is_named_with_the_install_command(warm: Warm) -> None:
    next(warm.folder.iterdir()).unlink()
    _, err = start(warm.folder, WITHOUT_NUMBA).communicate(timeout=600)
    last = err.splitlines()[-1]
    assert last.startswith(f"streamrnn.errors.MissingExtraError: {warm.folder}: has no machine code of ")
    assert "`pip install 'streamrnn[compile]'`" in last
    assert "streamrnn compile" in last


@pytest.mark.few(0)
def test_many_processes_at_once_fill_an_empty_store_and_compile_everything_once(filled: Warm, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    answers = [answer(process) for process in [start(folder) for _ in range(32)]]
    assert {found.digest for found in answers} == {filled.answer.digest}
    assert sum(found.n_compiled for found in answers) == len(names(filled.folder))
    assert names(folder) == names(filled.folder)
    assert answer(start(folder)) == filled.answer


def test_several_processes_at_once_mend_a_damaged_store(warm: Warm) -> None:
    for path in warm.folder.iterdir():
        DAMAGES["a bit flipped"](path)
    answers = [answer(process) for process in [start(warm.folder) for _ in range(8)]]
    assert {found.digest for found in answers} == {warm.answer.digest}
    assert answer(start(warm.folder)) == warm.answer


@pytest.mark.few(2)
@pytest.mark.parametrize("first", range(0, len(DAMAGES), 2))
def test_a_damaged_store_gives_the_same_bits(first: int, warm: Warm) -> None:
    """Each file of the store, at least two, suffers another damage."""
    damages = [list(DAMAGES.items())[(first + at) % len(DAMAGES)] for at in range(len(names(warm.folder)))]
    files = sorted(warm.folder.iterdir())
    for (_, damage), path in zip(damages, files, strict=True):
        damage(path)
    beyond_repair = sum(path.is_dir() for path in files)
    warning = "cannot be kept" if beyond_repair else ""
    found = answer(start(warm.folder), warning)
    assert (found.digest, found.n_compiled) == (warm.answer.digest, len(files))
    again = answer(start(warm.folder), warning)
    assert again == warm.answer._replace(n_compiled=beyond_repair, used_numba=beyond_repair > 0)


def test_swapped_files_give_the_same_bits(warm: Warm, tmp_path: Path) -> None:
    first, second, *_ = warm.folder.iterdir()
    first.rename(tmp_path / "first")
    second.rename(first)
    (tmp_path / "first").rename(second)
    assert answer(start(warm.folder)) == warm.answer._replace(n_compiled=2, used_numba=True)
    assert answer(start(warm.folder)) == warm.answer


def a_file(place: Path) -> Path:
    place.touch()
    return place


def below_a_file(place: Path) -> Path:
    return a_file(place) / "store"


def open_to_all(place: Path) -> Path:
    place.mkdir()
    place.chmod(0o777)
    return place


def of_another_user(place: Path) -> Path:
    place.mkdir(mode=0o700)
    if os.getuid() != 0:
        pytest.skip("only root can give a directory to somebody else")
    os.chown(place, 12345, 12345)
    return place


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (a_file, "is not a directory"),
        (below_a_file, "Not a directory"),
        (open_to_all, "others can write to it"),
        (of_another_user, "another user"),
    ],
)
def test_a_directory_that_cannot_be_used_is_said_once_and_code_is_compiled_in_memory(
    made: Callable[[Path], Path], reason: str, filled: Warm, tmp_path: Path
) -> None:
    place = made(tmp_path / "place")
    assert answer(start(place), reason).digest == filled.answer.digest


def test_without_a_home_code_is_compiled_in_memory_and_that_is_said(filled: Warm) -> None:
    nobody = "import pwd\ndef unknown(user): raise KeyError(user)\npwd.getpwuid = unknown\n"
    assert answer(start(None, nobody, HOME="", XDG_CACHE_HOME=""), "no home directory").digest == filled.answer.digest
    assert not Path("~").exists()


def test_a_full_disk_is_said_and_code_is_compiled_in_memory(filled: Warm, tmp_path: Path) -> None:
    full = "import os\ndef full(*_): raise OSError(28, 'No space left on device')\nos.replace = full\n"
    assert answer(start(tmp_path / "store", full), "No space left on device").digest == filled.answer.digest


def test_a_tilde_is_the_home_directory(filled: Warm, tmp_path: Path) -> None:
    shutil.copytree(filled.folder, tmp_path / "kernels")
    assert answer(start(Path("~/kernels"), HOME=str(tmp_path))) == filled.answer
    assert not Path("~").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="root obeys permissions only where its capabilities can be taken")
def test_a_read_only_directory_is_read_and_what_it_lacks_is_compiled_in_memory(warm: Warm) -> None:
    next(warm.folder.iterdir()).unlink()
    before = names(warm.folder)
    warm.folder.chmod(0o500)
    found = answer(start(warm.folder, OBEDIENT), "Permission denied")
    assert found == warm.answer._replace(n_compiled=1, used_numba=True)
    assert names(warm.folder) == before


@pytest.mark.skipif(sys.platform != "linux", reason="root obeys permissions only where its capabilities can be taken")
def test_a_directory_that_cannot_be_entered_is_as_good_as_none(warm: Warm) -> None:
    warm.folder.chmod(0)
    found = answer(start(warm.folder, OBEDIENT), "Permission denied")
    warm.folder.chmod(0o700)
    assert (found.digest, found.n_compiled) == (warm.answer.digest, len(names(warm.folder)))


def a_changed_source(tmp_path: Path) -> str:
    """A program's beginning that makes it use a copy of the package, one kernel's source longer by a comment."""
    package = Path(streamrnn.__file__).parent
    copy = shutil.copytree(package, tmp_path / "upgraded" / "streamrnn", ignore=shutil.ignore_patterns("__pycache__"))
    with open(copy / "kernels" / "rnn.py", "a") as file:
        file.write("# changed\n")
    return f"import sys\nsys.path.insert(0, {str(copy.parent)!r})\n"


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "before",
    [lambda _: UPGRADED, a_changed_source, lambda _: OTHER_CPU],
    ids=["an upgrade of the compiler", "an upgrade of streamrnn", "a move to another CPU"],
)
def test_after_a_change_old_code_is_left_unused(before: Callable[[Path], str], warm: Warm, tmp_path: Path) -> None:
    change, old = before(tmp_path), names(warm.folder)
    found = answer(start(warm.folder, change))
    assert (found.digest, found.n_compiled) == (warm.answer.digest, len(old))
    assert len(names(warm.folder)) == 2 * len(old)
    assert answer(start(warm.folder, change)) == warm.answer
    assert answer(start(warm.folder)) == warm.answer
