"""Files that somebody else may have made: opened once, and read only if they are regular.

Between two looks at a path it may come to lead to another file. So what is checked is the open file, which is then read.
"""

import errno
import os
import stat
from io import FileIO

_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):  # NONBLOCK: a FIFO is opened without waiting for its writer
    _FLAGS |= getattr(os, _name, 0)


def open_regular(path: str | os.PathLike[str]) -> tuple[FileIO, os.stat_result]:
    """A regular file, or one that a link leads to, open for reading; and its status.

    Raises OSError for anything else, such as a FIFO or a device, which might never end. Its `strerror` says what is wrong.
    """
    _check_regular(os.stat(path))  # to open a FIFO or a device may already do something
    descriptor = os.open(path, _FLAGS)
    try:
        status = os.fstat(descriptor)
        _check_regular(status)
        return FileIO(descriptor), status
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], most: int | None = None) -> bytes:
    """The content of a regular file.

    most  bytes that are read; None: no limit

    Raises OSError as `open_regular` does, and for a file that is longer, grows meanwhile, or does not fit into memory.
    """
    file, status = open_regular(path)
    with file:
        size = status.st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"it has {size} bytes; more than {most} are not read")
        try:
            data = _read(file, size + 1)
        except MemoryError:
            raise OSError(errno.ENOMEM, f"its {size} bytes do not fit into memory") from None
    if len(data) > size:
        raise OSError(errno.EAGAIN, "it grows while it is read; wait until it is whole")
    return data


def _read(file: FileIO, most: int) -> bytes:
    """The rest of a file, at most so many bytes."""
    parts = []
    while most and (part := file.read(most)):
        parts.append(part)
        most -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
