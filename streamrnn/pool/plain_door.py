"""The plain door of a pool: it converts a caller's slots and arrays, or says what is wrong with them, and runs the driver."""

import ctypes
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.door.arguments import check_out, check_whole_steps, kernel_array, own_copy, real_array
from streamrnn.door.builtin import data_reader
from streamrnn.door.entry_lock import EntryLock, entry_lock
from streamrnn.door.plain import UNINTERRUPTED_BYTES
from streamrnn.errors import InputError
from streamrnn.pool.call_errors import inputs_changed, no_such_entry, non_finite_input, refuse, state_overflow
from streamrnn.pool.memory import PoolMemory
from streamrnn.pool.protocols import no_preparation
from streamrnn.pool.slot_arguments import Slots, as_slots, check_open
from streamrnn.pool.worker_threads import PART, WorkerThreads
from streamrnn.target.packing import Array
from streamrnn.target.record import BEGIN, DONE, END, INPUT_NOT_FINITE, N_SLOTS, NO_SUCH_ENTRY

_ADDRESS = ctypes.c_int64
_RELEASES_GIL = ctypes.CFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_int64)

#: Calls that read this many bytes of weights or more, counted for each stream and step, are shared among threads. They take
#: some 45 µs or longer, so that sharing pays even if helpers must be woken.
SHARED_BYTES = 20_000_000

#: More streams than fit into any memory.
UNLIMITED = 1 << 48


