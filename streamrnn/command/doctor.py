"""`streamrnn doctor`: which convention lets weights of unknown origin reproduce a reference."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from streamrnn.command import exit_codes
from streamrnn.command.console import print_message, printable, show
from streamrnn.command.output_path import check_archive_path, not_written
from streamrnn.command.source_file import errors_name, read_source
from streamrnn.command.table import plain_table

if TYPE_CHECKING:
    from streamrnn_converters.doctor import Diagnosis
    from streamrnn_converters.doctor.diagnosis import Finding
    from streamrnn_converters.proof.recording import Recording

_N_SHOWN = 8  # conventions


def doctor(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="Arrays of one recurrent layer: .npz, .safetensors, .pt.")],
    against: Annotated[
        Path,
        typer.Option(metavar="REFERENCE", help="What the layer computes: an .onnx, or an .npz of recorded input and output."),
    ],
    target: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Write the model that was found, with its proof.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let OUT replace a file that streamrnn did not write.")] = False,
    tolerance: Annotated[
        float, typer.Option(metavar="X", min=0, help="The largest error that counts as equal: X · max(1, |reference|).")
    ] = 1e-5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the convention of weights that come without a description.

    The names of the arrays do not matter, and each matrix may be transposed. Their shapes show what they can be: input weights
    (G·H, I), recurrent weights (G·H, H), biases, and a dense layer after them. The doctor computes every convention and
    compares it with the reference: the kind of cell, the order of the gates, reset-after or reset-before, where the biases are
    added, hard or soft sigmoid, tanh or relu, transposed or exchanged matrices.

    A recording is an .npz with "input" and "output", (n_steps, size) each. Add "initial_hidden" and "initial_cell" if the
    layer did not start from zeros. A few dozen steps are enough.

    \b
    Exit code 0: one convention reproduces the reference; 3: none does, or several that differ on other signals.

    \b
    Examples:
      streamrnn doctor weights.npz --against io.npz
      streamrnn doctor layer.safetensors --against reference.onnx -o layer.streamrnn.safetensors
    """
    from streamrnn_converters.doctor import diagnose, read_arrays, read_reference

    if target is not None:
        check_archive_path(target, weights, force)
    data, reference = read_source(weights), read_source(against)
    with errors_name(weights):
        arrays = read_arrays(data, weights.suffix.lower())
    with errors_name(against):
        recording = read_reference(reference, against.suffix.lower())
    for remark in recording.remarks:
        print_message(f"remark: {remark}")
    with errors_name(weights):
        diagnosis = diagnose(arrays, recording, tolerance)
    if as_json:
        show(json.dumps(_values(diagnosis), indent=2))
    else:
        show(_table(diagnosis), "\n".join(printable(line) for line in str(diagnosis).split("\n")))
    if diagnosis.convention is None:
        raise typer.Exit(exit_codes.NOT_PROVEN)
    if target is not None:
        _write(diagnosis, recording, against, target, tolerance, print_message if as_json else show)


def _write(
    diagnosis: "Diagnosis",
    recording: "Recording",
    against: Path,
    target: Path,
    tolerance: float,
    announce: Callable[[str], None],
) -> None:
    """Compare the model once more, now run by the engine over the whole reference, and write it."""
    from streamrnn_converters.proof.recording import compare

    model = diagnosis.model()
    report = compare(model, recording, tolerance)
    announce(str(report))
    if not report.proven:
        print_message(f"error: {not_written(target)}, because the output of the model differs from {against}")
        raise typer.Exit(exit_codes.NOT_PROVEN)
    model.with_notes(model.notes | {"proof": {"source": against.name} | report.to_json()}).save(target)
    announce(f"{target}: written")


def _table(diagnosis: "Diagnosis") -> Table:
    """The conventions with the smallest errors."""
    rows = [[f"{finding.error:.2e}", *_cells(finding).values()] for finding in diagnosis.findings[:_N_SHOWN]]
    return plain_table(["error", "cell", "gates", "layout", "input weights", "convention"], rows, right=["error"])


def _values(diagnosis: "Diagnosis") -> dict[str, Any]:
    """The diagnosis as JSON values: the verdict, and the conventions with the smallest errors; null: it overflows."""
    best = diagnosis.findings[:_N_SHOWN]
    return {
        "found": diagnosis.convention is not None,
        "verdict": str(diagnosis),
        "tolerance": diagnosis.tolerance,
        "steps": diagnosis.n_steps,
        "conventions": [
            {"error": finding.error if math.isfinite(finding.error) else None} | _cells(finding) for finding in best
        ],
    }


def _cells(finding: "Finding") -> dict[str, str]:
    from streamrnn_converters.doctor import LAYOUTS

    convention, reading = finding.convention, finding.convention.reading
    return {
        "cell": reading.kind,
        "gates": convention.gates,
        "layout": LAYOUTS[reading.layout],
        "input_weights": next(iter(reading.roles)),
        "convention": convention.details,
    }
