"""Kernels compiled ahead: they run without Numba and llvmlite, and only what is whole and trusted is loaded."""

import ctypes
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from streamrnn import RNN, Model, Stream
from streamrnn.code_cache import code, library, loader
from streamrnn.code_cache.files import Code
from streamrnn.code_cache.library import address_in_library, has, manifest_of
from streamrnn.errors import MissingExtraError
from streamrnn.exporting.library import kernel_object, kernel_target, symbol_of, write_library
from streamrnn.exporting.linked import check_linker, link_kernels
from streamrnn.readiness import functions_of
from streamrnn.target import ahead
from streamrnn.target.machine import MACHINES, aimed_at, runs_here
from streamrnn.target.packing import Width
from streamrnn.target.processor import NEEDED

ADD = "define i64 @add(i64 %a, i64 %b) {\n  %sum = add i64 %a, %b\n  ret i64 %sum\n}\n"
NAME = ("kernels.add", Width(8, 1))

# Hides Numba, llvmlite and all else that the engine can do without, and prints what a model answers.
PROGRAM = """
import importlib.util, sys
hidden = ("numba", "llvmlite", "platformdirs", "filelock", "typer", "rich")
class Missing:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
usual = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in hidden else usual(name, *rest)
import hashlib
import numpy as np
import streamrnn
step = streamrnn.Stream(streamrnn.load("model.safetensors")).step
x = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
print(hashlib.sha256(np.array([step(row) for row in x]).tobytes()).hexdigest(), type(step).__name__)
"""


@pytest.fixture(scope="module")
def target() -> str:
    try:
        name = kernel_target(None)
        with aimed_at(MACHINES[name]):
            check_linker()
    except MissingExtraError as error:
        pytest.skip(str(error))
    if not runs_here(name):
        pytest.skip(f"this CPU is not {name}")
    return name