class PoolDoor:
    """The way into a pool's memory, for one caller at a time, who is inside `with door.entry_lock`.

    memory       of a plan with sizes I and O
    n_threads    that share a long call; the memory has a table for each
    before_use   called with a call's slots before they advance, by the caller who is in
    """

    def __init__(self, memory: PoolMemory, n_threads: int = 1) -> None:
        self._memory = memory
        self._workers = WorkerThreads(memory, n_threads - 1) if n_threads > 1 else None
        self._advance = _RELEASES_GIL(memory.plan.driver)
        self._dtype = np.dtype(memory.plan.dtype)
        self._stride, self._step_shape, self._n_outputs = memory.plan.stride, memory.plan.step_shape, memory.plan.output_size
        self._data_of = data_reader()
        self.before_use: Callable[[Slots], None] = no_preparation
        self.entry_lock: EntryLock = entry_lock(refuse)

    @property
    def memory(self) -> PoolMemory:
        """The pool's memory."""
        return self._memory

    @property
    def shared_driver(self) -> int:
        """Address of the driver of ticks with more than `max_unshared` streams."""
        return self._workers.share_address if self._workers else self._memory.plan.driver

    @property
    def max_unshared(self) -> int:
        """The most streams of a tick that one thread advances alone."""
        if self._workers is None:
            return UNLIMITED
        return max(PART, (SHARED_BYTES - 1) // max(1, self._memory.plan.weight_bytes))

    def step(self, slots: ArrayLike, X: ArrayLike, out: Array | None = None) -> Array:
        """One step, as `StreamPool.step` describes it."""
        chosen = as_slots("step", slots)
        x = kernel_array("step", X, (len(chosen), *self._step_shape), self._dtype)
        if x is X:
            x = own_copy(x, self._dtype)
        if out is not None:
            check_out(out, (len(chosen), self._n_outputs), self._dtype, c_order=True)
        direct = out is not None and not np.may_share_memory(out, x)
        y = out if out is not None and direct else np.empty((len(chosen), self._n_outputs), self._dtype)
        with self.entry_lock:
            self.before_use(chosen)
            self._run("step", chosen, x[None], y[None])
        if out is None or direct:
            return y
        out[:] = y
        return out

    def process(self, slots: ArrayLike, X: ArrayLike) -> Array:
        """Many steps, as `StreamPool.process` describes it."""
        chosen = as_slots("process", slots)
        given = real_array("process", X)
        n_rows = given.shape[1] if given.ndim == 3 else 0
        shape = len(chosen), n_rows if given.ndim == 3 else "n_steps", self._step_shape[-1]
        given = kernel_array("process", given, shape, self._dtype)
        check_whole_steps("process", n_rows, self._stride)
        n_steps = n_rows // self._stride
        try:
            x = own_copy(given.reshape(len(chosen), n_steps, *self._step_shape).swapaxes(0, 1), self._dtype)
            y = np.empty((n_steps, len(chosen), self._n_outputs), self._dtype)
            result = np.empty((len(chosen), n_steps, self._n_outputs), self._dtype)
        except MemoryError:
            raise InputError(f"process: {n_steps} steps at once do not fit into memory; give them in chunks") from None
        at_once = max(1, UNINTERRUPTED_BYTES // (self._memory.plan.step_bytes * max(1, len(chosen))))
        with self.entry_lock:
            self._check_open("process", chosen)
            self.before_use(chosen)
            room = self._memory.room
            before = room.states[room.pages[chosen], chosen]
            try:
                for begin in range(0, n_steps, at_once):
                    now = slice(begin, begin + at_once)
                    self._run("process", chosen, x[now], y[now], begin)
            except BaseException:
                room.states[room.pages[chosen], chosen] = before  # without a call: another Ctrl-C comes after it
                raise
        result[:] = y.swapaxes(0, 1)
        return result

    def _check_open(self, call: str, slots: Slots) -> None:
        check_open(call, slots, self._memory.room.marks)

    def _run(self, call: str, slots: Slots, x: Array, y: Array, begin: int = 0) -> None:
        """Advance streams by the steps of x, (n_steps, n, any), the first of which is the call's step `begin`; fills y."""
        status = self._status(call, slots, x, y)
        if status != DONE:
            self._raise_for(status, call, slots, x, begin)

    def _status(self, call: str, slots: Slots, x: Array, y: Array) -> int:
        """The driver's status. The driver reads the pool's own copy of the slots, which no other thread can change."""
        room, n, n_steps = self._memory.ready_room(), len(slots), len(x)
        if n > len(room.slots):
            self._check_open(call, slots)
        room.slots[:n] = slots
        table = room.tables[0]
        table[N_SLOTS], table[BEGIN], table[END] = n, 0, n
        advance: Callable[[int, int, int, int], int] = self._advance
        if self._workers and n > PART and n * n_steps * self._memory.plan.weight_bytes >= SHARED_BYTES:
            advance = self._workers.share
        return int(advance(room.addresses[0], self._data_of(x), self._data_of(y), n_steps))

    def _raise_for(self, status: int, call: str, slots: Slots, x: Array, begin: int) -> None:
        """Raise the error that a driver's status stands for."""
        self._check_open(call, slots)
        if status == INPUT_NOT_FINITE:
            wrong = np.argwhere(~np.isfinite(x))
            if not len(wrong):
                raise inputs_changed(call)
            step, row, *within = (int(index) for index in wrong[0])
            index = [row, *within] if call == "step" else [row, (begin + step) * self._stride + sum(within[:-1]), within[-1]]
            raise non_finite_input(index, x[(step, row, *within)], slots[row])
        to_blame = [int(slot) for row, slot in enumerate(slots) if self._status_alone(slot, x[:, row]) == status]
        if not to_blame:
            raise inputs_changed(call)
        raise no_such_entry(to_blame) if status == NO_SUCH_ENTRY else state_overflow(to_blame, self._dtype)

    def _status_alone(self, slot: np.int64, x: Array) -> int:
        """The driver's status for one stream alone: the same as among others. The stream's state does not change."""
        page = self._memory.room.pages[slot]
        y = np.empty((len(x), self._n_outputs), self._dtype)
        try:
            return self._status("step", np.array([slot]), np.ascontiguousarray(x), y)
        finally:
            self._memory.room.pages[slot] = page
