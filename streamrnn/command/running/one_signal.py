"""`streamrnn run` without `--key`: all rows are one signal."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from streamrnn.command.running import state_file
from streamrnn.command.running.content import plain_content
from streamrnn.command.running.endpoints import Endpoints
from streamrnn.command.running.file_descriptors import (
    ATOMIC_BYTES,
    STANDARD,
    OpenFile,
    open_source,
    open_target,
    read_chunks,
    sync,
    sync_folder,
)
from streamrnn.command.running.io_loop import run_io_loop
from streamrnn.command.running.recording_session import RecordingSession
from streamrnn.command.running.row_errors import RowErrors
from streamrnn.command.running.stream_session import StreamSession
from streamrnn.command.signals import signals_deferred, signals_end_waits
from streamrnn.model import Model
from streamrnn.stream import Stream


def run_one_signal(model: Model, archive: Path, endpoints: Endpoints, state: Path | None, errors: RowErrors) -> int:
    """Process one signal; the exit code.

    archive  the file of the model, which the output must not replace
    state    the file of the state; only for a model that can be streamed
    errors   is told of rows that cannot be used
    """
    # A block is computed and counted as a whole, so it must be written as a whole, also to a pipe: ATOMIC_BYTES.
    session: StreamSession | RecordingSession
    if model.streamable:
        with signals_deferred():
            stream = Stream(model)
        state_file.restore(state, stream)
        session = StreamSession(stream, errors, endpoints.target_format, ATOMIC_BYTES)
    else:
        session = RecordingSession(model, errors, endpoints.target_format, ATOMIC_BYTES)

    with (
        open_source(endpoints.source) as source,
        open_target(endpoints.target, source.descriptor, archive, *filter(None, [state])) as target,
        signals_end_waits(source.descriptor, target.descriptor) as waits,
        _saving(state, session, endpoints, target),
    ):
        reader = endpoints.source_format.reader(model.input_size, endpoints.columns)
        chunks = plain_content(read_chunks(source, waits), source.name, text=endpoints.source_format.label is not None)
        return run_io_loop(reader, session.outputs, chunks, target, waits, read_all=not model.streamable)


def _saving(
    state: Path | None, session: StreamSession | RecordingSession, endpoints: Endpoints, target: OpenFile
) -> AbstractContextManager[None]:
    """Save the state at the end, after the output: a state that survives a power failure without its lines would lose them."""

    def sync_output() -> None:
        sync(target)
        if endpoints.target != STANDARD:
            sync_folder(endpoints.target)

    if not isinstance(session, StreamSession):
        return nullcontext()
    return state_file.saving(state, session, sync_output if endpoints.sync else None)
