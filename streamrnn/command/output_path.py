"""The place where an archive is to be written."""

import os
from pathlib import Path

from streamrnn.errors import StreamRNNError


def check_target(target: Path, source: Path) -> None:
    """Raise StreamRNNError where the archive could not be written, or would replace its source: before the long work."""
    if target.exists() and source.exists() and target.samefile(source):
        raise StreamRNNError(f"{target}: would replace the model that is read; choose another place")
    if target.is_dir():
        raise StreamRNNError(f"{target}: is a directory; name a file in it")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        reason = "cannot be written" if target.parent.is_dir() else "does not exist"
        raise StreamRNNError(f"{target}: its directory {reason}; choose another place")
