"""Files of machine code: what is not ours, whole and unaltered is never believed, and what is not used does not stay."""

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamrnn.code_cache import files
from streamrnn.code_cache.files import Code
from tests.code_cache.damage import DAMAGES

KEY, OTHER = "ab" * 32, "cd" * 32
CODE = Code("callee", bytes(range(256)) * 4)
DAY = 86400


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def path(folder: Path) -> Path:
    """A whole file."""
    files.write(KEY, CODE)
    return folder / f"{KEY}.o"


def test_what_was_written_is_read(folder: Path) -> None:
    assert files.read(KEY) is None
    files.write(KEY, CODE)
    assert files.read(KEY) == CODE
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.o"]


def test_the_directory_is_private(folder: Path, path: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_flipped_bit_in_any_byte_is_not_believed(path: Path) -> None:
    whole, rng = path.read_bytes(), random.Random(0)
    assert len(whole) > 1000
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        assert files.read(KEY) is None
    path.write_bytes(whole)
    assert files.read(KEY) == CODE


def test_a_file_cut_off_anywhere_is_not_believed(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert files.read(KEY) is None


def test_anything_else_is_not_believed(path: Path) -> None:
    whole, rng = path.read_bytes(), random.Random(1)
    for _ in range(1000):
        begin, end = sorted(rng.choices(range(len(whole) + 1), k=2))
        data = whole[:begin] + rng.randbytes(rng.randrange(1, 99)) + whole[end:]
        if data != whole:
            path.write_bytes(data)
            assert files.read(KEY) is None


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_no_file_of_ours_is_not_believed(damage: Callable[[Path], None], path: Path) -> None:
    damage(path)
    assert files.read(KEY) is None


def test_code_of_another_key_is_not_believed(folder: Path, path: Path) -> None:
    path.rename(folder / f"{OTHER}.o")
    assert files.read(OTHER) is None


def test_a_directory_that_others_can_write_to_is_not_used(folder: Path, path: Path) -> None:
    folder.chmod(0o770)
    assert files.read(KEY) is None
    with pytest.raises(PermissionError):
        files.write(OTHER, CODE)
    assert not (folder / f"{OTHER}.o").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to somebody else")
@pytest.mark.parametrize("which", ["directory", "file"])
def test_what_belongs_to_somebody_else_is_not_used(which: str, folder: Path, path: Path) -> None:
    os.chown(folder if which == "directory" else path, 12345, 12345)
    assert files.read(KEY) is None


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_a_directory_below_one_that_others_can_write_to_is_not_used(mode: int, tmp_path: Path, path: Path) -> None:
    tmp_path.chmod(mode)
    assert files.read(KEY) is None
    with pytest.raises(PermissionError, match=f"{tmp_path} belongs to another user, or others can write to it"):
        files.write(OTHER, CODE)
    tmp_path.chmod(mode | 0o1000)  # sticky, as /tmp is
    assert files.read(KEY) == CODE


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to somebody else")
def test_a_directory_below_one_of_somebody_else_is_not_used(tmp_path: Path, path: Path) -> None:
    for mode in (0o755, 0o1777):
        os.chown(tmp_path, 12345, 12345)
        tmp_path.chmod(mode)
        assert files.read(KEY) is None


@pytest.mark.parametrize("relative", [False, True])
def test_every_link_on_the_way_to_the_directory_is_followed_and_checked(
    relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("other/../open/inner" if relative else tmp_path / "open" / "inner")
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "link" / "store"))
    files.write(KEY, CODE)
    assert files.read(KEY) == CODE
    (tmp_path / "open").chmod(0o777)
    assert files.read(KEY) is None
    if os.getuid() == 0:
        (tmp_path / "open").chmod(0o755)
        os.lchown(tmp_path / "link", 12345, 12345)
        assert files.read(KEY) is None


def test_links_in_a_circle_lead_to_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "a" / "store"))
    assert files.read(KEY) is None


def test_all_directories_that_are_made_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "a" / "b" / "c"))
    mask = os.umask(0)
    try:
        files.write(KEY, CODE)
    finally:
        os.umask(mask)
    assert files.read(KEY) == CODE


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", "~/code")
    assert files.directory() == tmp_path / "code"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("instant", ["before it is opened", "after it is opened"])
def test_what_is_read_is_what_was_checked_though_another_file_takes_its_place(
    instant: str, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "foreign"
    files.write(OTHER, CODE)
    (path.parent / f"{OTHER}.o").rename(foreign)
    evil = Code("evil", b"evil")
    body = evil.symbol.encode() + b"\0" + evil.object
    foreign.write_bytes(files._hash(KEY, body) + body)
    os.chown(foreign, 12345, 12345)
    opened = os.open

    def swapping(name: str, *arguments: int) -> int:
        if instant == "before it is opened":
            foreign.replace(path)
            return opened(name, *arguments)
        descriptor = opened(name, *arguments)
        foreign.replace(path)
        return descriptor

    monkeypatch.setattr(os, "open", swapping)
    assert files.read(KEY) == (None if instant == "before it is opened" else CODE)


def test_a_directory_that_cannot_be_made_has_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a directory")
    monkeypatch.setenv("STREAMRNN_CACHE_DIR", str(tmp_path / "file" / "store"))
    assert files.read(KEY) is None
    with pytest.raises(OSError, match="file"):
        files.write(KEY, CODE)


def test_a_user_without_a_home_has_no_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STREAMRNN_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert files.read(KEY) is None
    with pytest.raises(OSError, match="home"):
        files.write(KEY, CODE)


def test_a_full_disk_leaves_no_rubbish(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="space"):
        files.write(KEY, CODE)
    assert list(folder.iterdir()) == []


def aged(path: Path, days: float) -> Path:
    path.touch()
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def test_code_that_nobody_used_for_ninety_days_is_removed_when_other_code_comes(folder: Path, path: Path) -> None:
    aged(path, 91)
    younger = aged(folder / ("ef" * 32 + ".o"), 89)
    files.write(OTHER, CODE)
    assert not path.exists()
    assert younger.exists()


def test_code_in_use_stays(path: Path) -> None:
    aged(path, 91)
    assert files.read(KEY) == CODE
    files.write(OTHER, CODE)
    assert files.read(KEY) == CODE


def test_what_killed_processes_left_is_removed_and_what_is_not_ours_stays(folder: Path, path: Path) -> None:
    left = [aged(folder / name, 2) for name in (f"{KEY}.lock", ".streamrnn-x.tmp")]
    others = [aged(folder / name, 999) for name in ("notes.o", ".x.tmp", "thesis.txt", f"{KEY}.o.bak")]
    files.write(OTHER, CODE)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)
