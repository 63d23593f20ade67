"""Kernels compiled on all cores and kept in the code cache, by processes of their own."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from streamrnn import code_cache
from streamrnn.code_cache import Function
from streamrnn.command.progress_bar import progress_bar
from streamrnn.command.signals import ignore_ctrl_c
from streamrnn.errors import StreamRNNError

_PER_PROCESS = 8  # functions; the compiler keeps about 30 MB for each


def compile_all(functions: Sequence[Function]) -> dict[Function, int]:
    """Compile functions and keep them; the bytes of each.

    Raises StreamRNNError if one cannot be kept, or if a compiling process is killed.
    """
    with _errors_explained():
        return dict(_compiled(functions))


def _compiled(functions: Sequence[Function]) -> Iterator[tuple[Function, int]]:
    if not functions:
        return
    code_cache.trusted_directory()  # fails here, before the long work
    n_workers = os.cpu_count() or 1
    batch_size = n_workers * _PER_PROCESS
    n_done = 0
    with progress_bar("compiling: kernels", show_count=True) as advance:
        advance(0, len(functions))
        for begin in range(0, len(functions), batch_size):  # new processes for each batch: the compiler never frees its memory
            batch = functions[begin : begin + batch_size]
            pool = ProcessPoolExecutor(min(n_workers, len(batch)), get_context("spawn"), ignore_ctrl_c)
            try:
                with _children_ignore_ctrl_c():
                    started = {pool.submit(code_cache.keep, function): function for function in batch}
                for done in as_completed(started):
                    yield started[done], done.result()
                    n_done += 1
                    advance(n_done, len(functions))
            finally:
                pool.shutdown(cancel_futures=True)


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
def _errors_explained() -> Iterator[None]:
    """Say where code could not be kept, and what to do."""
    try:
        yield
    except BrokenProcessPool as error:
        raise StreamRNNError(
            "a compiling process was killed, perhaps because memory ran out; start again to compile the rest"
        ) from error
    except OSError as error:
        raise StreamRNNError(code_cache.why_not_kept(error)) from error
