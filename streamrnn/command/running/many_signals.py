"""`streamrnn run --key`: the rows of many signals, whose states are in a store."""

from pathlib import Path

from streamrnn.command import exit_codes
from streamrnn.command.running.content import plain_content
from streamrnn.command.running.endpoints import Endpoints
from streamrnn.command.running.file_descriptors import (
    ATOMIC_BYTES,
    STANDARD,
    is_regular,
    open_source,
    open_target,
    read_chunks,
    reopen_target,
    sync,
    sync_folder,
)
from streamrnn.command.running.io_loop import run_io_loop
from streamrnn.command.running.keyed_session import MAX_ROWS, KeyedSession
from streamrnn.command.running.resume_point import ResumePoint
from streamrnn.command.running.row_errors import RowErrors
from streamrnn.command.running.source_bytes import reading_shown
from streamrnn.command.signals import signals_deferred
from streamrnn.command.waits import signals_end_waits
from streamrnn.model import Model
from streamrnn.pool import StreamPool
from streamrnn.states.store import StateStore

_FILE_BLOCK_BYTES = 1 << 20  # of output, in one write to a regular file
_STATE_BYTES = 64 << 20  # of states in memory, about


def run_many_signals(
    model: Model, archive: Path, endpoints: Endpoints, store_path: Path, resume: bool, errors: RowErrors
) -> int:
    """Process many signals; the exit code.

    archive     the file of the model, which the output must not replace
    store_path  the file of the states
    resume      whether to go on where the last run with this store stopped
    errors      is told of rows that cannot be used
    """
    # Written bytes cannot be taken back from a pipe, so there is no point in making states survive a power failure.
    with StateStore(store_path, sync=endpoints.sync and endpoints.target != STANDARD) as store:
        with signals_deferred():
            pool = StreamPool(model, _capacity(model), store)
        start = ResumePoint.from_note(store.note) if resume else ResumePoint()
        with open_source(endpoints.source) as source:
            in_use = source.descriptor, archive, store_path, Path(f"{store_path}-wal")
            if resume:
                opened = reopen_target(endpoints.target, start.n_bytes, start.bytes_check, *in_use)
            else:
                opened = open_target(endpoints.target, *in_use)
            with opened as target, signals_end_waits(source.descriptor, target.descriptor) as waits:
                max_bytes = _FILE_BLOCK_BYTES if is_regular(target) else ATOMIC_BYTES  # a block is written as a whole
                if endpoints.sync and endpoints.target != STANDARD:
                    sync_folder(endpoints.target)

                def sync_output() -> None:
                    if endpoints.sync:
                        sync(target)

                session = KeyedSession(pool, store, errors, endpoints.target_format, max_bytes, start, sync_output)
                reader = endpoints.source_format.reader(model.input_size, endpoints.columns)
                chunks = plain_content(read_chunks(source, waits), source.name, text=True)
                with reading_shown(chunks, source, target) as shown:
                    code = run_io_loop(reader, session.outputs, shown, target, waits)
                if code == exit_codes.DONE:
                    session.finish()
        store.close(discard=True)  # what is not committed belongs to output that has not been written
    return code


def _capacity(model: Model) -> int:
    """The number of streams in memory."""
    n_bytes = model.dtype.itemsize * sum(state.size for layer in model.layers for state in layer.states.values())
    return max(MAX_ROWS, min(16 * MAX_ROWS, _STATE_BYTES // max(n_bytes, 1)))
