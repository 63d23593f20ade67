"""Reads a file that another program has written."""

import os
import stat
from pathlib import Path

from streamrnn.errors import ConversionError

_MOST_BYTES = 1 << 30


def read_file(path: str | os.PathLike[str], most: int | None = _MOST_BYTES) -> bytes:
    """The content of a regular file: anything else, such as a pipe, might never end.

    Raises ConversionError where it cannot be read, is not regular, or has more than `most` bytes (None: no limit).
    """
    try:
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode) and (most is None or found.st_size <= most):
            with Path(path).open("rb") as file:
                return file.read(-1 if most is None else most)
    except OSError as error:
        raise ConversionError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # a null byte in the path
        raise ConversionError(f"{path!r}: cannot be read ({error})") from error
    if stat.S_ISREG(found.st_mode):
        raise ConversionError(f"{path}: has {found.st_size} bytes; more than {most} are not read")
    kind = "is a directory" if stat.S_ISDIR(found.st_mode) else "is not a regular file"
    raise ConversionError(f"{path}: cannot be read (it {kind}); name a file")
