"""The path of a file that a long run will write at its end."""

import json
import os
from pathlib import Path

from streamrnn.errors import StreamRNNError
from streamrnn.regular_file import open_regular

_MAX_HEADER_BYTES = 100 << 20  # as safetensors has it


def check_output_path(path: Path, source: Path) -> None:
    """Find out before the long work whether a file can be written.

    Raises StreamRNNError if it cannot be written, or would overwrite `source`.
    """
    if path.exists() and source.exists() and path.samefile(source):
        raise StreamRNNError(f"{path}: would replace the file that is read; choose another path")
    if path.is_dir():
        raise StreamRNNError(f"{path}: is a directory; name a file in it")
    if path.exists() and not path.is_file():
        raise StreamRNNError(f"{path}: is not a regular file, and would be replaced by one; choose another path")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        reason = "cannot be written" if path.parent.is_dir() else "does not exist"
        raise StreamRNNError(f"{path}: its directory {reason}; choose another path")


def check_archive_path(path: Path, source: Path, force: bool) -> None:
    """Find out before the long work whether an archive can be written, and that it replaces nothing but an archive.

    force  whether it may replace any file

    Raises StreamRNNError as `check_output_path` does, and for a file that is no archive of streamrnn.
    """
    check_output_path(path, source)
    if not force and _is_foreign(path):
        raise StreamRNNError(f"{path}: exists, and streamrnn did not write it; choose another path with -o, or give --force")


def default_archive_path(source: Path) -> Path:
    """SOURCE with the extension .safetensors, or .streamrnn.safetensors if that is the file of another program."""
    path = source.with_suffix(".safetensors")
    return source.with_suffix(".streamrnn.safetensors") if path == source or _is_foreign(path) else path


def not_written(path: Path) -> str:
    """The beginning of a message about an archive that was not written."""
    return f"{path}: not written" + (", the older file is still there" if path.exists() else "")


def _is_foreign(path: Path) -> bool:
    """Whether it is a file with some content that is no archive of streamrnn."""
    try:
        file, status = open_regular(path)
        with file:
            if not status.st_size:
                return False
            n_bytes = int.from_bytes(file.read(8), "little")
            return n_bytes > _MAX_HEADER_BYTES or "streamrnn" not in json.loads(file.read(n_bytes))["__metadata__"]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return True
