"""The sizes of the caches are those that the system tells; of another machine, or where nobody tells, the usual ones."""

import os
from pathlib import Path

import pytest

from streamrnn.target import caches as caches_
from streamrnn.target.caches import USUAL, Caches, caches
from streamrnn.target.machine import MACHINES, aimed_at


def folder(at: Path, *told: tuple[str, str, str]) -> Path:
    for number, (kind, level, size) in enumerate(told):
        index = at / f"index{number}"
        index.mkdir()
        for name, text in ("type", kind), ("level", level), ("size", size):
            (index / name).write_text(f"{text}\n", encoding="ascii")
    return at


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def on(*told: tuple[str, str, str], of_the_library: dict[str, int] | None = None) -> Caches:
        monkeypatch.setattr(caches_, "_SYSTEM", folder(tmp_path, *told))
        monkeypatch.setattr(os, "sysconf_names", of_the_library or {}, raising=False)
        monkeypatch.setattr(os, "sysconf", (of_the_library or {}).__getitem__, raising=False)
        caches_._of_this_cpu.cache_clear()
        return caches()

    yield on
    caches_._of_this_cpu.cache_clear()


def test_linux_tells_the_caches_that_hold_data(found) -> None:
    told = ("Data", "1", "48K"), ("Instruction", "1", "64K"), ("Unified", "2", "2048K"), ("Unified", "3", "480M")
    assert found(*told) == (48 << 10, 2 << 20)


def test_the_c_library_tells_where_linux_has_no_files(found) -> None:
    names = {"SC_LEVEL1_DCACHE_SIZE": 65536, "SC_LEVEL2_CACHE_SIZE": 1 << 20}
    assert found(of_the_library=names) == (65536, 1 << 20)


@pytest.mark.parametrize("size", ["", "K", "many", "-1K", "0K"])
def test_what_makes_no_sense_is_not_believed(size: str, found) -> None:
    assert found(("Data", "1", size), ("Unified", "2", "1024K")) == (USUAL.first, 1 << 20)


def test_nobody_tells(found) -> None:
    assert found() == USUAL
    assert found(of_the_library={"SC_LEVEL1_DCACHE_SIZE": 0, "SC_LEVEL2_CACHE_SIZE": -1}) == USUAL


def test_another_machine_has_the_usual_caches(found) -> None:
    assert found(("Data", "1", "192K")).first == 192 << 10
    with aimed_at(MACHINES["aarch64"]):
        assert caches() == USUAL
