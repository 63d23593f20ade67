"""`streamrnn import` of a checkpoint: a file of weights without a graph, so the proof needs a separate reference."""

from pathlib import Path

import typer

from streamrnn.command import exit_codes
from streamrnn.command.console import print_message, show
from streamrnn.command.output_path import check_output_path
from streamrnn.command.proving.proof import prove
from streamrnn.command.source_file import errors_name, read_source
from streamrnn.errors import StreamRNNError
from streamrnn.model import Model

EXTENSIONS = (".safetensors", ".npz", ".pt", ".pth", ".bin", ".ckpt")


def import_checkpoint(source: Path, target: Path | None, layers: str | None, dtype: str | None, against: Path | None) -> None:
    """Convert a checkpoint, compare it with a reference if there is one, and write it; the options are those of `import`.

    Raises typer.Exit where the model is not proven.
    """
    from streamrnn_converters.checkpoints import read_checkpoint

    target = target or default_target(source)
    check_output_path(target, source)
    model, remarks = read_checkpoint(source, layers, dtype)
    for remark in remarks:
        print_message(f"remark: {remark}")
    if against is None:
        model.save(target)
        print_message(
            f"{target}: written, but not proven: weights alone do not show what the model should compute; "
            "give a reference with --against reference.onnx or --against io.npz"
        )
        raise typer.Exit(exit_codes.UNPROVEN)
    proof = proven_against(model, against)
    if proof is None:
        print_message(
            f"error: {target}: not written, because the output of the model differs from {against}; if the weights follow "
            "another convention than torch's, `streamrnn doctor` finds it"
        )
        raise typer.Exit(exit_codes.NOT_PROVEN)
    model.with_notes(model.notes | {"proof": proof}).save(target)
    show(f"{target}: written")


def default_target(source: Path) -> Path:
    """SOURCE with the extension .safetensors, or .streamrnn.safetensors if it has that extension already."""
    extension = ".streamrnn.safetensors" if source.suffix == ".safetensors" else ".safetensors"
    return source.with_suffix(extension)


def proven_against(model: Model, reference: Path) -> dict[str, object] | None:
    """Compare a model with an ONNX model or a recording and show the result.

    Returns the proof for the notes of the model; None if they differ.
    """
    from streamrnn_converters.proof.recording import compare, read_recording

    data = read_source(reference)
    if reference.suffix.lower() == ".onnx":
        report = prove(model, data)
        show(str(report))
        return {"source": reference.name} | report.to_json() if report.proven else None
    if reference.suffix.lower() != ".npz":
        raise StreamRNNError(f"{reference}: is neither an .onnx nor an .npz of recorded input and output")
    with errors_name(reference):
        recorded = compare(model, read_recording(data))
    show(str(recorded))
    return {"source": reference.name} | recorded.to_json() if recorded.proven else None
