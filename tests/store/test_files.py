"""Files of machine code: what is not ours, whole and unaltered is never believed, and no directory is an error."""

import os
import random
from pathlib import Path

import pytest

from streamrnn.store import files
from streamrnn.store.files import Code

KEY = "ab" * 32
CODE = Code("callee", bytes(range(256)) * 20)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


def test_what_was_written_is_read(place: Path) -> None:
    assert files.read(KEY) is None
    files.write(KEY, CODE)
    assert files.read(KEY) == CODE
    assert [path.name for path in place.iterdir()] == [f"{KEY}.o"]


def test_the_directory_is_private(place: Path) -> None:
    files.write(KEY, CODE)
    assert place.stat().st_mode & 0o777 == 0o700


def test_a_thousand_altered_files_are_not_believed(place: Path) -> None:
    files.write(KEY, CODE)
    path = place / f"{KEY}.o"
    whole = path.read_bytes()
    rng = random.Random(0)
    for trial in range(1200):
        data = bytearray(whole)
        if trial % 3 == 0:
            data = data[: rng.randrange(len(data))]
        elif trial % 3 == 1:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            begin = rng.randrange(len(data))
            data[begin : begin + rng.randrange(1, 99)] = rng.randbytes(rng.randrange(1, 99))
        if data == whole:
            continue
        path.write_bytes(data)
        assert files.read(KEY) is None
    path.write_bytes(whole)
    assert files.read(KEY) == CODE


def test_code_of_another_key_is_not_believed(place: Path) -> None:
    files.write(KEY, CODE)
    (place / f"{KEY}.o").rename(place / f"{'cd' * 32}.o")
    assert files.read("cd" * 32) is None


def test_a_directory_that_others_can_write_to_is_not_used(place: Path) -> None:
    files.write(KEY, CODE)
    place.chmod(0o770)
    assert files.read(KEY) is None
    files.write("cd" * 32, CODE)
    assert not (place / f"{'cd' * 32}.o").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to somebody else")
def test_a_directory_of_somebody_else_is_not_used(place: Path) -> None:
    files.write(KEY, CODE)
    os.chown(place, 12345, 12345)
    assert files.read(KEY) is None


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "file" / "store"))
    files.write(KEY, CODE)
    assert files.read(KEY) is None


def test_a_full_disk_is_no_error_and_leaves_no_rubbish(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    files.write(KEY, CODE)
    assert list(place.iterdir()) == []
