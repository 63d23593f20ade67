"""`streamrnn import`: a foreign model in, proven, written as an archive."""

import os
from pathlib import Path
from typing import Annotated

import typer

from streamrnn.command import exit_codes
from streamrnn.command.console import complain, show
from streamrnn.command.proof import prove, read_source
from streamrnn.errors import StreamRNNError


def import_(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A model that an exporter wrote.")],
    target: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="[default: SOURCE with the extension .safetensors]"),
    ] = None,
    verified: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare with onnxruntime first, or write without a proof.")
    ] = True,
) -> None:
    """Convert an ONNX model, prove it, write it.

    The proof is a comparison with onnxruntime on many signals; the archive keeps it. What cannot be streamed, or is not
    understood, is refused by the name of its node. What cannot be proven is not written.

    \b
    Exit code 0: proven and written; 3: not proven, not written; 4: written unproven (--no-verify).

    \b
    Examples:
      streamrnn import vad.onnx
      streamrnn import vad.onnx -o models/vad.safetensors
    """
    from streamrnn_converters.onnx import read_onnx

    target = target or source.with_suffix(".safetensors")
    _check_place(target, source)
    data = read_source(source)
    imported = read_onnx(data)
    model = imported.model
    for remark in imported.remarks:
        complain(f"remark: {remark}")
    if not verified:
        model.save(target)
        complain(f"{target}: written, but not proven; `streamrnn verify {target} --against {source}` does that")
        raise typer.Exit(exit_codes.UNPROVEN)
    report = prove(model, data)
    show(str(report))
    if not report.proven:
        complain(f"error: {target}: not written, the model does not do what {source} does")
        raise typer.Exit(exit_codes.NOT_PROVEN)
    model.with_notes(model.notes | {"proof": {"source": source.name} | report.to_json()}).save(target)
    show(f"{target}: written")


def _check_place(target: Path, source: Path) -> None:
    """Raise StreamRNNError where the archive could not be written, or would replace its source: before the long work."""
    if target.exists() and source.exists() and target.samefile(source):
        raise StreamRNNError(f"{target}: would replace the model that is read; choose another place")
    if target.is_dir():
        raise StreamRNNError(f"{target}: is a directory; name a file in it")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        reason = "cannot be written" if target.parent.is_dir() else "does not exist"
        raise StreamRNNError(f"{target}: its directory {reason}; choose another place")
