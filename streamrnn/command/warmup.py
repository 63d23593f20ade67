"""`streamrnn warmup`: kernels compiled before a stream needs them."""

import json
import signal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from streamrnn import code_cache
from streamrnn.code_cache import Function
from streamrnn.command import exit_codes
from streamrnn.command.compiling import compile_all
from streamrnn.command.console import printable, show
from streamrnn.command.inventory import Pools, kernels, needed_by
from streamrnn.command.source_file import load_archive
from streamrnn.layers import Dense
from streamrnn.layers.layer import DTYPES
from streamrnn.model import Model
from streamrnn.target.storage import STORED_TYPES

#: The types of stored weights, as the command line has them.
StoredType = StrEnum("StoredType", {name: name for name in STORED_TYPES})  # type: ignore[misc]


def warmup(
    archives: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL", help="Archives whose kernels are compiled. [default: all kernels of all layers]"),
    ] = None,
    pools: Pools = False,
    weights: Annotated[
        list[StoredType] | None,
        typer.Option(help="Without a MODEL: also compile the kernels of weights that are stored in this type; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compile kernels now, so that no stream waits for them later.

    Compiled code is kept in the cache directory of the user, or in STREAMRNN_CACHE_DIR, for this CPU and these versions of
    streamrnn and Numba. Code that is there already is checked and kept. Without a MODEL it compiles every kernel of every kind
    of layer but StateOutput, which takes all cores many minutes, and each --weights as long again. Ctrl-C ends it and keeps
    what has been compiled.

    If the directory cannot be written, that is an error here; a stream would compile in memory.

    \b
    Examples:
      streamrnn warmup
      streamrnn warmup --weights int8
      streamrnn warmup vad.safetensors
      streamrnn warmup --pools vad.safetensors
      streamrnn warmup vad.safetensors --json | jq .compiled
      STREAMRNN_CACHE_DIR=/opt/app/kernels streamrnn warmup models/*.safetensors
    """
    if archives and weights:
        raise typer.BadParameter("--weights is for all kernels; those of a MODEL are for its own weights")
    try:
        stored = [str(one) for one in weights or ()]
        functions = needed_by([load_archive(archive) for archive in archives], pools) if archives else _all(pools, stored)
        sizes = {function: code_cache.size_kept(function) for function in functions}
        missing = [function for function, size in sizes.items() if size is None]
        sizes.update(compile_all(missing))
    except KeyboardInterrupt:
        raise typer.Exit(exit_codes.INTERRUPTED + signal.SIGINT) from None
    n_there, n_bytes, directory = len(sizes) - len(missing), sum(size or 0 for size in sizes.values()), code_cache.directory()
    if as_json:
        found = {"compiled": len(missing), "there": n_there, "bytes": n_bytes, "directory": str(directory)}
        show(json.dumps(found, indent=2))
    else:
        where = printable(str(directory))
        show(f"{len(missing)} kernels compiled, {n_there} were there: {n_bytes / 1024:.0f} KiB in {where}")


def _all(pools: bool, stored: list[str]) -> list[Function]:
    """The functions that every stream needs, found with the smallest model of each type, and the kernels of all layers."""
    smallest = [Model([Dense(np.zeros((1, 1), dtype), dtype=name)]) for name, dtype in DTYPES.items()]
    return list(dict.fromkeys(needed_by(smallest, pools) + kernels(pools=pools, stored=stored)))
