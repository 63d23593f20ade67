"""`WorkerThreads`: the threads that share the calls of a pool (streamrnn/kernels/pool/workers.py)."""

import ctypes
import os
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.code_cache import address_of
from streamrnn.errors import InputError
from streamrnn.pool.memory import PoolMemory
from streamrnn.target.cpu import driver_width
from streamrnn.target.record import (
    ANSWERS,
    DRIVER,
    LEFT,
    LEFT_BYTES,
    MOST_PARTS,
    N_HELPERS,
    NO_WORKERS,
    PART_STREAMS,
    POST,
    PROCESS,
    SEMAPHORE_BYTES,
    SEMAPHORES,
    SLEEP,
    STOP,
    TABLE_BYTES,
    THIS_PROCESS,
    TRY,
    WAIT,
    WORKERS_FIELDS,
)

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)  # releases the GIL

#: Streams of a part: twice what a kernel takes at once. With larger parts workers wait longer for each other's last part; with
#: smaller ones weights are read more often.
PART = 8


class WorkerThreads:
    """The workers of a pool: worker 0 is the caller of a shared call, the others are helpers, which sleep between such calls.

    Helpers run machine code only and need no GIL. They start with this object, and again in the first shared call after a
    fork; they end with this object, or with Python.

    memory     with a table for each worker
    n_helpers  1 or more

    Raises InputError if the system has no semaphores.
    """

    def __init__(self, memory: PoolMemory, n_helpers: int) -> None:
        self._memory, self._n_helpers = memory, n_helpers
        width = driver_width(memory.plan.dtype)
        self.share_address = address_of("kernels.pool.workers.share", width)
        self._share = _FUNCTION(self.share_address)
        self._serve = _FUNCTION(address_of("kernels.pool.workers.serve", width))
        self._start_helpers()

    def share(self, pool: int, x: int, y: int, n_steps: int) -> int:
        """The status of a shared call of the pool's driver; x and y are the addresses of its rows."""
        status = int(self._share(pool, x, y, n_steps))
        if status != NO_WORKERS:
            return status
        if self._record[PROCESS] != os.getpid():
            self._start_helpers()
        self._make_room(self._record)
        return int(self._share(pool, x, y, n_steps))

    def _make_room(self, record: NDArray[np.int64]) -> None:
        """Make room for the answers to all parts that a call may have. Ctrl-C may come between any two lines."""
        record[MOST_PARTS] = 0
        self._answers = np.zeros(-(-len(self._memory.room.marks) // PART), np.int64)
        record[ANSWERS] = self._answers.ctypes.data
        record[MOST_PARTS] = len(self._answers)

    def _start_helpers(self) -> None:
        """Start the helpers of this process."""
        library, n_helpers = _library(), self._n_helpers
        record, semaphores = np.zeros(WORKERS_FIELDS, np.int64), np.zeros(n_helpers * SEMAPHORE_BYTES, np.uint8)
        left = np.zeros((n_helpers + 1) * LEFT_BYTES, np.uint8)
        self._fill(record, semaphores, left, library)
        addresses = [ctypes.c_void_p(semaphores.ctypes.data + SEMAPHORE_BYTES * helper) for helper in range(n_helpers)]
        if any(library.sem_init(address, 0, 0) for address in addresses):
            raise InputError("StreamPool: this system has no semaphores for threads to wait for; use threads=1")

        kept = record, semaphores, left  # for as long as a helper may use them

        def stop() -> None:
            kept[0][STOP] = 1
            for address in addresses:
                library.sem_post(address)

        weakref.finalize(self, stop)
        for worker in range(1, n_helpers + 1):
            threading.Thread(target=_help, args=(self._serve, worker, kept), name="streamrnn-pool", daemon=True).start()
        self._make_room(record)
        address = record.ctypes.data
        self._record = record  # from here on nothing is called, so Ctrl-C cannot come in between
        self._memory.workers[0] = address

    def _fill(self, record: NDArray[np.int64], semaphores: NDArray[np.uint8], left: NDArray[np.uint8], library: Any) -> None:
        """Write what does not change into a record, and the addresses of the C functions that helpers call."""
        values = {
            DRIVER: self._memory.plan.driver,
            TABLE_BYTES: self._memory.room.tables.strides[0],
            PART_STREAMS: PART,
            LEFT: left.ctypes.data,
            N_HELPERS: self._n_helpers,
            SEMAPHORES: semaphores.ctypes.data,
            PROCESS: os.getpid(),
        }
        for position, name in _FUNCTIONS.items():
            values[position] = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        for position, value in values.items():
            record[position] = value


_FUNCTIONS = {WAIT: "sem_wait", POST: "sem_post", TRY: "sem_trywait", SLEEP: "usleep", THIS_PROCESS: "getpid"}


def _help(serve: Any, worker: int, kept: tuple[NDArray[Any], ...]) -> None:
    """The work of a helper's thread, until its `WorkerThreads` is gone."""
    serve(kept[0].ctypes.data, worker, 0, 0)


def _library() -> Any:
    """The C library. Raises InputError if it lacks a function that helpers need."""
    try:
        library = ctypes.CDLL(None)
        for name in ("sem_init", *_FUNCTIONS.values()):
            getattr(library, name)
    except (AttributeError, OSError, TypeError):
        raise InputError("StreamPool: this system has no POSIX semaphores for threads to wait for; use threads=1") from None
    return library
