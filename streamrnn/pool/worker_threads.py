"""`WorkerThreads`: threads that help a caller with the parts of a pool's call (streamrnn/kernels/pool/workers.py)."""

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

#: Streams of a part: twice what a kernel takes at once. With more, members wait for each other's last part; with fewer, weights
#: are read more often.
PART = 8


class WorkerThreads:
    """The helpers of a pool, who come when a call is shared and sleep in between. They know nothing of Python.

    They are threads of the process that first needs them. After a fork they begin anew; they end with this object or Python.

    memory     with a table for each member: the caller, and the helpers
    n_helpers  one or more

    Raises InputError where the system has no semaphores that they could wait for.
    """

    def __init__(self, memory: PoolMemory, n_helpers: int) -> None:
        self._memory, self._n_helpers = memory, n_helpers
        width = driver_width(memory.plan.dtype)
        self.share_place = address_of("kernels.pool.workers.share", width)
        self._share = _FUNCTION(self.share_place)
        self._serve = _FUNCTION(address_of("kernels.pool.workers.serve", width))
        self._gather()

    def share(self, pool: int, x: int, y: int, n_steps: int) -> int:
        """What the pool's driver answers to a call, whose rows are at the addresses x and y."""
        answer = int(self._share(pool, x, y, n_steps))
        if answer != NO_WORKERS:
            return answer
        if self._record[PROCESS] != os.getpid():
            self._gather()
        self._make_room(self._record)
        return int(self._share(pool, x, y, n_steps))

    def _make_room(self, record: NDArray[np.int64]) -> None:
        """Have room for the answers to all parts that a call may have. Ctrl-C may come between any two lines."""
        record[MOST_PARTS] = 0
        self._answers = np.zeros(-(-len(self._memory.room.marks) // PART), np.int64)
        record[ANSWERS] = self._answers.ctypes.data
        record[MOST_PARTS] = len(self._answers)

    def _gather(self) -> None:
        """Begin the helpers. A fork has none of its parent's."""
        library, n_helpers, memory = _library(), self._n_helpers, self._memory
        record, semaphores = np.zeros(WORKERS_FIELDS, np.int64), np.zeros(n_helpers * SEMAPHORE_BYTES, np.uint8)
        left = np.zeros((n_helpers + 1) * LEFT_BYTES, np.uint8)
        known = {
            DRIVER: memory.plan.driver,
            TABLE_BYTES: memory.room.tables.strides[0],
            PART_STREAMS: PART,
            LEFT: left.ctypes.data,
            N_HELPERS: n_helpers,
            SEMAPHORES: semaphores.ctypes.data,
            PROCESS: os.getpid(),
        }
        names = {WAIT: "sem_wait", POST: "sem_post", TRY: "sem_trywait", SLEEP: "usleep", THIS_PROCESS: "getpid"}
        functions = {place: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for place, name in names.items()}
        for position, value in (known | functions).items():
            record[position] = value
        places = [ctypes.c_void_p(semaphores.ctypes.data + SEMAPHORE_BYTES * helper) for helper in range(n_helpers)]
        if any(library.sem_init(place, 0, 0) for place in places):
            raise InputError("StreamPool: this system gives threads nothing to wait for; use threads=1")

        kept = record, semaphores, left  # as long as they are there who work on them

        def dismiss() -> None:
            kept[0][STOP] = 1
            for place in places:
                library.sem_post(place)

        weakref.finalize(self, dismiss)
        for member in range(1, n_helpers + 1):
            threading.Thread(target=_stay, args=(self._serve, member, kept), name="streamrnn-pool", daemon=True).start()
        self._make_room(record)
        address = record.ctypes.data
        self._record = record  # and nothing is called from here on, so that no Ctrl-C comes in between
        memory.workers[0] = address


def _stay(serve: Any, member: int, kept: tuple[NDArray[Any], ...]) -> None:
    """What a helper's thread does until its workers is gone."""
    serve(kept[0].ctypes.data, member, 0, 0)


def _library() -> Any:
    """The C library. Raises InputError where it lacks what helpers need."""
    try:
        library = ctypes.CDLL(None)
        for name in ("sem_init", "sem_trywait", "sem_wait", "sem_post", "usleep", "getpid"):
            getattr(library, name)
    except (AttributeError, OSError, TypeError):
        raise InputError("StreamPool: this system has no POSIX semaphores for threads to wait for; use threads=1") from None
    return library
