"""The input and output of `run` as file descriptors, without buffers: data is read as it arrives, and written at once."""

import errno
import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from streamrnn.archive import sync_folder as sync_names
from streamrnn.command.waits import InterruptibleWaits, OutputClosed
from streamrnn.errors import StreamRNNError

#: A pipe takes a write of up to so many bytes as a whole or not at all: at least 512 by POSIX. Windows promises nothing.
ATOMIC_BYTES: Final = getattr(select, "PIPE_BUF", 512)
#: The path of standard input and output.
STANDARD = Path("-")
_READ_BYTES = 1 << 16
_BINARY: Final = getattr(os, "O_BINARY", 0)  # or Windows changes line ends
_MEBIBYTE = 1 << 20


@dataclass
class OpenFile:
    """A file descriptor, and the name of the file for messages.

    replaces   whether what the file had before goes when the first output comes
    has_begun  whether that has come (`begin`)
    """

    descriptor: int
    name: str
    replaces: bool = False
    has_begun: bool = False


def open_source(path: Path) -> AbstractContextManager[OpenFile]:
    """The file at `path`, or standard input for "-". Raises StreamRNNError if it cannot be opened."""
    return _standard(sys.stdin, "standard input") if path == STANDARD else _opened(path, os.O_RDONLY)


def open_target(path: Path, *in_use: Path | int, append: bool = False) -> AbstractContextManager[OpenFile]:
    """The file at `path`, or standard output for "-". What the file has stays until `begin`, or for ever if `append`.

    A file that was made here is removed if the context ends with an error before anything was written.

    Raises StreamRNNError if it cannot be opened, or is one of the files `in_use`.
    """
    if path == STANDARD:
        return _standard(sys.stdout, "standard output")
    _check_not_in_use(path, in_use)
    return _target(path, append)


@contextmanager
def _target(path: Path, append: bool) -> Iterator[OpenFile]:
    is_new = not os.path.lexists(path)
    with _opened(path, os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else 0)) as target:
        target.replaces = not append
        try:
            yield target
        except BaseException:
            if is_new and is_regular(target) and not size_of(target):
                with suppress(OSError):
                    os.unlink(path)
            raise


def begin(target: OpenFile) -> None:
    """The first output comes: make the file empty, if it is to be replaced. Raises StreamRNNError if that fails."""
    target.has_begun = True
    if target.replaces and is_regular(target):
        try:
            os.ftruncate(target.descriptor, 0)
        except OSError as error:
            raise StreamRNNError(f"{target.name}: cannot be written ({error.strerror})") from error


def reopen_target(path: Path, n_bytes: int, check: int, *in_use: Path | int) -> AbstractContextManager[OpenFile]:
    """The file at `path`, cut to its first `n_bytes` bytes, to write after them.

    check  the CRC-32 of these bytes

    Raises StreamRNNError if it cannot be opened, is not a regular file, does not begin with these bytes, or is one of the files
    `in_use`.
    """
    _check_not_in_use(path, in_use)
    if path == STANDARD or (path.exists() and not path.is_file()):
        raise StreamRNNError(f"{path}: --resume removes output that was not counted, which needs a file; name a file with -o")
    try:
        with open(path, "r+b" if n_bytes else "w+b") as file:
            if _crc_of_start(file, n_bytes) != check:
                raise StreamRNNError(
                    f"{path}: does not begin with the {n_bytes} bytes that the last run with this store wrote; "
                    "give the same file, or leave out --resume"
                )
            file.truncate(n_bytes)
    except OSError as error:
        raise StreamRNNError(f"{path}: cannot be opened ({error.strerror})") from error
    return _opened(path, os.O_WRONLY | os.O_APPEND)


def is_regular(file: OpenFile) -> bool:
    """Whether it is a regular file, which takes a write of any length at once."""
    return stat.S_ISREG(os.fstat(file.descriptor).st_mode)


