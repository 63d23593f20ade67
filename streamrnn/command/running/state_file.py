"""The file of `run --state`: the state at the end of one run, from which the next one goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from streamrnn.archive import replace_file
from streamrnn.errors import SnapshotError, StreamRNNError
from streamrnn.regular_file import read_regular
from streamrnn.states.snapshot import unpack
from streamrnn.stream import Stream

_MOST_BYTES = 1 << 30


class HasState(Protocol):
    """What has a state to save: a snapshot."""

    state: bytes


def restore(path: Path | None, stream: Stream) -> bool:
    """Restore a stream from the file. If there is no path or no file, the stream begins a signal. Whether there was one.

    Raises SnapshotError if the state is damaged or of another model, StreamRNNError if the file cannot be read.
    """
    if path is None:
        return False
    try:
        data = read_regular(path, _MOST_BYTES)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StreamRNNError(f"{path}: cannot be read ({error.strerror})") from error
    remedy = "give another --state file, or remove this one to begin anew"
    try:
        fingerprint, _ = unpack(data)
    except SnapshotError:
        raise SnapshotError(
            f"{path}: is no state of this version that `streamrnn run` saved, or is damaged; {remedy}"
        ) from None
    if fingerprint != stream.model.fingerprint:
        raise SnapshotError(f"{path}: is the state of another model, {fingerprint[:12]}…; {remedy}")
    try:
        stream.restore(data)
    except SnapshotError as error:
        raise SnapshotError(f"{path}: {error}") from error
    return True


@contextmanager
def saving(path: Path | None, session: HasState, sync_output: Callable[[], None] | None) -> Iterator[None]:
    """Save the state of a session when the context ends, in whatever way; without a path, do nothing.

    sync_output  makes the output survive a power failure. It is called before the state is saved.
                 None: it need not

    The state is also saved at the beginning, so that a path that cannot be written is an error before the work. A save
    replaces the file as a whole or not at all. Raises StreamRNNError if the file cannot be written.
    """
    if path is None:
        yield
        return
    _save(path, session, sync_output is not None)
    try:
        yield
    finally:
        if sync_output is not None:
            sync_output()
        _save(path, session, sync_output is not None)


def _save(path: Path, session: HasState, sync: bool) -> None:
    replace_file(path, session.state, sync)
