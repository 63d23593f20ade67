"""`streamrnn doctor`: which convention makes weights of unknown origin compute what a reference says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from streamrnn.command import exit_codes
from streamrnn.command.console import complain, printable, show
from streamrnn.command.output_path import check_target
from streamrnn.command.proving.proof import read_source
from streamrnn.errors import ConversionError, VerificationError

if TYPE_CHECKING:
    from streamrnn_converters.doctor import Diagnosis
    from streamrnn_converters.proof.recording import Recording

_ROWS = 8


def doctor(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="Arrays of one recurrent layer: .npz, .safetensors, .pt.")],
    against: Annotated[
        Path, typer.Option(metavar="REFERENCE", help="What they should do: an .onnx, or an .npz of recorded input and output.")
    ],
    target: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Write the model found, with its proof.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(metavar="X", min=0, help="Reproduced is what agrees to X · max(1, |reference|).")
    ] = 1e-5,
) -> None:
    """Find the convention of weights that nobody has described.

    The arrays may have any names and either layout; their shapes tell what they could be: input weights (G·H, I), recurrent
    weights (G·H, H), biases, perhaps a dense head. Every convention is computed and compared with the reference: kind, order
    of gates, reset-after and reset-before, where the biases go, hard or soft sigmoid, tanh or relu, matrices transposed or
    exchanged.

    A recording is an .npz of "input" and "output", (n_steps, size) each, and "initial_hidden" and "initial_cell" where they
    were not zero; a few dozen steps are enough.

    \b
    Exit code 0: one convention reproduces the reference; 3: none does, or several that differ on other signals.

    \b
    Examples:
      streamrnn doctor weights.npz --against io.npz
      streamrnn doctor layer.safetensors --against reference.onnx -o layer.streamrnn.safetensors
    """
    from streamrnn_converters.doctor import diagnose, read_arrays, read_reference

    if target is not None:
        check_target(target, weights)
    try:
        arrays = read_arrays(read_source(weights), weights.suffix.lower())
    except ConversionError as error:
        raise ConversionError(f"{weights}: {error}") from error
    try:
        recording = read_reference(read_source(against), against.suffix.lower())
    except VerificationError as error:
        raise VerificationError(f"{against}: {error}") from error
    for remark in recording.remarks:
        complain(f"remark: {remark}")
    try:
        diagnosis = diagnose(arrays, recording, tolerance)
    except ConversionError as error:
        raise ConversionError(f"{weights}: {error}") from error
    show(_table(diagnosis), "\n".join(printable(line) for line in str(diagnosis).split("\n")))
    if diagnosis.convention is None:
        raise typer.Exit(exit_codes.NOT_PROVEN)
    if target is not None:
        _write(diagnosis, recording, against, target, tolerance)


def _write(diagnosis: "Diagnosis", recording: "Recording", against: Path, target: Path, tolerance: float) -> None:
    """Prove the model once more with the engine, and over the whole reference; write it."""
    from streamrnn_converters.proof.recording import compare

    model = diagnosis.model()
    report = compare(model, recording, tolerance)
    show(str(report))
    if not report.proven:
        complain(f"error: {target}: not written, the model does not do what {against} does")
        raise typer.Exit(exit_codes.NOT_PROVEN)
    model.with_notes(model.notes | {"proof": {"source": against.name} | report.to_json()}).save(target)
    show(f"{target}: written")


def _table(diagnosis: "Diagnosis") -> Table:
    """The conventions with the smallest errors."""
    from streamrnn_converters.doctor import LAYOUTS

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("error", justify="right")
    for name in ("cell", "gates", "layout", "input weights", "convention"):
        table.add_column(name)
    for finding in diagnosis.findings[:_ROWS]:
        convention = finding.convention
        reading = convention.reading
        cells = (reading.kind, convention.gates, LAYOUTS[reading.layout], printable(next(iter(reading.roles))))
        table.add_row(f"{finding.error:.2e}", *cells, convention.details)
    return table
