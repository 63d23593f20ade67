"""Only regular files are read, and what is checked is what is read."""

import os
import socket
from pathlib import Path

import pytest

from streamrnn.regular_file import open_regular, read_regular


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"1234")
    return tmp_path / "file"


def test_a_file_is_read_up_to_a_limit(path: Path) -> None:
    assert read_regular(path) == read_regular(path, 4) == b"1234"
    with pytest.raises(OSError, match="it has 4 bytes; more than 3 are not read"):
        read_regular(path, 3)
    path.write_bytes(b"")
    assert read_regular(path) == b""


def test_a_link_to_a_file_is_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == b"1234"


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("kind", ["fifo", "device", "socket", "directory"])
def test_anything_else_is_refused_at_once(kind: str, linked: bool, tmp_path: Path) -> None:
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path.mkdir()
    if linked:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    with pytest.raises(OSError, match="it is a directory" if kind == "directory" else "it is not a regular file"):
        read_regular(path)


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_what_takes_the_place_of_a_file_before_it_is_opened_is_refused_too(
    kind: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def swapping(name: str, flags: int) -> int:
        path.unlink()
        os.mkfifo(path) if kind == "fifo" else path.mkdir()
        return opened(name, flags)

    monkeypatch.setattr(os, "open", swapping)
    with pytest.raises(OSError, match="it is"):
        read_regular(path)


def test_what_is_read_is_the_file_that_was_opened(path: Path) -> None:
    file, status = open_regular(path)
    path.with_name("other").write_bytes(b"other")
    path.with_name("other").replace(path)
    with file:
        assert file.read() == b"1234"
    assert status.st_size == 4


def test_a_file_that_grows_meanwhile_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = os.fstat

    def growing(descriptor: int) -> os.stat_result:
        status = looked(descriptor)
        with path.open("ab") as file:
            file.write(b"5")
        return status

    monkeypatch.setattr(os, "fstat", growing)
    with pytest.raises(OSError, match="grows while it is read"):
        read_regular(path)


def test_a_file_that_does_not_fit_into_memory_is_refused(path: Path) -> None:
    os.truncate(path, 1 << 43)  # sparse
    with pytest.raises(OSError, match="bytes do not fit into memory"):
        read_regular(path)
