"""`streamrnn verify`: an archive against the model that it was made from."""

from pathlib import Path
from typing import Annotated

import typer

from streamrnn.command import exit_codes
from streamrnn.command.console import show
from streamrnn.command.proof import prove, read_source
from streamrnn.model import load


def verify(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="What `streamrnn import` has written.")],
    against: Annotated[Path, typer.Option(metavar="SOURCE", help="What it was made from.")],
) -> None:
    """Compare an archive with its ONNX model.

    The model runs in onnxruntime, the archive in streamrnn, on quiet, loud, long and saturating signals.

    \b
    Exit code 0: proven; 3: they differ.

    \b
    Examples:
      streamrnn verify vad.safetensors --against vad.onnx
    """
    report = prove(load(archive), read_source(against))
    show(str(report))
    raise typer.Exit(exit_codes.DONE if report.proven else exit_codes.NOT_PROVEN)
