"""A file that somebody else has made, read whole: it must be a regular one, and not too large."""

import os
import stat
from pathlib import Path

from streamrnn.errors import ConversionError

_MOST_BYTES = 1 << 30


def read_file(path: str | os.PathLike[str], most: int = _MOST_BYTES) -> bytes:
    """Its content. Raises ConversionError where it cannot be read, would never end, or has more than `most` bytes."""
    try:
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode) and found.st_size <= most:
            with Path(path).open("rb") as file:
                return file.read(most)
    except OSError as error:
        raise ConversionError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # a null byte in the path
        raise ConversionError(f"{path!r}: cannot be read ({error})") from error
    if stat.S_ISREG(found.st_mode):
        raise ConversionError(f"{path}: has {found.st_size} bytes; more than {most} are not read")
    kind = "is a directory" if stat.S_ISDIR(found.st_mode) else "is not a regular file"
    raise ConversionError(f"{path}: cannot be read (it {kind}); name a file")
