"""What `streamrnn import` does with a file of weights: a checkpoint has no graph, so the proof needs a reference beside it."""

from pathlib import Path

import typer

from streamrnn.command import exit_codes
from streamrnn.command.console import complain, show
from streamrnn.command.output_path import check_target
from streamrnn.command.proving.proof import prove, read_source
from streamrnn.errors import StreamRNNError, VerificationError
from streamrnn.model import Model

EXTENSIONS = (".safetensors", ".npz", ".pt", ".pth", ".bin", ".ckpt")


def import_checkpoint(source: Path, target: Path | None, layers: str | None, dtype: str | None, against: Path | None) -> None:
    """Convert a checkpoint; prove it against an ONNX model or a recording, if there is one; write it."""
    from streamrnn_converters.checkpoints import read_checkpoint

    target = target or default_target(source)
    check_target(target, source)
    model, remarks = read_checkpoint(source, layers, dtype)
    for remark in remarks:
        complain(f"remark: {remark}")
    if against is None:
        model.save(target)
        complain(
            f"{target}: written, but not proven: weights alone do not tell what they should compute; "
            "--against reference.onnx or io.npz does"
        )
        raise typer.Exit(exit_codes.UNPROVEN)
    proof = proven_against(model, against)
    if proof is None:
        complain(
            f"error: {target}: not written, the model does not do what {against} does; if the weights follow another "
            "convention than torch's, `streamrnn doctor` finds it"
        )
        raise typer.Exit(exit_codes.NOT_PROVEN)
    model.with_notes(model.notes | {"proof": proof}).save(target)
    show(f"{target}: written")


def default_target(source: Path) -> Path:
    """SOURCE with the extension .safetensors; where it has that already, with .streamrnn before it."""
    extension = ".streamrnn.safetensors" if source.suffix == ".safetensors" else ".safetensors"
    return source.with_suffix(extension)


def proven_against(model: Model, reference: Path) -> dict[str, object] | None:
    """Show how the model compares with an ONNX model or a recording; the proof for its notes, None where there is none."""
    from streamrnn_converters.proof.recording import compare, read_recording

    data = read_source(reference)
    if reference.suffix.lower() == ".onnx":
        report = prove(model, data)
        show(str(report))
        return {"source": reference.name} | report.to_json() if report.proven else None
    if reference.suffix.lower() != ".npz":
        raise StreamRNNError(f"{reference}: is neither an .onnx nor an .npz of recorded input and output")
    try:
        recorded = compare(model, read_recording(data))
    except VerificationError as error:
        raise VerificationError(f"{reference}: {error}") from error
    show(str(recorded))
    return {"source": reference.name} | recorded.to_json() if recorded.proven else None
