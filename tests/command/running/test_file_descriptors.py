"""Input and output files: opened, cut and written as a whole, or refused with the reason."""

import os
import zlib
from pathlib import Path

import pytest

from streamrnn import StreamRNNError
from streamrnn.command.running.file_descriptors import (
    STANDARD,
    OpenFile,
    is_regular,
    open_target,
    read_chunks,
    reopen_target,
    write_all,
)
from streamrnn.command.waits import OutputClosed, signals_end_waits


@pytest.fixture
def out(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.write_bytes(b"first\nsecond\n")
    return path


def test_a_reopened_target_is_cut_after_the_bytes_that_count(out: Path) -> None:
    with reopen_target(out, 6, zlib.crc32(b"first\n")) as target:
        os.write(target.descriptor, b"third\n")
    assert out.read_bytes() == b"first\nthird\n"


@pytest.mark.parametrize(("n_bytes", "of"), [(6, b"other\n"), (7, b"first\n"), (14, b"first\nsecond\n"), (100, b"")])
def test_a_target_with_another_beginning_is_refused_and_stays_as_it_was(out: Path, n_bytes: int, of: bytes) -> None:
    with pytest.raises(StreamRNNError, match=rf"out: does not begin with the {n_bytes} bytes .* leave out --resume$"):
        reopen_target(out, n_bytes, zlib.crc32(of))
    assert out.read_bytes() == b"first\nsecond\n"


def test_a_reopened_target_must_be_a_regular_file(tmp_path: Path) -> None:
    for path in STANDARD, tmp_path:
        with pytest.raises(StreamRNNError, match="name a file with -o"):
            reopen_target(path, 0, 0)


def test_a_file_in_use_is_never_opened_as_the_target(out: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(out)
    new = tmp_path / "new"
    with out.open("rb") as file:
        for path, other in (out, out), (out, file.fileno()), (tmp_path / "link", out), (new, new):
            with pytest.raises(StreamRNNError, match="would replace a file that this run uses"):
                open_target(path, other)
            with pytest.raises(StreamRNNError, match="would replace a file that this run uses"):
                reopen_target(path, 0, 0, other)
    assert out.read_bytes() == b"first\nsecond\n"
    assert not new.exists()


def test_a_pipe_is_read_as_it_arrives_and_to_its_end(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    with open_target(tmp_path / "new") as target, signals_end_waits(read_end, target.descriptor) as waits:
        assert is_regular(target)
        pipe = OpenFile(read_end, "a pipe")
        assert not is_regular(pipe)
        chunks = read_chunks(pipe, waits)
        for data in b"1,2\n", b"3":
            os.write(write_end, data)
            assert next(chunks) == data
        os.close(write_end)
        assert list(chunks) == []
    os.close(read_end)


def test_a_pipe_without_a_reader_is_closed_output() -> None:
    read_end, write_end = os.pipe()
    with signals_end_waits(read_end, write_end) as waits:
        os.close(read_end)
        with pytest.raises(OutputClosed):
            write_all(OpenFile(write_end, "a pipe"), b"1,2\n", waits)
    os.close(write_end)
