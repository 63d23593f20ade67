"""The key of machine code changes with all that the code depends on, and with nothing else."""

import compileall
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import llvmlite
import numpy as np
import pytest
from llvmlite import binding

import streamrnn
from streamrnn import StreamRNNError
from streamrnn.code_cache import key, sources
from streamrnn.target import machine
from streamrnn.target.packing import Width

WIDTHS = [Width(8, 1), Width(8, 2), Width(8, 2, np.float64), Width(8, 2, ahead=2048)]


PACKAGE = Path(streamrnn.__file__).parent


def forget() -> None:
    key._surroundings.cache_clear()
    key.digest_of_sources.cache_clear()
    machine.this_machine.cache_clear()
    key.numba_version.cache_clear()


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    forget()
    yield
    forget()


def a_key() -> str:
    forget()
    return key.key_of("kernels.lstm.standard", Width(8, 2))


def test_the_same_function_and_width_have_the_same_key() -> None:
    assert a_key() == a_key()


def test_functions_and_widths_differ() -> None:
    keys = {key.key_of(f, w) for f in ("kernels.lstm.standard", "kernels.gru.reset_after") for w in WIDTHS}
    assert len(keys) == 8


def test_another_version_of_llvmlite_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = a_key()
    monkeypatch.setattr(llvmlite, "__version__", "99.0")
    assert a_key() != before


def test_another_version_of_numba_changes_the_end_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = a_key()
    monkeypatch.setattr(key, "numba_version", lambda: "99.0")
    after = key.key_of("kernels.lstm.standard", Width(8, 2))
    beginning = key.beginning_of("kernels.lstm.standard", Width(8, 2))
    assert len(before) == len(after) == 64
    assert before != after
    assert before.startswith(beginning)
    assert after.startswith(beginning)


def test_the_version_of_numba_is_known_with_and_without_its_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert key.numba_version() == version("numba")
    forget()
    monkeypatch.setattr(Path, "read_bytes", Path("/nowhere").read_bytes)
    assert key.numba_version() == version("numba")


def test_numba_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key, "find_spec", lambda name: None)
    assert key.numba_version() is None


def in_a_folder(place: Path) -> Path:
    shutil.copytree(PACKAGE, place / "streamrnn", ignore=shutil.ignore_patterns("__pycache__"))
    return place


def as_byte_code(place: Path) -> Path:
    compileall.compile_dir(in_a_folder(place), quiet=1, legacy=True)
    for source in place.rglob("*.py"):
        source.unlink()
    return place


def zipped(place: Path) -> Path:
    folder = in_a_folder(place / "unpacked")
    with zipfile.ZipFile(place / "app.zip", "w") as file:
        for source in folder.rglob("*.py"):
            file.write(source, source.relative_to(folder))
    return place / "app.zip"


def key_from(place: Path, **environment: str) -> str:
    """The key in a new process, which imports the package from a place."""
    code = (
        "import streamrnn.code_cache.key as key\n"
        "from streamrnn.target.packing import Width\n"
        "print(key.__file__, key.key_of('kernels.lstm.standard', Width(8, 2)))"
    )
    variables = {**os.environ, "PYTHONPATH": str(place)} | environment
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, env=variables, cwd=place.parent, capture_output=True, text=True, check=True).stdout
    found, _, answer = out.strip().rpartition(" ")
    assert found.startswith(str(place))
    return answer


def test_a_zip_file_gives_the_key_of_its_sources(tmp_path: Path) -> None:
    assert key_from(zipped(tmp_path)) == a_key()


def test_byte_code_alone_gives_a_key_that_does_not_depend_on_where_it_lies(tmp_path: Path) -> None:
    one, other = as_byte_code(tmp_path / "one"), as_byte_code(tmp_path / "other")
    found = key_from(one, PYTHONHASHSEED="1")
    assert found == key_from(other, PYTHONHASHSEED="2") != a_key()


@pytest.mark.parametrize("form", [zipped, as_byte_code])
def test_a_changed_module_changes_the_key_whatever_the_form(form, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_from(form(tmp_path / "before"))
    changed = in_a_folder(tmp_path / "changed") / "streamrnn"
    with open(changed / "kernels" / "pool" / "driver.py", "a") as file:
        file.write("ANOTHER = 1\n")
    monkeypatch.setitem(globals(), "PACKAGE", changed)
    assert key_from(form(tmp_path / "after")) != before


def test_what_has_neither_source_nor_byte_code_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_FOLDER", Path("/nowhere"))
    monkeypatch.setattr(sources, "find_spec", lambda module: None)
    with pytest.raises(StreamRNNError, match=r"streamrnn\.kernels: has neither source nor byte code.*ship the \.py files"):
        a_key()


def test_a_changed_source_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = a_key()
    monkeypatch.setattr(Path, "read_bytes", lambda self: b"changed")
    assert a_key() != before


def test_another_python_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = a_key()
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-99")
    assert a_key() != before


@pytest.mark.parametrize("setting", key.SETTINGS)
def test_a_setting_of_numba_that_makes_other_code_changes_the_key(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = a_key()
    monkeypatch.setenv(f"NUMBA_{setting}", "another")
    assert a_key() != before


@pytest.mark.parametrize("name", ["get_host_cpu_name", "get_process_triple"])
def test_another_cpu_changes_the_key(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    before = a_key()
    monkeypatch.setattr(binding, name, lambda: "another")
    assert a_key() != before


def test_other_features_of_the_cpu_change_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = a_key()
    features = binding.get_host_cpu_features()
    features["fma"] = not features.get("fma", False)
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    assert a_key() != before


def test_every_source_of_the_kernels_counts() -> None:
    package = Path(streamrnn.__file__).parent
    assert all((package / source).exists() for source in key.SOURCES)
    compiled = [file for room in ("kernels", "simd", "door/machine") for file in (package / room).rglob("*.py")]
    imported = {
        line.split()[1].removeprefix("streamrnn.").replace(".", "/")
        for file in compiled
        for line in file.read_text().splitlines()
        if line.startswith("from streamrnn.")
    }
    uncovered = {
        name
        for name in imported
        if not any(name == source.removesuffix(".py") or name.startswith(f"{source}/") for source in key.SOURCES)
    }
    assert not uncovered
