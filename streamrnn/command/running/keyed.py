"""`streamrnn run --key`: lines of many signals, whose states are in a store."""

from pathlib import Path
from typing import NamedTuple

from streamrnn.command import exit_codes
from streamrnn.command.running.answering import answer
from streamrnn.command.running.file_descriptors import (
    ATOMIC,
    STANDARD,
    continued_target,
    is_regular,
    opened_source,
    opened_target,
    sync,
)
from streamrnn.command.running.formats import Format
from streamrnn.command.running.keyed_session import MOST_ROWS, KeyedSession
from streamrnn.command.running.progress import Progress
from streamrnn.command.running.session import OnError
from streamrnn.command.signals import interruptible, undisturbed
from streamrnn.model import Model
from streamrnn.pool import StreamPool
from streamrnn.states.store import StateStore

_FILE_BLOCK = 1 << 20  # bytes that go into a file in one write
_RESIDENT = 64 << 20  # bytes of states in memory, about


class Ways(NamedTuple):
    """Where the lines come from and go to, and what they are."""

    source: Path
    read_as: Format
    target: Path
    write_as: Format


def run_keyed(
    model: Model, archive: Path, ways: Ways, column: str, place: Path, resume: bool, on_error: OnError
) -> tuple[int, int]:
    """Stream many signals; the exit code, and the number of rows that could not be used.

    column  where a line's key is
    place   of the store
    resume  whether to go on where the last run with the store stopped
    """
    # What a pipe has taken cannot be taken back, so there is no line up to which a power failure could be made good.
    with StateStore(place, sync=ways.target != STANDARD) as store:
        with undisturbed():
            pool = StreamPool(model, _capacity(model), store)
        progress = Progress.from_note(store.note) if resume else Progress()
        with opened_source(ways.source) as incoming:
            in_use = incoming.number, archive, place, Path(f"{place}-wal")
            if resume:
                opened = continued_target(ways.target, progress.n_bytes, progress.bytes_check, *in_use)
            else:
                opened = opened_target(ways.target, *in_use)
            with opened as outgoing, interruptible(incoming.number, outgoing.number) as interruption:
                longest = _FILE_BLOCK if is_regular(outgoing) else ATOMIC  # a block is written as a whole or not at all
                session = KeyedSession(pool, store, on_error, ways.write_as, longest, progress, lambda: sync(outgoing))
                reader = ways.read_as.reader(model.input_size, column)
                code = answer(reader, session.answers, incoming, outgoing, interruption)
                if code == exit_codes.DONE:
                    session.finish()
        return code, session.n_refused


def _capacity(model: Model) -> int:
    """Streams in memory."""
    n_bytes = model.dtype.itemsize * sum(state.size for layer in model.layers for state in layer.states.values())
    return max(MOST_ROWS, min(16 * MOST_ROWS, _RESIDENT // max(n_bytes, 1)))
