"""The path of a file that a long run will write at its end."""

import os
from pathlib import Path

from streamrnn.errors import StreamRNNError


def check_output_path(path: Path, source: Path) -> None:
    """Find out before the long work whether a file can be written.

    Raises StreamRNNError if it cannot be written, or would overwrite `source`.
    """
    if path.exists() and source.exists() and path.samefile(source):
        raise StreamRNNError(f"{path}: would replace the file that is read; choose another path")
    if path.is_dir():
        raise StreamRNNError(f"{path}: is a directory; name a file in it")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        reason = "cannot be written" if path.parent.is_dir() else "does not exist"
        raise StreamRNNError(f"{path}: its directory {reason}; choose another path")
