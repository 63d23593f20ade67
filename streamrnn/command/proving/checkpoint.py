"""`streamrnn import` of a file that has no graph: a checkpoint, or a model file of another program.

The proof is the test vector that came with the file, or needs a separate reference.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamrnn.activation import LINEAR
from streamrnn.command import exit_codes
from streamrnn.command.output_path import check_archive_path, default_archive_path, not_written
from streamrnn.command.proving.import_output import ImportOutput
from streamrnn.command.proving.proof import prove
from streamrnn.command.source_file import CHECKPOINTS, check_is_file, errors_name, read_source
from streamrnn.errors import StreamRNNError
from streamrnn.layers import Arithmetic, Dense
from streamrnn.model import Model

if TYPE_CHECKING:
    from streamrnn_converters.proof.recording import Recording


def import_checkpoint(
    source: Path,
    target: Path | None,
    force: bool,
    layers: str | None,
    dtype: str | None,
    against: Path | None,
    output: ImportOutput,
    verified: bool = True,
) -> None:
    """Convert a checkpoint or a model file, compare it with what there is to compare it with, and write it.

    The options are those of `import`; `verified` tells whether the file's own test vector is looked at.

    Raises typer.Exit where the model is not proven.
    """
    check_is_file(source)
    target = target or default_archive_path(source)
    check_archive_path(target, source, force)
    model, remarks, vector = _read(source, layers, dtype)
    output.add_remarks(remarks)
    differs = f"{not_written(target)}, because the output of the model differs from"
    proof = None
    if vector is not None and verified:
        proof = _compared(model, vector, source, output)
        if proof is None:
            output.refuse(f"{differs} the test vector of {source}", exit_codes.NOT_PROVEN)
    if against is not None:
        proof = _proven_against(model, against, output)
        if proof is None:
            hint = remedies(model) if source.suffix.lower() in CHECKPOINTS else ""
            output.refuse(f"{differs} {against}{hint}", exit_codes.NOT_PROVEN)
    if proof is None:
        model.save(target)
        remedy = (
            "but not proven: weights alone do not show what the model should compute; "
            "give a reference with --against reference.onnx or --against io.npz"
        )
        return output.written(target, remedy, exit_codes.UNPROVEN)
    model.with_notes(model.notes | {"proof": proof}).save(target)
    output.written(target)


def _read(source: Path, layers: str | None, dtype: str | None) -> "tuple[Model, tuple[str, ...], Recording | None]":
    """The model, remarks, and the test vector that came with it."""
    if source.suffix.lower() in CHECKPOINTS:
        from streamrnn_converters.checkpoints import read_checkpoint

        return *read_checkpoint(source, layers, dtype), None
    from streamrnn_converters.formats import read_model_file

    found = read_model_file(source, layers, dtype or "float32")
    return found.model, found.remarks, found.vector


def remedies(model: Model) -> str:
    """What may be wrong with the weights of a model that is not proven, as the end of a message."""
    dense = [layer for layer in model.layers if isinstance(layer, Dense)]
    found = ""
    if any(layer.activation == LINEAR for layer in dense):
        found += "; an activation may be missing after a Linear layer, --layers names it, as in dense:head:sigmoid"
    if model.output_size <= model.input_size and not any(isinstance(layer, Arithmetic) for layer in model.layers):
        found += "; if the model adds its input to its output, --layers says so with the last entry skip"
    if sum(bool(layer.states) for layer in model.layers) == 1 and len(dense) <= 1:  # what the doctor takes
        found += "; if the weights follow another convention than torch's, `streamrnn doctor` finds it"
    return found


def _proven_against(model: Model, reference: Path, output: ImportOutput) -> dict[str, Any] | None:
    """Compare a model with an ONNX model or a recording and show the result.

    Returns the proof for the notes of the model; None if they differ.
    """
    from streamrnn_converters.proof.recording import read_recording

    data = read_source(reference)
    if reference.suffix.lower() == ".onnx":
        return output.compared(prove(model, data), reference.name)
    if reference.suffix.lower() != ".npz":
        raise StreamRNNError(f"{reference}: is neither an .onnx nor an .npz of recorded input and output")
    with errors_name(reference):
        recording = read_recording(data)
    return _compared(model, recording, reference, output)


def _compared(model: Model, recording: "Recording", reference: Path, output: ImportOutput) -> dict[str, Any] | None:
    """Compare a model with a recording in a file and show the result. Returns the proof; None if they differ."""
    from streamrnn_converters.proof.recording import compare

    with errors_name(reference):
        recorded = compare(model, recording)
    return output.compared(recorded, reference.name)
