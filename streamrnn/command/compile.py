"""`streamrnn compile`: kernels as a shared library, for machines that have no compiler."""

import json
import signal
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from streamrnn.code_cache import Function
from streamrnn.command import exit_codes
from streamrnn.command.compiling import compile_ahead
from streamrnn.command.console import print_message, printable, show
from streamrnn.command.inventory import Pools, kernels, needed_by
from streamrnn.command.source_file import load_archive
from streamrnn.exporting.library import KERNEL_TARGETS, kernel_target, write_library
from streamrnn.exporting.linked import check_linker
from streamrnn.layers import Dense
from streamrnn.model import Model
from streamrnn.target.machine import MACHINES, aimed_at


def compile_(
    folder: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write to; it is made.")],
    archives: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL", help="Archives whose kernels are compiled. [default: the kernels that wheels carry]"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="CPU", help=f"{', '.join(KERNEL_TARGETS)}. [default: for the architecture of this machine]"),
    ] = None,
    pools: Pools = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compile the kernels of models as one shared library, for machines without Numba.

    It writes CPU.so and its manifest, CPU.json. Where STREAMRNN_KERNELS names the folder, streamrnn loads kernels from it, and
    needs nothing but NumPy and safetensors. Only its owner and root may be able to write to the folder, as it holds code. The
    library is of this version of streamrnn. It needs a linker: that of pip install 'streamrnn[export]', or a C compiler.

    \b
    Examples:
      streamrnn compile vad.safetensors -o kernels
      STREAMRNN_KERNELS=kernels python app.py
      streamrnn compile --pools models/*.safetensors -o kernels --target aarch64
      streamrnn compile vad.safetensors -o kernels --json | jq .bytes
    """
    name = kernel_target(target)
    with aimed_at(MACHINES[name]):
        check_linker()
        functions = needed_by([load_archive(archive) for archive in archives], pools) if archives else usual()
    try:
        objects = compile_ahead(functions, name)
    except KeyboardInterrupt:
        raise typer.Exit(exit_codes.INTERRUPTED + signal.SIGINT) from None
    library, manifest = write_library(folder, name, objects)
    n_bytes = library.stat().st_size
    if as_json:
        paths = {"library": str(library), "manifest": str(manifest)}
        show(json.dumps({"target": name, "functions": len(functions), "bytes": n_bytes, **paths}, indent=2))
    else:
        show(f"{len(functions)} kernels for {name}: {n_bytes / 1024:.0f} KiB in {printable(str(library))}")
    print_message(f"{folder}: written; to use it: STREAMRNN_KERNELS={folder}")


def usual() -> list[Function]:
    """The functions that wheels carry: of float32, for streams and pools of all kinds of layers without unusual activations."""
    smallest = Model([Dense(np.zeros((1, 1), np.float32))])
    found = needed_by([smallest], pools=True) + kernels(pools=True)
    return [one for one in dict.fromkeys(found) if one.width.dtype is np.float32 and "general" not in one.path]
