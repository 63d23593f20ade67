"""The key of machine code changes with all that the code depends on."""

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from llvmlite import binding

import streamrnn
from streamrnn.code_cache import key
from streamrnn.target.packing import Width

WIDTHS = [Width(8, 1), Width(8, 2), Width(8, 2, np.float64), Width(8, 2, ahead=2048)]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    key._surroundings.cache_clear()
    yield
    key._surroundings.cache_clear()


def a_key() -> str:
    key._surroundings.cache_clear()
    return key.key_of("kernels.lstm.standard", Width(8, 2))


def test_the_same_function_and_width_have_the_same_key() -> None:
    assert a_key() == a_key()


def test_functions_and_widths_differ() -> None:
    keys = {key.key_of(f, w) for f in ("kernels.lstm.standard", "kernels.gru.reset_after") for w in WIDTHS}
    assert len(keys) == 8


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_another_version_of_a_compiler_changes_the_key(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, usual = a_key(), key._version
    monkeypatch.setattr(key, "_version", lambda name: b"99.0" if name == package else usual(name))
    assert a_key() != before


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_the_version_is_known_with_and_without_the_package_saying_so(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    number = version(package).encode()
    assert number in key._version(package)
    monkeypatch.setattr(Path, "read_bytes", Path("/nowhere").read_bytes)
    assert key._version(package) == number


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
