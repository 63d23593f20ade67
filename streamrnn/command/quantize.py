"""`streamrnn quantize`: weights in fewer bytes, and what they cost."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from streamrnn.command.console import print_message, show
from streamrnn.command.measuring.cost_picture import draw
from streamrnn.command.output_path import check_archive_path
from streamrnn.command.picture_option import check_picture
from streamrnn.command.running.formats import FORMATS, Columns, FormatName, format_of
from streamrnn.command.running.whole_signal import read_signal
from streamrnn.command.source_file import load_archive
from streamrnn.command.table import plain_table
from streamrnn.errors import StreamRNNError
from streamrnn.quantization import Trial
from streamrnn.quantization import quantize as quantize_model


def quantize(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="An archive that `streamrnn import` wrote.")],
    target: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="The archive to write.")],
    weights: Annotated[str, typer.Option(help="bfloat16, float16, int8, or auto: by layer, within the tolerance.")],
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A signal to measure on: csv, jsonl, f32 or wav. [default: noise]")
    ] = None,
    tolerance: Annotated[float | None, typer.Option(help="Largest error of an output; more is refused.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT even if streamrnn did not write it.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the errors of layers and outputs: .png, .svg or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Store the weights of a model in fewer bytes, and measure what that costs.

    It prints the largest and the RMS error of the output, for the whole and for each layer alone, against the model with its
    weights in full, on at most 10 000 steps of the recording. They are written into the archive too. With --plot it draws them,
    and the errors of each output (the extra `plot`).

    \b
    Examples:
      streamrnn quantize load.safetensors -o small.safetensors --weights int8 --calibration load.csv
      streamrnn quantize load.safetensors -o small.safetensors --weights auto --tolerance 1e-3 --calibration load.csv
      streamrnn quantize load.safetensors -o small.safetensors --weights int8 --calibration load.csv --plot errors.png
    """
    if plot is not None:
        check_picture(plot, archive)
    check_archive_path(target, archive, force)
    model = load_archive(archive)
    signal = None
    if calibration is not None:
        signal = read_signal(model, calibration, FORMATS[format_of(calibration, FormatName.CSV)], Columns()).rows
        if not len(signal):
            raise StreamRNNError(f"{calibration}: has no rows")
    made = quantize_model(model, weights, signal, tolerance)
    made.save(target)
    found = made.notes["quantization"] | {"weight_bytes_before": model.weight_bytes, "weight_bytes": made.weight_bytes}
    show(
        json.dumps(found, indent=2)
        if as_json
        else plain_table(["layer", "weights", "largest error", "RMS error"], _rows(found))
    )
    if plot is not None:
        draw(found, Trial(model, signal).errors_of(made), plot, f"{weights} weights of {archive.name}")
        print_message(f"{plot}: written")
    print_message(f"{target}: written, {made.weight_bytes} bytes of weights instead of {model.weight_bytes}")


def _rows(found: dict[str, Any]) -> list[list[str]]:
    rows = [[f"{one['layer']} {one['kind']}, alone", one["weights"], *_errors(one)] for one in found["layers"]]
    return [*rows, [f"all, {found['steps']} steps of {found['signal']}", found["weights"], *_errors(found)]]


def _errors(found: dict[str, Any]) -> list[str]:
    return [f"{found[name]:.2e}" for name in ("largest_error", "rms_error")]