def size_of(file: OpenFile) -> int:
    """The number of bytes of a regular file."""
    return os.fstat(file.descriptor).st_size


def rewrite_start(file: OpenFile, data: bytes) -> None:
    """Write over the first bytes of a regular file, after all else has been written. Raises StreamRNNError if that fails."""
    try:
        os.lseek(file.descriptor, 0, os.SEEK_SET)
        os.write(file.descriptor, data)
    except OSError as error:
        raise StreamRNNError(f"{file.name}: cannot be written ({error.strerror})") from error


def sync(file: OpenFile) -> None:
    """Make what was written to a regular file survive a power failure. Raises StreamRNNError if that fails."""
    if is_regular(file):
        try:
            getattr(os, "fdatasync", os.fsync)(file.descriptor)  # Windows and macOS have no fdatasync
        except OSError as error:
            raise StreamRNNError(f"{file.name}: cannot be written ({error.strerror})") from error


def sync_folder(path: Path) -> None:
    """Make the name of a file that was created or replaced survive a power failure. Raises StreamRNNError if that fails."""
    try:
        sync_names(path.parent)
    except OSError as error:
        raise StreamRNNError(f"{path.parent}: cannot be written ({error.strerror})") from error


def read_chunks(source: OpenFile, waits: InterruptibleWaits) -> Iterator[bytes]:
    """Bytes as they arrive, to the end of the input.

    Raises StreamRNNError if they cannot be read, and Interrupted and OutputClosed as `waits` does.
    """
    while True:
        try:
            data = waits.read(_READ_BYTES)
        except OSError as error:
            raise StreamRNNError(f"{source.name}: cannot be read ({error.strerror})") from error
        if not data:
            return
        yield data


def write_all(target: OpenFile, data: bytes, waits: InterruptibleWaits) -> None:
    """Write all of `data`, or raise with none of it written.

    Raises OutputClosed if the reader has gone away, Interrupted, and StreamRNNError if the file cannot be written.
    """
    waits.wait_for_output()
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(target.descriptor, rest) :]
    except OSError as error:
        if error.errno == errno.EPIPE or (error.errno == errno.EINVAL and not is_regular(target)):  # as Windows has it
            raise OutputClosed from None
        if len(rest) < len(data):  # a full disk takes a part; remove it again
            with suppress(OSError):
                os.ftruncate(target.descriptor, os.lseek(target.descriptor, len(rest) - len(data), os.SEEK_CUR))
        raise StreamRNNError(f"{target.name}: cannot be written ({error.strerror})") from error


def _crc_of_start(file: BinaryIO, n_bytes: int) -> int | None:
    """The CRC-32 of the first bytes of a file; None if it has fewer."""
    found = 0
    while n_bytes and (data := file.read(min(n_bytes, _MEBIBYTE))):
        found, n_bytes = zlib.crc32(data, found), n_bytes - len(data)
    return None if n_bytes else found


def _check_not_in_use(path: Path, in_use: tuple[Path | int, ...]) -> None:
    """Raise StreamRNNError if `path` is one of these files, given by path or file descriptor."""
    if path != STANDARD and any(_same_file(path, other) for other in in_use):
        raise StreamRNNError(f"{path}: the output would replace a file that this run uses; choose another path")


def _same_file(path: Path, other: Path | int) -> bool:
    if path.is_file() and os.path.exists(other):
        return os.path.samefile(path, other)
    return isinstance(other, Path) and path.resolve() == other.resolve()


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[OpenFile]:
    try:
        descriptor = os.open(path, flags | _BINARY, 0o666)
    except OSError as error:
        raise StreamRNNError(f"{path}: cannot be opened ({error.strerror})") from error
    try:
        yield OpenFile(descriptor, str(path))
    finally:
        os.close(descriptor)


@contextmanager
def _standard(stream: TextIO | None, name: str) -> Iterator[OpenFile]:
    if stream is None:
        raise StreamRNNError(f"{name}: is closed; name a file")
    yield OpenFile(stream.fileno(), name)
