"""`streamrnn run`: a signal through a model, line by line."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from streamrnn.command.console import complain
from streamrnn.command.running import state_file
from streamrnn.command.running.answering import answer
from streamrnn.command.running.file_descriptors import ATOMIC, opened_source, opened_target
from streamrnn.command.running.formats import FORMATS, LONGEST_NUMBER, FormatName, Row, format_of
from streamrnn.command.running.keyed import Ways, run_keyed
from streamrnn.command.running.session import OnError, Session
from streamrnn.command.running.whole import Whole
from streamrnn.command.signals import interruptible, undisturbed
from streamrnn.model import Model, load
from streamrnn.stream import Stream


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
    key: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="The lines are of many signals; the column of their keys, by name or by number from 1 on.",
        ),
    ] = "",
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --key: where the states of all signals are kept, from run to run.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="With --key and -o: go on in the same input and output where the last run with this store stopped."
        ),
    ] = False,
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

    With --key each line goes on with the signal of its key, and its output line begins with the key. csv names the column in
    its header; in jsonl a line is an array, or an object whose other members are one array, or a number each. The states of
    all signals are in the store, a SQLite file, committed with each block of lines once it has been written; keys that it does
    not know begin. In memory are those that were used last.

    After kill -9 or a power failure the output may have lines whose states were not committed any more. --resume takes them
    back: it passes over the lines of the same input that count, cuts the output file behind their answers, and goes on. Where
    nothing has been run yet it begins, so the same command line serves for all starts.

    \b
    Examples:
      streamrnn run vad.safetensors < in.csv > out.csv
      sensor | streamrnn run vad.safetensors --state today.state --on-error skip
      streamrnn run vad.safetensors in.jsonl -o out.f32
      sensors | streamrnn run vad.safetensors --key sensor --store today.states
      streamrnn run vad.safetensors in.csv -o out.csv --key 1 --store in.states --resume
    """
    read_as = input_format or format_of(source, FormatName.CSV)
    write_as = output_format or format_of(target, read_as)
    keyed = bool(key) or store is not None or resume
    if keyed and (not key.strip("0") or store is None):
        raise typer.BadParameter("--key COLUMN and --store FILE belong together, and to --resume; columns count from 1 on")
    if keyed and state:
        raise typer.BadParameter("--state keeps one signal and --store keeps many; give one of them")
    if keyed and FormatName.F32 in (read_as, write_as):
        raise typer.BadParameter("f32 has no column for a key; read and write csv or jsonl")
    model = load(archive)
    ways = Ways(source, FORMATS[read_as], target, FORMATS[write_as])
    if store is None:
        code, n_refused = _run_one(model, archive, ways, state, on_error)
    else:
        code, n_refused = run_keyed(model, archive, ways, key, store, resume, on_error)
    if n_refused and on_error is OnError.SKIP:
        complain(f"left out {n_refused} rows that could not be used")
    raise typer.Exit(code)


def _run_one(model: Model, archive: Path, ways: Ways, state: Path | None, on_error: OnError) -> tuple[int, int]:
    """Take one signal through a model; the exit code, and the number of rows that could not be used."""
    # What goes out in one write, which a pipe takes as a whole or not at all, is computed and counted as a whole too.
    longest = max(1, ATOMIC // (LONGEST_NUMBER * model.output_size))
    session: Session | Whole
    if model.streamable:
        with undisturbed():
            stream = Stream(model)
        state_file.restore(state, stream)
        session = Session(stream, on_error, longest)
    elif state is not None:
        raise typer.BadParameter("--state goes on with a stream, but this model answers whole recordings; leave it out")
    else:
        session = Whole(model, on_error, longest)

    def answers(rows: Iterable[Row]) -> Iterator[bytes]:
        return map(ways.write_as.encode, session.answers(rows))

    with (
        opened_source(ways.source) as incoming,
        opened_target(ways.target, incoming.number, archive, *filter(None, [state])) as outgoing,
        interruptible(incoming.number, outgoing.number) as interruption,
    ):
        _save(state, session)  # a place that cannot be written shows now, not after the last line
        try:
            reader = ways.read_as.reader(model.input_size)
            code = answer(reader, answers, incoming, outgoing, interruption, whole=not model.streamable)
        finally:
            _save(state, session)
    return code, session.n_refused


def _save(path: Path | None, session: Session | Whole) -> None:
    if isinstance(session, Session):
        state_file.save(path, session.state)
