"""`streamrnn export`: a model as C, for programs without Python."""

import json
from pathlib import Path
from typing import Annotated

import typer

from streamrnn.command.console import print_message, show
from streamrnn.command.progress_bar import progress_bar
from streamrnn.command.source_file import load_archive
from streamrnn.command.table import plain_table
from streamrnn.exporting import TARGETS, export_c
from streamrnn.target.machine import runs_here


def export(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="An archive that `streamrnn import` wrote.")],
    folder: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write to; it is made.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What functions and files begin with: a C identifier.")] = "model",
    target: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help=f"{', '.join(TARGETS)}. [default: for the architecture of this machine]"),
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Also link it: libNAME.so, or NAME.wasm.")] = False,
    same_bits: Annotated[
        bool,
        typer.Option("--same-bits", help="For armv7-neon: scalar arithmetic, so that subnormal numbers count too."),
    ] = False,
    small: Annotated[bool, typer.Option("--small", help="Less code, and slower steps, with the same bits.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a model as C: a header, an object file with weights and code, a static library, and a test.

    The object file needs nothing else, no C library either, and allocates nothing. A stream lives in the caller's memory. The
    functions give the same bits as Python, but for wasm32, which has no fused multiply-add; NAME_test.c checks that.

    \b
    Examples:
      streamrnn export vad.safetensors -o vad --name vad
      streamrnn export vad.safetensors -o board --name vad --target aarch64
      cc -I vad vad/vad_test.c vad/vad.o && ./a.out
    """
    model = load_archive(archive)
    with progress_bar("compiling", show_count=True) as say:
        paths = export_c(model, folder, name, target, shared=shared, same_bits=same_bits, small=small, say=say)
    sizes = {path.name: path.stat().st_size for path in paths}
    if as_json:
        show(json.dumps({"folder": str(folder), "files": sizes}, indent=2))
    else:
        show(plain_table(["file", "bytes"], [[path, str(n_bytes)] for path, n_bytes in sizes.items()]))
    where = "" if target is None or runs_here(target) else f", on a machine that runs {target}"
    print_message(f"{folder}: written; to test it{where}: cc {folder / f'{name}_test.c'} {folder / f'{name}.o'} && ./a.out")
