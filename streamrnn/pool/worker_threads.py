"""`WorkerThreads`: the threads that share the calls of a pool (streamrnn/kernels/pool/workers.py)."""

import ctypes
import os
import threading
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.code_cache import Function, address_of
from streamrnn.door.builtin import python_function
from streamrnn.errors import InputError
from streamrnn.plan import Plan
from streamrnn.pool.memory import PoolMemory
from streamrnn.target.cpu import driver_width
from streamrnn.target.record import (
    ACQUIRE,
    ANSWERS,
    DRIVER,
    HELPER_BYTES,
    HELPERS,
    LEFT,
    LEFT_BYTES,
    LOCK,
    MOST_PARTS,
    N_HELPERS,
    NEVER,
    NO_WORKERS,
    PART_STREAMS,
    RELEASE,
    STOP,
    TABLE_BYTES,
    WORKERS_FIELDS,
)

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)  # releases the GIL

#: Streams of a part: twice what a kernel takes at once. With larger parts workers wait longer for each other's last part; with
#: smaller ones weights are read more often.
PART = 8


def functions_of_workers(plan: Plan) -> list[Function]:
    """The compiled functions of worker threads: the caller's share of a call, and the work of a helper."""
    width = driver_width(plan.dtype)
    return [Function("kernels.pool.workers.share", width), Function("kernels.pool.workers.serve", width)]


class WorkerThreads:
    """The workers of a pool: worker 0 is the caller of a shared call, the others are helpers, which sleep between such calls.

    Helpers run machine code only and need no GIL. They start with this object, and again in the first shared call after a
    fork; they end with this object, or with Python.

    memory     with a table for each worker
    n_helpers  1 or more

    Raises InputError if Python has no locks for machine code, or the system gives no more.
    """

    def __init__(self, memory: PoolMemory, n_helpers: int) -> None:
        self._memory, self._n_helpers = memory, n_helpers
        share, serve = functions_of_workers(memory.plan)
        self.share_address = address_of(*share)
        self._share = _FUNCTION(self.share_address)
        self._serve = _FUNCTION(address_of(*serve))
        self._start_helpers()
        _all.add(self)

    def share(self, pool: int, x: int, y: int, n_steps: int) -> int:
        """The status of a shared call of the pool's driver; x and y are the addresses of its rows."""
        status = int(self._share(pool, x, y, n_steps))
        if status != NO_WORKERS:
            return status
        if self._process != os.getpid():
            self._start_helpers()
        self._make_room(self._record)
        return int(self._share(pool, x, y, n_steps))

    def forget_helpers(self) -> None:
        """In a fork, which has no helpers: let the next shared call start some."""
        self._record[MOST_PARTS] = 0

    def _make_room(self, record: NDArray[np.int64]) -> None:
        """Make room for the answers to all parts that a call may have. Ctrl-C may come between any two lines."""
        record[MOST_PARTS] = 0
        self._answers = np.zeros(-(-len(self._memory.room.marks) // PART), np.int64)
        record[ANSWERS] = self._answers.ctypes.data
        record[MOST_PARTS] = len(self._answers)

    def _start_helpers(self) -> None:
        """Start the helpers of this process."""
        process, kept = os.getpid(), _Kept(self._memory, self._n_helpers)
        weakref.finalize(self, kept.stop)
        for worker in range(1, self._n_helpers + 1):
            threading.Thread(target=_help, args=(self._serve, worker, kept), name="streamrnn-pool", daemon=True).start()
        self._make_room(kept.record)
        record, address = kept.record, kept.record.ctypes.data
        self._record, self._kept, self._process = record, kept, process  # from here on nothing is called: no Ctrl-C in between
        self._memory.workers[0] = address


class _Kept:
    """What the workers of a process share, kept for as long as a helper may use it.

    record   of the workers, and `helpers`, (n_helpers, any), those of the helpers (streamrnn/target/record.py)
    locks    on which helpers sleep
    """

    def __init__(self, memory: PoolMemory, n_helpers: int) -> None:
        self.record, self.helpers = np.zeros(WORKERS_FIELDS, np.int64), np.zeros((n_helpers, HELPER_BYTES // 8), np.int64)
        self.locks, self._never = [_TakenLock() for _ in range(n_helpers)], _TakenLock()
        self._left = np.zeros((n_helpers + 1) * LEFT_BYTES, np.uint8)
        self.helpers[:, LOCK] = [lock.address for lock in self.locks]
        values = {
            DRIVER: memory.plan.driver,
            TABLE_BYTES: memory.room.tables.strides[0],
            PART_STREAMS: PART,
            LEFT: self._left.ctypes.data,
            N_HELPERS: n_helpers,
            HELPERS: self.helpers.ctypes.data,
            ACQUIRE: python_function("PyThread_acquire_lock_timed"),
            RELEASE: python_function("PyThread_release_lock"),
            NEVER: self._never.address,
        }
        for position, value in values.items():
            self.record[position] = value

    def stop(self) -> None:
        """Let the helpers end."""
        self.record[STOP] = 1
        for lock in self.locks:
            lock.release()


class _TakenLock:
    """One of the locks on which CPython builds its own, which machine code can wait for on every system. It begins taken.

    address  for `PyThread_acquire_lock_timed` and `PyThread_release_lock`, as long as this object lives

    Raises InputError if Python has no such locks, or the system gives no more.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        try:
            self.address = int(_python("PyThread_allocate_lock", ctypes.c_void_p)() or 0)
        except AttributeError:
            raise InputError("StreamPool: this Python has no locks for compiled threads to wait for; use threads=1") from None
        if not self.address:
            raise InputError("StreamPool: the system gives no more locks for threads to wait for; use threads=1")
        _python("PyThread_acquire_lock", ctypes.c_int)(ctypes.c_void_p(self.address), 1)

    def release(self) -> None:
        """Release it, for the thread that waits for it, or will."""
        _python("PyThread_release_lock", None)(ctypes.c_void_p(self.address))

    def __del__(self) -> None:
        if getattr(self, "address", 0) and self._process == os.getpid():  # in a fork, it looks as if a thread waited for it
            _python("PyThread_free_lock", None)(ctypes.c_void_p(self.address))


def _python(name: str, result: Any) -> Any:
    """A function of Python's C interface, and its result type."""
    function = getattr(ctypes.pythonapi, name)
    function.restype = result
    return function


def _help(serve: Any, worker: int, kept: _Kept) -> None:
    """The work of a helper's thread, until its `WorkerThreads` is gone."""
    serve(kept.record.ctypes.data, worker, 0, 0)


_all: "weakref.WeakSet[WorkerThreads]" = weakref.WeakSet()


def _forget_all_helpers() -> None:
    for workers in _all:
        workers.forget_helpers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all_helpers)
