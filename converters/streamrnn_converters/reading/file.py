"""Reads a file that another program has written."""

import os

from streamrnn.errors import ConversionError
from streamrnn.regular_file import read_regular

_MOST_BYTES = 1 << 30


def read_file(path: str | os.PathLike[str], most: int | None = _MOST_BYTES) -> bytes:
    """The content of a regular file: anything else, such as a pipe, might never end.

    Raises ConversionError where it cannot be read, is not regular, or has more than `most` bytes (None: no limit).
    """
    try:
        return read_regular(path, most)
    except IsADirectoryError as error:
        raise ConversionError(f"{path}: cannot be read ({error.strerror}); name a file") from error
    except OSError as error:
        raise ConversionError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # a null byte in the path, or what an object raises that is asked for its path
        raise ConversionError(f"{path!r}: cannot be read ({error})") from error
