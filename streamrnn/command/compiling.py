"""Kernels compiled on all cores, by processes of their own: kept in the code cache, or for a library."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import TypeVar

from streamrnn import code_cache
from streamrnn.code_cache import Function
from streamrnn.command.progress_bar import progress_bar
from streamrnn.command.signals import ignore_ctrl_c
from streamrnn.errors import StreamRNNError
from streamrnn.exporting.library import kernel_object, symbol_of

Made = TypeVar("Made")

_PER_PROCESS = 8  # functions; the compiler keeps about 30 MB for each


def compile_all(functions: Sequence[Function]) -> dict[Function, int]:
    """Compile functions and keep them; the bytes of each.

    Raises StreamRNNError if one cannot be kept, or if a compiling process is killed.
    """
    with _kills_explained(), _trouble_explained():
        if functions:
            code_cache.trusted_directory()  # fails here, before the long work
        return dict(_spread(functions, lambda pool, function: pool.submit(code_cache.keep, function)))


def compile_ahead(functions: Sequence[Function], target: str) -> dict[Function, bytes]:
    """The object file of each function, in their order, for a machine of `KERNEL_TARGETS`.

    Raises StreamRNNError if a compiling process is killed.
    """
    symbols = {function: symbol_of(number) for number, function in enumerate(functions)}
    with _kills_explained():
        made = dict(_spread(functions, lambda pool, one: pool.submit(kernel_object, target, one, symbols[one])))
    return {function: made[function] for function in functions}


def _spread(
    functions: Sequence[Function], submit: Callable[[Executor, Function], Future[Made]]
) -> Iterator[tuple[Function, Made]]:
    """What `submit` makes of each function, in processes on all cores."""
    if not functions:
        return
    n_workers = os.cpu_count() or 1
    batch_size = n_workers * _PER_PROCESS
    n_done = 0
    with progress_bar("compiling: kernels", show_count=True) as advance:
        advance(0, len(functions))
        for begin in range(0, len(functions), batch_size):  # new processes for each batch: the compiler never frees its memory
            batch = functions[begin : begin + batch_size]
            pool = ProcessPoolExecutor(min(n_workers, len(batch)), get_context("spawn"), _begin)
            try:
                with _children_ignore_ctrl_c():
                    started = {submit(pool, function): function for function in batch}
                for done in as_completed(started):
                    yield started[done], done.result()
                    n_done += 1
                    advance(n_done, len(functions))
            finally:
                pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Let a compiling process ignore Ctrl-C, which its parent heeds, and end when that has ended, in whatever way."""
    ignore_ctrl_c()
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


@contextmanager
def _children_ignore_ctrl_c() -> Iterator[None]:
    """Processes that start in this context never receive Ctrl-C, and so finish the function that they compile.

    On a system without signal masks they ignore it only from when they have started.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _kills_explained() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise StreamRNNError(
            "a compiling process was killed, perhaps because memory ran out; start again to compile the rest"
        ) from error


@contextmanager
def _trouble_explained() -> Iterator[None]:
    """Say where code could not be kept, and what to do."""
    try:
        yield
    except OSError as error:
        raise StreamRNNError(code_cache.why_not_kept(error)) from error
