"""The file of `run --state`: where the last run stopped, for the next to go on from. Without one (None) nothing is kept."""

from pathlib import Path

from streamrnn.archive import replace_file
from streamrnn.errors import SnapshotError, StreamRNNError
from streamrnn.stream import Stream


def restore(path: Path | None, stream: Stream) -> None:
    """Take up the state in the file; where there is no file yet, a signal begins.

    Raises SnapshotError for the state of another model or an altered one, StreamRNNError where the file cannot be read.
    """
    try:
        if path is not None:
            stream.restore(path.read_bytes())
    except FileNotFoundError:
        return
    except OSError as error:
        raise StreamRNNError(f"{path}: cannot be read ({error.strerror})") from error
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}") from error


def save(path: Path | None, snapshot: bytes) -> None:
    """Put a snapshot into the file, whole or not at all. Raises StreamRNNError where it cannot be written."""
    if path is not None:
        replace_file(path, snapshot)
