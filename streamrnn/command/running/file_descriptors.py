"""The two ends of `run` as file descriptors: what arrives is seen at once, and what is written has left."""

import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from streamrnn.command.signals import Interruption, OutputClosed
from streamrnn.errors import StreamRNNError

#: Bytes that go into a pipe as a whole or not at all.
ATOMIC = select.PIPE_BUF
#: Stands for standard input or output.
STANDARD = Path("-")
_AT_ONCE = 1 << 16
_MEBIBYTE = 1 << 20


class Descriptor(NamedTuple):
    """An open file."""

    number: int
    name: str  # for messages


def opened_source(path: Path) -> AbstractContextManager[Descriptor]:
    """The file at `path`, standard input where it is "-". Raises StreamRNNError where it cannot be opened."""
    return _standard(sys.stdin, "standard input") if path == STANDARD else _opened(path, os.O_RDONLY)


def opened_target(path: Path, *in_use: Path | int) -> AbstractContextManager[Descriptor]:
    """The file at `path`, emptied, or standard output where it is "-".

    Raises StreamRNNError where it cannot be opened, or is one of the files `in_use`.
    """
    if path == STANDARD:
        return _standard(sys.stdout, "standard output")
    if any(_same_file(path, other) for other in in_use):
        raise StreamRNNError(f"{path}: the output would replace a file that this run uses; choose another place")
    return _opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def continued_target(path: Path, n_bytes: int, check: int, *in_use: Path | int) -> AbstractContextManager[Descriptor]:
    """The file at `path`, behind its first `n_bytes` bytes; what followed is gone.

    check  the CRC-32 of these bytes

    Raises StreamRNNError where it cannot be opened, is no file that keeps what is written, does not begin with these bytes, or
    is one of the files `in_use`.
    """
    if any(_same_file(path, other) for other in in_use):
        raise StreamRNNError(f"{path}: the output would replace a file that this run uses; choose another place")
    if path == STANDARD or (path.exists() and not path.is_file()):
        raise StreamRNNError(f"{path}: --resume takes back what was written and not counted; name a file with -o")
    try:
        with open(path, "r+b" if n_bytes else "w+b") as file:
            found, left = 0, n_bytes
            while left and (data := file.read(min(left, _MEBIBYTE))):
                found, left = zlib.crc32(data, found), left - len(data)
            if left or found != check:
                raise StreamRNNError(
                    f"{path}: does not begin with the {n_bytes} bytes that the last run with this store has written; "
                    "give the same file, or leave --resume out"
                )
            file.truncate(n_bytes)
    except OSError as error:
        raise StreamRNNError(f"{path}: cannot be opened ({error.strerror})") from error
    return _opened(path, os.O_WRONLY | os.O_APPEND)


def is_regular(descriptor: Descriptor) -> bool:
    """Whether it is a file, into which a write of any length goes at once."""
    return stat.S_ISREG(os.fstat(descriptor.number).st_mode)


def sync(descriptor: Descriptor) -> None:
    """Have what was written survive a power failure, where it is a file. Raises StreamRNNError where that fails."""
    if is_regular(descriptor):
        try:
            os.fdatasync(descriptor.number)
        except OSError as error:
            raise StreamRNNError(f"{descriptor.name}: cannot be written ({error.strerror})") from error


def chunks(source: Descriptor, interruption: Interruption) -> Iterator[bytes]:
    """Bytes as they arrive, to the end. Raises StreamRNNError where they cannot be read, Interrupted, and OutputClosed."""
    while True:
        interruption.wait_for_input()
        try:
            data = os.read(source.number, _AT_ONCE)
        except OSError as error:
            raise StreamRNNError(f"{source.name}: cannot be read ({error.strerror})") from error
        if not data:
            return
        yield data


def write(target: Descriptor, data: bytes, interruption: Interruption) -> None:
    """Write all of `data`, or raise with none of it written.

    Raises OutputClosed where nobody reads any more, Interrupted, and StreamRNNError where it cannot be written.
    """
    interruption.wait_for_output()
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(target.number, rest) :]
    except BrokenPipeError:
        raise OutputClosed from None
    except OSError as error:
        if len(rest) < len(data):  # as a full disk does; take the part back
            with suppress(OSError):
                os.ftruncate(target.number, os.lseek(target.number, len(rest) - len(data), os.SEEK_CUR))
        raise StreamRNNError(f"{target.name}: cannot be written ({error.strerror})") from error


def _same_file(path: Path, other: Path | int) -> bool:
    if path.is_file() and os.path.exists(other):
        return os.path.samefile(path, other)
    return isinstance(other, Path) and path.resolve() == other.resolve()


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[Descriptor]:
    try:
        number = os.open(path, flags, 0o666)
    except OSError as error:
        raise StreamRNNError(f"{path}: cannot be opened ({error.strerror})") from error
    try:
        yield Descriptor(number, str(path))
    finally:
        os.close(number)


@contextmanager
def _standard(stream: TextIO | None, name: str) -> Iterator[Descriptor]:
    if stream is None:
        raise StreamRNNError(f"{name}: is closed; name a file")
    yield Descriptor(stream.fileno(), name)