@pytest.fixture
def folder(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a library of one function, which STREAMRNN_KERNELS names."""
    place = tmp_path / "kernels"
    place.mkdir(mode=0o700)
    made: Code = loader.emit("add", ADD)
    (tmp_path / "add.o").write_bytes(made.object)
    link_kernels([tmp_path / "add.o"], place / f"{target}.so")
    content = manifest_of(target, NEEDED[target], {}, (place / f"{target}.so").read_bytes(), {NAME: "add"})
    (place / f"{target}.json").write_bytes(content)
    monkeypatch.setenv(ahead.FOLDER, str(place))
    library._libraries.cache_clear()
    monkeypatch.setattr(library, "_unused", {})
    monkeypatch.setattr("streamrnn.warn._given", set())
    yield place
    library._libraries.cache_clear()


def change(folder: Path, old: bytes, new: bytes) -> None:
    (manifest,) = folder.glob("*.json")
    assert old in manifest.read_bytes()
    manifest.write_bytes(manifest.read_bytes().replace(old, new))


def test_a_function_of_a_library_answers(folder: Path) -> None:
    address = address_in_library(*NAME)
    assert address is not None
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(address)(40, 2) == 42


def test_a_function_of_another_width_is_not_in_it(folder: Path) -> None:
    assert has(*NAME)
    assert not has(NAME[0], Width(8, 1, np.float64))
    assert address_in_library(NAME[0], Width(8, 2)) is None


def damaged(folder: Path) -> None:
    (path,) = folder.glob("*.so")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


def a_file_open_to_all(folder: Path) -> None:
    next(folder.glob("*.so")).chmod(0o666)


def of_another_version(folder: Path) -> None:
    change(folder, b'"sources": "', b'"sources": "0')


def of_another_format(folder: Path) -> None:
    change(folder, b'"format": 1', b'"format": 2')


def not_json(folder: Path) -> None:
    change(folder, b"{", b"")


def without_functions(folder: Path) -> None:
    change(folder, b'"functions"', b'"others"')


def a_pipe(folder: Path) -> None:
    (path,) = folder.glob("*.so")
    path.unlink()
    os.mkfifo(path, 0o600)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damaged, "is not the library that the manifest describes"),
        (open_to_all, "others can write to it"),
        (a_file_open_to_all, "others can write to it"),
        (of_another_version, "another version of streamrnn"),
        (of_another_format, "no manifest of format 1"),
        (not_json, "nothing in it can be used"),
        (without_functions, "its functions cannot be read"),
        (a_pipe, "not a regular file"),
        (empty, "it holds no library"),
    ],
)
def test_what_is_not_whole_or_not_trusted_is_not_loaded_and_that_is_said(
    spoil: Callable[[Path], None], reason: str, folder: Path
) -> None:
    spoil(folder)
    with pytest.warns(RuntimeWarning, match=f"STREAMRNN_KERNELS=.*{reason}"):
        assert not has(*NAME)
    assert address_in_library(*NAME) is None


def test_code_for_a_better_cpu_is_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamrnn.target.processor.features", lambda: frozenset[str]())
    with pytest.warns(RuntimeWarning, match="this CPU is not"):
        assert not has(*NAME)


def test_functions_that_read_objects_are_left_out_where_objects_have_another_head(folder: Path, target: str) -> None:
    doors = {("door.machine.stream.step", Width(8, 1)): "add"}
    (so,) = folder.glob("*.so")
    content = manifest_of(target, NEEDED[target], {}, so.read_bytes(), {NAME: "add"} | doors)
    head = f'"object_bytes": {object.__basicsize__}'.encode()
    (folder / f"{target}.json").write_bytes(content.replace(head, b'"object_bytes": 99'))
    assert has(*NAME)
    assert not has(*next(iter(doors)))


def test_a_folder_in_a_wheel_is_as_private_as_the_package(tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "machine_code").mkdir(parents=True)
    file = package / "machine_code" / "x.so"
    for path in (package / "__init__.py", file):
        path.touch()
    for path, mode in ((package, 0o775), (file.parent, 0o775), (package / "__init__.py", 0o664), (file, 0o664)):
        path.chmod(mode)  # as the umask of many users leaves it
    library._check_in_wheel(file)
    for path, mode in ((file.parent, 0o777), (file, 0o666)):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(PermissionError, match="more can write to it"):
            library._check_in_wheel(file)
        path.chmod(before)


@pytest.fixture(scope="module")
def whole(target: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    """A folder with an archive of a model, and with its kernels in a folder of its own; and the model."""
    place = tmp_path_factory.mktemp("whole")
    weights = np.linspace(-0.5, 0.5, 15).reshape(1, 5, 3), np.linspace(0.3, -0.3, 25).reshape(1, 5, 5)
    made = Model([RNN(*weights, activations=("relu",))])
    made.save(place / "model.safetensors")
    with aimed_at(MACHINES[target]):
        functions = functions_of(Model(made.layers))
    objects = {one: kernel_object(target, one, symbol_of(at)) for at, one in enumerate(functions)}
    write_library(place / "kernels", target, objects)
    return place, made


def test_what_the_store_has_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "_addresses", {})
    monkeypatch.setattr(code, "_kept", lambda _: loader.emit("add", ADD.replace("add i64", "sub i64")))
    address = code.address_of(*NAME)
    assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(address)(40, 2) == 38


def test_with_numba_installed_a_library_saves_the_compiling(whole: tuple[Path, Model], tmp_path: Path) -> None:
    place, _ = whole
    program = PROGRAM.replace('hidden = ("numba", "llvmlite", ', "hidden = (") + 'print("numba" in sys.modules)'
    assert program != PROGRAM
    ended = run(place, program, STREAMRNN_KERNELS=str(place / "kernels"), STREAMRNN_CACHE_DIR=str(tmp_path / "store"))
    assert (ended.stderr, ended.stdout.splitlines()[-1]) == ("", "False")
    assert not (tmp_path / "store").exists()


def run(folder: Path, program: str = PROGRAM, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("STREAMRNN_")} | environment
    variables["PYTHONPATH"] = str(Path(library.__file__).parents[2])
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300, check=False)


def test_without_numba_and_llvmlite_a_model_gives_the_same_bits_by_the_compiled_door(whole: tuple[Path, Model]) -> None:
    place, model = whole
    x = np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)
    expected = hashlib.sha256(Stream(model).process(x).tobytes()).hexdigest()
    ended = run(place, STREAMRNN_KERNELS=str(place / "kernels"))
    assert (ended.stderr, ended.stdout.split()) == ("", [expected, "builtin_function_or_method"])


def test_machine_code_beside_a_model_is_not_loaded_and_the_refusal_names_the_remedies(whole: tuple[Path, Model]) -> None:
    place, _ = whole
    ended = run(place)
    last = ended.stderr.splitlines()[-1]
    assert "has no machine code of cells.rnn.relu/stream for this CPU" in last
    assert "`pip install 'streamrnn[compile]'`" in last
    assert "`streamrnn compile MODEL -o DIR`" in last
