"""`streamrnn warmup`: the machine code that will be needed, compiled ahead."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streamrnn import store
from streamrnn.command import exit_codes
from streamrnn.command.console import console, printable, show
from streamrnn.command.interruption import undisturbed
from streamrnn.command.inventory import kernels
from streamrnn.errors import StreamRNNError
from streamrnn.layers import Dense
from streamrnn.model import Model, load
from streamrnn.store import Function
from streamrnn.stream import Stream

_Advance = Callable[[str], None]


def warmup(
    archives: Annotated[
        list[Path] | None, typer.Argument(metavar="MODEL", help="Compile what these need. [default: all there is]")
    ] = None,
) -> None:
    """Compile ahead, so that no stream has to wait for it.

    Compiled code is kept in the user's cache directory, or in the one that STREAMRNN_CACHE_DIR names, for this CPU and these
    versions of streamrnn and Numba; what is there already is checked and stays. Without a MODEL every kernel of every kind of
    layer is compiled, which takes minutes. Ctrl-C ends it; what has been compiled is kept.

    A directory in which nothing can be kept is an error here, while a stream would compile in memory.

    \b
    Examples:
      streamrnn warmup
      streamrnn warmup vad.safetensors
      STREAMRNN_CACHE_DIR=/opt/app/kernels streamrnn warmup models/*.safetensors
    """
    try:
        kept = _kept(_needed_by([load(archive) for archive in archives]) if archives else _all())
    except KeyboardInterrupt:
        raise typer.Exit(exit_codes.INTERRUPTED + signal.SIGINT) from None
    n_compiled = sum(compiled for _, compiled in kept)
    kibibytes = sum(size for size, _ in kept) / 1024
    show(
        f"{n_compiled} kernels compiled, {len(kept) - n_compiled} were there: "
        f"{kibibytes:.0f} KiB in {printable(str(store.directory()))}"
    )


def _all() -> list[Function]:
    """What every stream needs, as the smallest shows, and the kernels of all layers."""
    return list(dict.fromkeys(_needed_by([Model([Dense(np.zeros((1, 1), np.float32))])]) + kernels()))


def _needed_by(models: Sequence[Model]) -> list[Function]:
    """What streams of the models ask for: found out by making them."""
    with _progress(len(models)) as advance:
        for model in models:
            advance("compiling what a stream needs")
            with undisturbed():
                Stream(model)
    return store.asked_for()


def _kept(functions: Sequence[Function]) -> list[tuple[int, bool]]:
    """Bytes and whether it had to be compiled, for each function. Raises StreamRNNError where one cannot be kept."""
    kept = []
    with _progress(len(functions)) as advance:
        for function in functions:
            advance(function.path)
            with undisturbed(), _explained():
                kept.append(store.keep(function))
    return kept


@contextmanager
def _explained() -> Iterator[None]:
    """Say where code could not be kept, and what to do."""
    try:
        yield
    except OSError as error:
        try:
            place = str(store.directory())
        except OSError:
            place = "cache directory"
        reason = error.strerror or error
        raise StreamRNNError(
            f"{place}: compiled code cannot be kept ({reason}); "
            "let STREAMRNN_CACHE_DIR name a directory that you, and only you, can write to"
        ) from error


@contextmanager
def _progress(total: int) -> Iterator[_Advance]:
    """Progress on standard error where that is a terminal. The value is called with the name of each part that begins."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    to = console(sys.stderr)
    with Progress(*columns, console=to, transient=True, disable=not to.is_terminal) as progress:
        task = progress.add_task("", total=total, completed=-1)
        yield lambda name: progress.update(task, description=name, advance=1)
