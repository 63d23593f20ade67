"""Compile locks: one holder at a time; a lock never blocks for ever, and never raises."""

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamrnn.code_cache import compile_lock as module
from streamrnn.code_cache.compile_lock import lock_for

KEY = "ab" * 32


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(folder))
    monkeypatch.setattr(module, "_gave_up", False)
    return folder


@pytest.fixture
def held(folder: Path) -> Iterator[Path]:
    """A lock whose holder does not release it."""
    path = folder / f"{KEY}.lock"
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path


def test_a_lock_leaves_no_file(folder: Path) -> None:
    with lock_for(KEY):
        assert [path.name for path in folder.iterdir()] == [f"{KEY}.lock"]
    assert list(folder.iterdir()) == []


def test_holders_follow_one_another() -> None:
    inside, overlaps = [], []

    def take() -> None:
        for _ in range(5):
            with lock_for(KEY):
                inside.append(1)
                overlaps.append(len(inside) > 1)
                inside.pop()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [False] * 20


def test_different_keys_do_not_wait_for_each_other() -> None:
    with lock_for(KEY), lock_for("cd" * 32):
        assert not module._gave_up


def test_an_error_releases_the_lock(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), lock_for(KEY):
        raise KeyboardInterrupt
    assert list(folder.iterdir()) == []


def test_a_holder_that_has_stopped_is_waited_for_once(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST_WAIT", 0.1)
    with lock_for(KEY):
        pass
    monkeypatch.setattr(module, "_LONGEST_WAIT", float("inf"))  # would block for ever
    with lock_for(KEY):
        pass
    assert held.exists()


def test_the_lock_of_a_process_that_was_killed_is_free(folder: Path) -> None:
    (folder / f"{KEY}.lock").touch()
    with lock_for(KEY):
        assert not module._gave_up


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EIO])
def test_a_file_system_without_locks_is_no_error(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    with lock_for(KEY):
        pass


@pytest.mark.parametrize("made", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere/at/all")])
def test_a_lock_that_is_no_file_is_no_error(made, folder: Path) -> None:
    made(folder / f"{KEY}.lock")
    with lock_for(KEY):
        pass


def test_a_directory_that_cannot_be_used_is_no_error(folder: Path) -> None:
    folder.chmod(0o777)
    with lock_for(KEY):
        assert list(folder.iterdir()) == []
