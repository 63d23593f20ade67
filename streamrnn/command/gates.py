"""`streamrnn gates`: what the gates of a model do on a signal, to look at."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from streamrnn.command.console import print_message, show
from streamrnn.command.csv_options import DecimalCommaOption, HeaderOption, check_csv_options
from streamrnn.command.output_path import check_output_path
from streamrnn.command.running.formats import FORMATS, Columns, FormatName, format_of, input_names, listed
from streamrnn.command.running.whole_signal import read_signal
from streamrnn.command.source_file import load_archive
from streamrnn.command.table import plain_table
from streamrnn.errors import StreamRNNError
from streamrnn.recording import Trace, record_gates, warm_up
from streamrnn.recording.figures import moves_with
from streamrnn.recording.page import page
from streamrnn.recording.picture import draw
from streamrnn.target.packing import Array

_KINDS = (".html", ".png", ".svg", ".npz")


def gates(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="An archive that `streamrnn import` wrote.")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The signal: csv, jsonl, f32 or wav.")],
    target: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="A page (.html), a picture (.png, .svg) or arrays (.npz)."),
    ] = None,
    input_format: Annotated[
        FormatName | None, typer.Option("--format", help="Format of the input. [default: by its extension, else csv]")
    ] = None,
    chosen: Annotated[
        str, typer.Option("--columns", metavar="COLUMNS", help="The input columns, in the model's order: load,temp or 2,3.")
    ] = "",
    header: HeaderOption = None,
    decimal_comma: DecimalCommaOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what the gates of a model do on a signal.

    It prints for each recurrent layer how often its gates are saturated (below 0.05 or above 0.95), the memory of its units in
    steps (-1 / ln of the mean of f, or of z), units that never move, which inputs each gate moves with (the mean over its units
    of |correlation|), and after how many steps the model has forgotten where it began. Inputs count from 1, as columns do. A
    header of csv must have the names of the model's inputs, where the model knows them. With -o it also writes a page to look
    at in a browser, a picture, or the arrays themselves.

    LSTM: i, f, g, o, c, h. GRU: r, z, n, h, with h' = (1 - z) n + z h, so z = 1 keeps the past.

    \b
    Examples:
      streamrnn gates load.safetensors load.csv -o gates.html
      streamrnn gates vad.safetensors speech.wav --json
    """
    if target is not None:
        if target.suffix.lower() not in _KINDS:
            raise typer.BadParameter(f"{target}: the output is one of {', '.join(_KINDS)}")
        check_output_path(target, archive)
    model = load_archive(archive)
    source_format = input_format or format_of(source, FormatName.CSV)
    check_csv_options(source_format, header, decimal_comma)
    columns = Columns(values=listed(chosen), header=header, decimal_comma=decimal_comma, input_names=input_names(model))
    signal, rate = read_signal(model, source, FORMATS[source_format], columns)
    if not len(signal):
        raise StreamRNNError(f"{source}: has no rows")
    signal = signal[: len(signal) // model.stride * model.stride]
    trace, forgotten = record_gates(model, signal), warm_up(model, signal)
    found = {index: figures for index, figures in enumerate(trace.figures) if figures is not None}
    correlations = trace.correlations(signal)
    names = columns.values or columns.input_names or [f"input {index + 1}" for index in range(model.input_size)]
    if as_json:
        layers = [
            {
                "layer": index,
                "kind": trace.kinds[index],
                **figures.to_json(),
                "correlations": {gate: values.tolist() for gate, values in correlations[index].items()},
            }
            for index, figures in found.items()
        ]
        show(json.dumps({"steps": trace.n_steps, "warm_up_steps": forgotten, "layers": layers}, indent=2))
    else:
        rows = [
            [f"{index} {trace.kinds[index]}", name, value]
            for index, figures in found.items()
            for name, value in (*figures.lines(), *moves_with(correlations[index], names))
        ]
        never = f"not within these {trace.n_steps} steps"
        rows.append(["model", "start forgotten", never if forgotten is None else f"after {forgotten} steps"])
        show(plain_table(["layer", "what", "value"], rows))
    if target is not None:
        _write(target, trace, signal, names, f"{archive.name} on {source.name}", rate / model.stride)
        print_message(f"{target}: written")


def _write(target: Path, trace: Trace, signal: Array, names: Sequence[str], title: str, steps_per_second: float) -> None:
    match target.suffix.lower():
        case ".npz":
            trace.save(target)
        case ".html":
            try:
                target.write_text(page(trace, signal, title, names=names, steps_per_second=steps_per_second), "utf-8")
            except OSError as error:
                raise StreamRNNError(f"{target}: cannot be written ({error.strerror})") from error
        case _:
            draw(trace, signal, target, title, names, steps_per_second)
