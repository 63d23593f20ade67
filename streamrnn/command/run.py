"""`streamrnn run`: a signal through a model, line by line."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from streamrnn.command import exit_codes, state_file
from streamrnn.command.console import complain
from streamrnn.command.descriptors import ATOMIC, Descriptor, chunks, opened_source, opened_target, write
from streamrnn.command.formats import FORMATS, Format, FormatName, format_of, rows_as_they_arrive
from streamrnn.command.interruption import Interrupted, Interruption, OutputClosed, interruptible, undisturbed
from streamrnn.command.session import OnError, Refused, Session
from streamrnn.command.whole import Whole
from streamrnn.model import load
from streamrnn.stream import Stream

_LONGEST_NUMBER = 16  # characters: "-1.1754944e-38" and what stands between two numbers


def run(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="What `streamrnn import` has written.")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help='The signal; "-": standard input.')] = Path("-"),
    target: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help='"-": standard output.')] = Path("-"),
    input_format: Annotated[
        FormatName | None, typer.Option("--format", help="Of the input. [default: by its extension, else csv]")
    ] = None,
    output_format: Annotated[
        FormatName | None, typer.Option("--output-format", help="Of the output. [default: by its extension, else the input's]")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Go on where the last run with this file stopped, and keep there where this one does."
        ),
    ] = None,
    on_error: Annotated[OnError, typer.Option(help="After a bad line: stop, or go on with the next one.")] = OnError.STOP,
) -> None:
    """Stream a signal through a model.

    Each input line is answered by one output line, as it arrives. csv is numbers with commas (or semicolons, or tabs) in
    between; a first line without any number is a header. jsonl is an array of numbers on each line, f32 raw little-endian
    float32. Blank lines are passed over. Numbers are written as the shortest text that gives the same float32 back.

    A model that reads its input backwards (imported --offline) answers behind the last line, all lines as one recording; a bad
    line then stops the run before any answer, or is left out. There is no state to be kept.

    A line with a wrong count, with NaN, infinity or something else that is not a number gives "error: line N: ..." on standard
    error, no output, and leaves the state as it was.

    The state is kept at the end of the input, at a bad line, a closed pipe, Ctrl-C and SIGTERM. It belongs to exactly the lines
    that have been written, so the next run repeats none and loses none.

    \b
    Examples:
      streamrnn run vad.safetensors < in.csv > out.csv
      sensor | streamrnn run vad.safetensors --state today.state --on-error skip
      streamrnn run vad.safetensors in.jsonl -o out.f32
    """
    read_as = input_format or format_of(source, FormatName.CSV)
    write_as = output_format or format_of(target, read_as)
    model = load(archive)
    # What goes out in one write, which a pipe takes as a whole or not at all, is computed and counted as a whole too.
    longest = max(1, ATOMIC // (_LONGEST_NUMBER * model.output_size))
    session: Session | Whole
    if model.streamable:
        with undisturbed():
            stream = Stream(model)
        state_file.restore(state, stream)
        session = Session(stream, on_error, longest)
    else:
        if state is not None:
            raise typer.BadParameter("--state goes on with a stream, but this model answers whole recordings; leave it out")
        session = Whole(model, on_error, longest)
    with (
        opened_source(source) as incoming,
        opened_target(target, incoming.number, archive, *filter(None, [state])) as outgoing,
        interruptible(incoming.number, outgoing.number) as interruption,
    ):
        _save(state, session)  # a place that cannot be written shows now, not after the last line
        try:
            code = _answer(session, incoming, FORMATS[read_as], outgoing, FORMATS[write_as], interruption)
        finally:
            _save(state, session)
    if session.n_refused and on_error is OnError.SKIP:
        complain(f"left out {session.n_refused} rows that could not be used")
    raise typer.Exit(code)


def _save(path: Path | None, session: Session | Whole) -> None:
    if isinstance(session, Session):
        state_file.save(path, session.state)


def _answer(
    session: Session | Whole,
    incoming: Descriptor,
    read_as: Format,
    outgoing: Descriptor,
    write_as: Format,
    interruption: Interruption,
) -> int:
    """Answer all that comes in, until something ends it; the exit code says what."""
    try:
        arriving = rows_as_they_arrive(read_as.reader(session.input_size), chunks(incoming, interruption))
        for rows in arriving if isinstance(session, Session) else [chain.from_iterable(arriving)]:
            for outputs in session.answers(rows):
                write(outgoing, write_as.encode(outputs), interruption)
    except Refused:
        return exit_codes.FAILED
    except OutputClosed:
        return exit_codes.DONE
    except Interrupted as interrupted:
        return exit_codes.INTERRUPTED + interrupted.signal
    return exit_codes.DONE
