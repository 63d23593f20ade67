"""`streamrnn warmup`: the machine code that will be needed, compiled ahead."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streamrnn import code_cache
from streamrnn.code_cache import Function
from streamrnn.command import exit_codes
from streamrnn.command.console import console, printable, show
from streamrnn.command.inventory import kernels
from streamrnn.command.signals import undisturbed
from streamrnn.errors import StreamRNNError
from streamrnn.layers import Dense
from streamrnn.layers.layer import DTYPES
from streamrnn.model import Model, load
from streamrnn.offline import run_offline
from streamrnn.pool import StreamPool
from streamrnn.stream import Stream

_PER_PROCESS = 8  # functions; the compiler keeps some 30 MB for each


def warmup(
    archives: Annotated[
        list[Path] | None, typer.Argument(metavar="MODEL", help="Compile what these need. [default: all there is]")
    ] = None,
    pools: Annotated[bool, typer.Option("--pools", help="Compile what a StreamPool needs too.")] = False,
) -> None:
    """Compile ahead, so that no stream has to wait for it.

    Compiled code is kept in the user's cache directory, or in the one that STREAMRNN_CACHE_DIR names, for this CPU and these
    versions of streamrnn and Numba; what is there already is checked and stays. Without a MODEL every kernel of every kind of
    layer is compiled, which takes every core for many minutes. Ctrl-C ends it; what has been compiled is kept.

    A directory in which nothing can be kept is an error here, while a stream would compile in memory.

    \b
    Examples:
      streamrnn warmup
      streamrnn warmup vad.safetensors
      streamrnn warmup --pools vad.safetensors
      STREAMRNN_CACHE_DIR=/opt/app/kernels streamrnn warmup models/*.safetensors
    """
    try:
        functions = _needed_by([load(archive) for archive in archives], pools) if archives else _all(pools)
        sizes = {function: code_cache.size_kept(function) for function in functions}
        missing = [function for function, size in sizes.items() if size is None]
        with _explained():
            sizes.update(_kept(missing))
    except KeyboardInterrupt:
        raise typer.Exit(exit_codes.INTERRUPTED + signal.SIGINT) from None
    n_compiled = len(code_cache.compiled_here().intersection(functions).union(missing))
    kibibytes = sum(size or 0 for size in sizes.values()) / 1024
    show(
        f"{n_compiled} kernels compiled, {len(sizes) - n_compiled} were there: "
        f"{kibibytes:.0f} KiB in {printable(str(code_cache.directory()))}"
    )


def _all(pools: bool) -> list[Function]:
    """What every stream needs, as the smallest of each type shows, and the kernels of all layers."""
    smallest = [Model([Dense(np.zeros((1, 1), dtype), dtype=name)]) for name, dtype in DTYPES.items()]
    return list(dict.fromkeys(_needed_by(smallest, pools) + kernels(pools=pools)))


def _needed_by(models: Sequence[Model], pools: bool) -> list[Function]:
    """What streams of the models, and pools where wanted, ask for: found out by making them."""
    with _progress("models", len(models)) as advance:
        for model in models:
            with undisturbed():
                if model.streamable:
                    Stream(model)
                else:
                    run_offline(model, np.zeros((0, model.input_size)))
                if pools and model.streamable:
                    StreamPool(model, 1, threads=2)
            advance()
    return code_cache.asked_for()


def _kept(functions: Sequence[Function]) -> Iterator[tuple[Function, int]]:
    """Compile and keep functions, on all cores. Yields each with its bytes. Raises OSError where one cannot be kept."""
    if not functions:
        return
    code_cache.trusted_directory()  # or an error, before the long work
    n_workers = os.cpu_count() or 1
    at_once = n_workers * _PER_PROCESS
    with _progress("kernels", len(functions)) as advance:
        for begin in range(0, len(functions), at_once):  # each time by new processes: the compiler gives no memory back
            batch = functions[begin : begin + at_once]
            pool = ProcessPoolExecutor(min(n_workers, len(batch)), get_context("spawn"))
            try:
                with _deaf_children():
                    started = {pool.submit(code_cache.keep, function): function for function in batch}
                for done in as_completed(started):
                    yield started[done], done.result()
                    advance()
            finally:
                pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Have the processes that begin here never see Ctrl-C: they finish what they are at."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _explained() -> Iterator[None]:
    """Say where code could not be kept, and what to do."""
    try:
        yield
    except BrokenProcessPool as error:
        raise StreamRNNError("a process that compiled was killed, perhaps for its memory; start again for the rest") from error
    except OSError as error:
        try:
            place = str(code_cache.directory())
        except OSError:
            place = "cache directory"
        reason = error.strerror or error
        raise StreamRNNError(
            f"{place}: compiled code cannot be kept ({reason}); "
            "let STREAMRNN_CACHE_DIR name a directory that you, and only you, can write to"
        ) from error


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Progress on standard error where that is a terminal. The value is called when one more is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    to = console(sys.stderr)
    with Progress(*columns, console=to, transient=True, disable=not to.is_terminal) as progress:
        task = progress.add_task(f"compiling: {what}", total=total)
        yield lambda: progress.advance(task)
