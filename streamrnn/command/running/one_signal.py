"""`streamrnn run` without `--key`: all rows are one signal."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from streamrnn.audio import OutputRows
from streamrnn.command import exit_codes
from streamrnn.command.console import print_message
from streamrnn.command.progress_bar import is_terminal
from streamrnn.command.running import state_file
from streamrnn.command.running.endpoints import Endpoints
from streamrnn.command.running.file_descriptors import (
    ATOMIC_BYTES,
    STANDARD,
    OpenFile,
    is_regular,
    open_source,
    open_target,
    rewrite_start,
    size_of,
    sync,
    sync_folder,
)
from streamrnn.command.running.formats import FORMATS, FormatName, Row, wav
from streamrnn.command.running.hops import Hops
from streamrnn.command.running.io_loop import run_io_loop
from streamrnn.command.running.plot import Plot
from streamrnn.command.running.recording_session import RecordingSession
from streamrnn.command.running.row_errors import RowErrors
from streamrnn.command.running.source_bytes import reading_shown, source_bytes
from streamrnn.command.running.stream_session import StreamSession
from streamrnn.command.signals import signals_deferred
from streamrnn.command.waits import signals_end_waits
from streamrnn.errors import InputError, StreamRNNError
from streamrnn.model import Model
from streamrnn.stream import Stream


def run_one_signal(
    model: Model,
    archive: Path,
    endpoints: Endpoints,
    state: Path | None,
    errors: RowErrors,
    picture: Plot | None = None,
) -> int:
    """Process one signal; the exit code.

    archive  the file of the model, which the output must not replace
    state    the file of the state; only for a model that can be streamed
    errors   is told of rows that cannot be used
    picture  gets rows and outputs; only for a model that can be streamed
    """
    # A block is computed and counted as a whole, so it must be written as a whole, also to a pipe: ATOMIC_BYTES.
    session: StreamSession | RecordingSession
    if model.streamable:
        with signals_deferred():
            stream = Stream(model)
        goes_on = state_file.restore(state, stream)
        if goes_on:
            _tell_how_it_goes_on(endpoints, state)
        watch = [] if picture is None else [picture.add]
        session = StreamSession(stream, errors, endpoints.target_format, ATOMIC_BYTES, *watch)
    else:
        session = RecordingSession(model, errors, endpoints.target_format, ATOMIC_BYTES)
    hops, output = Hops(model.stride), OutputRows.of(model)

    def outputs_of(rows: Iterable[Row]) -> Iterator[bytes]:
        return session.outputs(hops.joined(rows))

    with (
        open_source(endpoints.source) as source,
        open_target(endpoints.target, source.descriptor, archive, *filter(None, [state]), append=endpoints.append) as target,
        signals_end_waits(source.descriptor, target.descriptor) as waits,
        _saving(state, session, endpoints, target),
    ):
        reader = endpoints.source_format.reader(model.input_size, endpoints.columns)
        with (
            source_bytes(source, endpoints.source_format, model.input_size, waits) as (chunks, rate),
            _wav_header(
                target,
                endpoints,
                _output_rate(endpoints, rate * output.rows, model.stride),
                model.output_size // output.rows,
            ) as head,
        ):
            _tell_of_rate(model, rate)
            if picture is not None:
                picture.steps_per_second = rate / model.stride
            with reading_shown(chunks, source, target) as shown:
                code = run_io_loop(reader, outputs_of, shown, target, waits, head=head, read_all=not model.streamable)
    if code > exit_codes.INTERRUPTED and isinstance(session, StreamSession) and is_terminal():
        _tell_where_it_stopped(session, state)
    if output.delay:
        print_message(
            f"the output is {output.delay} rows later than the input: it begins with so many rows from before the signal, and "
            "as many rows at the end of the input are not answered yet"
        )
    if hops.left:
        print_message(hops.left)
    return code


def _tell_how_it_goes_on(endpoints: Endpoints, state: Path | None) -> None:
    """Tell a terminal that the stream has a past. Raises StreamRNNError if the output of that past would be lost."""
    target = endpoints.target
    if target != STANDARD and not endpoints.append and target.is_file() and target.stat().st_size:
        raise StreamRNNError(
            f"{target}: has output already, and the stream goes on from the state in {state}; give --append to write after it, "
            "or name another file; to begin anew remove both"
        )
    if endpoints.source != STANDARD and is_terminal():
        print_message(f"remark: goes on from the state in {state}; {endpoints.source} is read from its first line")


def _tell_where_it_stopped(session: StreamSession, state: Path | None) -> None:
    """Say which rows have been answered when a signal ends the run."""
    after = f"after {session.last}" if session.last else "before the first line"
    saved = f"; {state} has the state, for a next run with the lines that follow" if state else ""
    print_message(f"stopped {after}{saved}")


def _tell_of_rate(model: Model, rate: int) -> None:
    """Say so where a wav has another sample rate than the file of which the model was imported names.

    rate  frames per second of the wav; 0: the input is none
    """
    source = model.notes.get("source")
    trained = source.get("sample_rate") if isinstance(source, dict) else None
    if rate and isinstance(trained, int | float) and trained != rate:
        print_message(
            f"the wav has {rate} samples per second, the model was made for {trained:g}: all times and frequencies are off by "
            "that; resample the wav first"
        )


def _output_rate(endpoints: Endpoints, rate: int, stride: int) -> int:
    """Frames per second of a wav output: --rate, or as many as steps give in a second of the input.

    rate  frames per second of the input, times the rows that a step gives
    """
    if endpoints.rate is None and rate % stride and endpoints.target_format is FORMATS[FormatName.WAV]:
        raise InputError(f"a step takes {stride} rows, so the output has {rate / stride:.3f} rows per second; give --rate")
    return endpoints.rate or rate // stride


@contextmanager
def _wav_header(target: OpenFile, endpoints: Endpoints, rate: int, channels: int) -> Iterator[bytes]:
    """What is written before the outputs: the header of a wav, which gets its length when the context ends; else nothing."""
    if endpoints.target_format is not FORMATS[FormatName.WAV]:
        yield b""
        return
    head = wav.header(rate, channels)
    try:
        yield head
    finally:
        n_bytes = size_of(target) - len(head)
        if endpoints.target != STANDARD and is_regular(target) and target.has_begun and n_bytes >= 0:
            rewrite_start(target, wav.header(rate, channels, n_bytes))


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
