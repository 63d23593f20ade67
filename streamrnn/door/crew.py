"""`Crew`: threads that help a caller with the parts of a pool's call (streamrnn/kernels/pool/crew.py)."""

import ctypes
import os
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import InputError
from streamrnn.host import driver_width
from streamrnn.pool_memory import PoolMemory
from streamrnn.record import (
    ANSWERS,
    CREW_FIELDS,
    DRIVER,
    LEFT,
    LEFT_BYTES,
    N_HELPERS,
    N_PARTS,
    N_STEPS,
    N_STREAMS,
    PART_STREAMS,
    POST,
    SEMAPHORE_BYTES,
    SEMAPHORES,
    SLEEP,
    STOP,
    TABLE_BYTES,
    TABLES,
    WAIT,
    X_ROWS,
    Y_ROWS,
)
from streamrnn.store import address_of

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)  # releases the GIL

#: Streams of a part: twice what a kernel takes at once. With more, members wait for each other's last part; with fewer, weights
#: are read more often.
PART = 8


class Crew:
    """The helpers of a pool, who come when a call is shared and sleep in between. They know nothing of Python.

    They are threads of the process that first needs them, begun anew behind a fork, and end with the crew or the interpreter.

    memory     with a table for each member: the caller, and the helpers
    n_helpers  one or more

    Raises InputError where the system has no semaphores that they could wait for.
    """

    def __init__(self, memory: PoolMemory, n_helpers: int) -> None:
        self._memory, self._n_helpers = memory, n_helpers
        width = driver_width(memory.plan.dtype)
        self._share = _FUNCTION(address_of("kernels.pool.crew.share", width))
        self._serve = _FUNCTION(address_of("kernels.pool.crew.serve", width))
        self._gather()

    def share(self, n: int, x: int, y: int, n_steps: int) -> int:
        """What the pool's driver answers to a call of n streams, whose rows are at the addresses x and y."""
        if self._process != os.getpid():
            self._gather()
        room, n_parts = self._memory.room, -(-n // PART)
        answers = np.empty(n_parts, np.int64)
        call = {
            DRIVER: self._memory.plan.driver,
            TABLES: room.addresses[0],
            TABLE_BYTES: room.tables.strides[0],
            ANSWERS: answers.ctypes.data,
            N_STREAMS: n,
            PART_STREAMS: PART,
            N_PARTS: n_parts,
            X_ROWS: x,
            Y_ROWS: y,
            N_STEPS: n_steps,
        }
        for position, value in call.items():
            self._record[position] = value
        return int(self._share(self._record.ctypes.data, 0, 0, 0))

    def _gather(self) -> None:
        """Begin the helpers. A fork has none of its parent's."""
        library, n_helpers = _library(), self._n_helpers
        record, semaphores = np.zeros(CREW_FIELDS, np.int64), np.zeros(n_helpers * SEMAPHORE_BYTES, np.uint8)
        left = np.zeros((n_helpers + 1) * LEFT_BYTES, np.uint8)
        record[N_HELPERS], record[SEMAPHORES], record[LEFT] = n_helpers, semaphores.ctypes.data, left.ctypes.data
        for position, name in {WAIT: "sem_wait", POST: "sem_post", SLEEP: "usleep"}.items():
            record[position] = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        places = [ctypes.c_void_p(semaphores.ctypes.data + SEMAPHORE_BYTES * helper) for helper in range(n_helpers)]
        if any(library.sem_init(place, 0, 0) for place in places):
            raise InputError("StreamPool: this system gives threads nothing to wait for; use threads=1")

        def dismiss() -> None:
            record[STOP] = 1
            for place in places:
                library.sem_post(place)

        kept = record, semaphores, left  # as long as they are there who work on them
        for member in range(1, n_helpers + 1):
            threading.Thread(target=_stay, args=(self._serve, member, kept), name="streamrnn-pool", daemon=True).start()
        self._record, self._process = record, os.getpid()
        weakref.finalize(self, dismiss)


def _stay(serve: Any, member: int, kept: tuple[NDArray[Any], ...]) -> None:
    """What a helper's thread does until its crew is gone."""
    serve(kept[0].ctypes.data, member, 0, 0)


def _library() -> Any:
    """The C library. Raises InputError where it lacks what helpers need."""
    try:
        library = ctypes.CDLL(None)
        for name in ("sem_init", "sem_wait", "sem_post", "usleep"):
            getattr(library, name)
    except (AttributeError, OSError, TypeError):
        raise InputError("StreamPool: this system has no POSIX semaphores for threads to wait for; use threads=1") from None
    return library
