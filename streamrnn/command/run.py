"""`streamrnn run`: a signal through a model, line by line."""

from pathlib import Path
from typing import Annotated

import typer

from streamrnn.command.console import print_message
from streamrnn.command.csv_options import DecimalCommaOption, HeaderOption
from streamrnn.command.running.endpoints import Endpoints
from streamrnn.command.running.formats import FORMATS, Columns, FormatName, check_writable, format_of, input_names, listed
from streamrnn.command.running.many_signals import run_many_signals
from streamrnn.command.running.one_signal import run_one_signal
from streamrnn.command.running.options import Options
from streamrnn.command.running.plot import Plot
from streamrnn.command.running.row_errors import OnError, RowErrors
from streamrnn.command.source_file import load_archive


def run(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="An archive that `streamrnn import` wrote.")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help='The signal; "-": standard input.')] = Path("-"),
    target: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help='"-": standard output.')] = Path("-"),
    input_format: Annotated[
        FormatName | None, typer.Option("--format", help="Format of the input. [default: by its extension, else csv]")
    ] = None,
    output_format: Annotated[
        FormatName | None,
        typer.Option("--output-format", help="Format of the output. [default: by its extension, else that of the input]"),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Start from the state in this file, if it exists, and save the state there at the end."
        ),
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Write after what the file of -o has. [default: replace it at the first output]")
    ] = False,
    on_error: Annotated[OnError, typer.Option(help="After a bad line: stop, or skip it.")] = OnError.STOP,
    header: HeaderOption = None,
    rate: Annotated[
        int | None, typer.Option(min=1, metavar="HZ", help="Sample rate of a wav output. [default: that of the wav input]")
    ] = None,
    sync: Annotated[
        bool,
        typer.Option(
            "--sync/--no-sync",
            help="Make output and states survive a power failure, or be faster.",
        ),
    ] = True,
    chosen: Annotated[
        str,
        typer.Option("--columns", metavar="COLUMNS", help="The input columns, in the model's order: load,temp or 2,3."),
    ] = "",
    kept: Annotated[
        str, typer.Option("--keep", metavar="COLUMNS", help="Columns that are copied to the output, before its numbers.")
    ] = "",
    decimal_comma: DecimalCommaOption = False,
    key: Annotated[
        str,
        typer.Option(
            metavar="COLUMN",
            help="The lines belong to many signals; the column of their keys.",
        ),
    ] = "",
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --key: keep the states of all signals in this file.")
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="With --key and -o: go on with the same input and output where the last run stopped."),
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the output over time at the end: .png, .svg or .pdf.")
    ] = None,
    truth: Annotated[
        str, typer.Option(metavar="COLUMN", help="With --plot: the column with what the first output should have been.")
    ] = "",
) -> None:
    """Stream a signal through a model.

    Each input line gets one output line, as soon as it arrives. A model whose steps take several lines (`streamrnn inspect`
    tells) gives one line for each step, or several lines of a signal if its notes say so; lines at the end that are no whole
    step are named on standard error, and so is the delay of the output. Formats: csv has numbers separated by commas,
    semicolons or tabs; a first line of names without any number is a header. jsonl has an array of numbers on each line. f32
    is raw little-endian float32. wav is audio, with a channel for each value; to read it takes the extra `audio`. Blank lines
    are skipped. A number is written as the shortest text that reads as the same number. An input that is compressed (gzip, xz,
    bzip2, or zstd with the extra `zstd`) is expanded.

    A bad line (a wrong count of values, NaN, infinity or something that is not a number) gives "error: line N: ..." on standard
    error and no output, and leaves the state as it was.

    A column is given by its name or by its number; the first is 1. With --columns these columns are the input, and others are
    ignored. Without it, all columns are, but those of --keep and --key; if the model knows the names of its inputs, a header
    must have the same ones. In jsonl the names are those of the members of objects.

    With --state the state is saved at the end of the input, at a bad line, at a closed pipe, and at Ctrl-C and SIGTERM. It
    belongs to exactly the lines that were written, so a next run with the lines that follow repeats none and loses none. An
    input file is read from its first line each time, and -o needs --append then, or another file. After a power failure the
    output may have lines that the state does not, never the other way round.

    A model that reads its input backwards (imported with --offline) takes all lines as one recording and answers after the last
    one. A bad line stops such a run before any output, or is skipped. There is no state to save.

    With --key each line continues the signal of its key, and its output line begins with the key. csv names the column in its
    header. In jsonl a line is an array, or an object whose other members are one array, or a number each. The states of all
    signals are in the store, a SQLite file; the most recently used ones are also in memory. They are committed after each block
    of lines has been written. A key that is not in the store begins a new signal.

    After kill -9 or a power failure, the output may end with lines whose states were not committed. --resume removes them: it
    passes over the input lines that count, cuts the output after their answers, and goes on. If there was no run before, it
    starts one, so the same command line works every time.

    With --plot a picture of the output is drawn at the end (the extra `plot`). With --truth it has the truth beside the first
    output and the error below, and the mean absolute and the root mean squared error are printed on standard error. The column
    is copied to the output as --keep does. Where its field is empty, there is no error.

    \b
    Examples:
      streamrnn run vad.safetensors < in.csv > out.csv
      sensor | streamrnn run vad.safetensors --state today.state -o out.csv --append
      streamrnn run vad.safetensors in.csv.gz -o out.f32
      streamrnn run denoise.safetensors noisy.wav -o clean.wav
      streamrnn run vad.safetensors in.csv --columns load,temp --keep time
      sensors | streamrnn run vad.safetensors --key sensor --store today.states
      streamrnn run vad.safetensors in.csv -o out.csv --key 1 --store in.states --resume
      streamrnn run load.safetensors in.csv -o out.csv --plot out.png --truth next
    """
    if output_format is None:
        check_writable(target)
    source_format = input_format or format_of(source, FormatName.CSV)
    target_format = output_format or format_of(target, source_format)
    columns = Columns(key, listed(chosen), _and(listed(kept), truth), header, decimal_comma)
    options = Options(source, source_format, target, target_format, columns, state, append, rate, store, resume, plot, truth)
    options.check()
    model = load_archive(archive)
    options.check_with(model)
    columns = columns._replace(input_names=input_names(model))
    picture = None if plot is None else Plot(plot, columns.kept.index(truth) if truth else None)
    endpoints = Endpoints(source, FORMATS[source_format], target, FORMATS[target_format], columns, sync, append, rate)
    errors = RowErrors(on_error)
    if store is None:
        code = run_one_signal(model, archive, endpoints, state, errors, picture)
    else:
        code = run_many_signals(model, archive, endpoints, store, resume, errors)
    errors.print_summary()
    if picture is not None:
        print_message(f"{plot}: {picture.draw(f'{archive.name} on {source.name}')}")
    raise typer.Exit(code)


def _and(columns: tuple[str, ...], column: str) -> tuple[str, ...]:
    """The columns, and one more, unless it is there or empty."""
    return columns if not column or column in columns else (*columns, column)
