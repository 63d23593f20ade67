"""The door of a pool: takes numbers of streams and their inputs, converts them or says what is wrong, and runs the driver."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.door.builtin import data_reader
from streamrnn.door.entry_lock import gate
from streamrnn.door.plain import UNINTERRUPTED_BYTES, described, has_masked, numbers_of
from streamrnn.errors import InputError, NonFiniteInputError, NonFiniteStateError, StreamBusyError
from streamrnn.pool.memory import PoolMemory
from streamrnn.pool.worker_threads import PART, WorkerThreads
from streamrnn.target.packing import Array
from streamrnn.target.record import BEGIN, DONE, END, INPUT_NOT_FINITE, N_CHOSEN, NO_SUCH_ENTRY, OPEN

_ADDRESS = ctypes.c_int64
_RELEASES_GIL = ctypes.CFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_int64)

#: Bytes of weights, counted for each stream and step, from which a call is shared, even if helpers must be woken: some 45 µs.
SHARED_BYTES = 20_000_000

#: More streams than fit into any memory.
MOST = 1 << 48

Numbers = NDArray[np.int64]


class PoolDoor:
    """The way into the memory of a pool, for one caller at a time, who holds it: `with door.held`.

    memory     of a plan with sizes I and O
    n_threads  that take part in a call which is worth it; the memory has a table for each

    Whoever holds the pool calls `before_use` with what a caller takes for streams, before they advance.
    """

    before_use: Callable[[Numbers], None] = staticmethod(lambda numbers: None)

    def __init__(self, memory: PoolMemory, n_threads: int = 1) -> None:
        self._memory = memory
        self._workers = WorkerThreads(memory, n_threads - 1) if n_threads > 1 else None
        self._advance = _RELEASES_GIL(memory.plan.driver)
        self._dtype = np.dtype(memory.plan.dtype)
        self._n_inputs, self._n_outputs = memory.plan.input_size, memory.plan.output_size
        self._data_of = data_reader()
        self.held = gate(refuse)

    @property
    def memory(self) -> PoolMemory:
        """What it leads to."""
        return self._memory

    @property
    def driver_of_shared(self) -> int:
        """Address of what takes ticks of more streams than `most_alone`."""
        return self._workers.share_place if self._workers else self._memory.plan.driver

    @property
    def most_alone(self) -> int:
        """Streams of a tick that one thread takes, at most."""
        if self._workers is None:
            return MOST
        return max(PART, (SHARED_BYTES - 1) // max(1, self._memory.plan.weight_bytes))

    def step(self, slots: ArrayLike, X: ArrayLike, out: Array | None = None) -> Array:
        """One step, as `StreamPool.step` describes it."""
        numbers = stream_numbers("step", slots)
        x = self._inputs("step", X, (len(numbers), self._n_inputs))
        if out is not None:
            self._check_out(out, len(numbers))
        direct = out is not None and not np.may_share_memory(out, x)
        y = out if out is not None and direct else np.empty((len(numbers), self._n_outputs), self._dtype)
        with self.held:
            self.before_use(numbers)
            self._run("step", numbers, x[None], y[None])
        if out is None or direct:
            return y
        out[:] = y
        return out

    def process(self, slots: ArrayLike, X: ArrayLike) -> Array:
        """Many steps, as `StreamPool.process` describes it."""
        numbers = stream_numbers("process", slots)
        given = numbers_of("process", X)
        n_steps = given.shape[1] if given.ndim == 3 else 0
        given = self._inputs("process", given, (len(numbers), "n_steps" if given.ndim != 3 else n_steps, self._n_inputs))
        try:
            x = np.ascontiguousarray(given.swapaxes(0, 1))
            y = np.empty((n_steps, len(numbers), self._n_outputs), self._dtype)
            result = np.empty((len(numbers), n_steps, self._n_outputs), self._dtype)
        except MemoryError:
            raise InputError(f"process: {n_steps} steps at once do not fit into memory; give them in chunks") from None
        at_once = max(1, UNINTERRUPTED_BYTES // (self._memory.plan.step_bytes * max(1, len(numbers))))
        with self.held:
            self.check_open("process", numbers)
            self.before_use(numbers)
            with self._memory.unchanged_by_errors(numbers):
                for begin in range(0, n_steps, at_once):
                    now = slice(begin, begin + at_once)
                    self._run("process", numbers, x[now], y[now], begin)
        result[:] = y.swapaxes(0, 1)
        return result

    def check_open(self, call: str, numbers: Numbers) -> None:
        """Raise InputError unless the numbers are those of open streams, each once. For the holder of the pool."""
        marks, seen = self._memory.room.marks, set()
        for index, number in enumerate(numbers.tolist()):
            if not 0 <= number < len(marks) or marks[number] != OPEN:
                raise InputError(
                    f"{call}: slots[{index}] is {number}, which is no open stream of this pool; give what open gave"
                )
            if number in seen:
                raise InputError(f"{call}: slots[{index}] is {number} again; a stream takes part once in a call")
            seen.add(number)

    def _inputs(self, call: str, X: ArrayLike, shape: tuple[int | str, ...]) -> Array:
        """The inputs in the model's type, C order; those that it cannot hold become infinite, which the driver finds."""
        given: NDArray[Any] = X if type(X) is np.ndarray else numbers_of(call, X)
        usual = given.dtype == self._dtype
        if not usual:
            given = numbers_of(call, given)
        if given.shape != shape:
            raise InputError(f"{call}: shape {given.shape} does not fit, expected ({', '.join(map(str, shape))})")
        if usual and given.flags.c_contiguous and given.flags.aligned:
            return given
        with np.errstate(over="ignore"):
            return np.require(given, self._dtype, ["C", "A"])

    def _check_out(self, out: Any, n: int) -> None:
        shape = n, self._n_outputs
        fits = type(out) is np.ndarray and out.dtype == self._dtype and out.shape == shape
        if not fits or not out.flags.carray:
            raise InputError(
                f"step: out must be a writable {self._dtype} array in C order of shape {shape}, not {described(out)}"
            )

    def _run(self, call: str, numbers: Numbers, x: Array, y: Array, begin: int = 0) -> None:
        """Advance the streams. `x` and `y` are [step][stream][value], their first step the call's `begin`."""
        status = self._status(call, numbers, x, y)
        if status != DONE:
            self._explain(call, status, numbers, x, begin)

    def _status(self, call: str, numbers: Numbers, x: Array, y: Array) -> int:
        """What the driver answers. It reads the pool's own copy of the numbers, which no other thread can change."""
        room, n, n_steps = self._memory.ready_room(), len(numbers), len(x)
        if n > len(room.chosen):
            self.check_open(call, numbers)
        room.chosen[:n] = numbers
        table = room.tables[0]
        table[N_CHOSEN], table[BEGIN], table[END] = n, 0, n
        advance: Callable[[int, int, int, int], int] = self._advance
        if self._workers and n > PART and n * n_steps * self._memory.plan.weight_bytes >= SHARED_BYTES:
            advance = self._workers.share
        return int(advance(room.addresses[0], self._data_of(x), self._data_of(y), n_steps))

    def _explain(self, call: str, status: int, numbers: Numbers, x: Array, begin: int) -> None:
        """Raise what the driver found."""
        self.check_open(call, numbers)
        if status == INPUT_NOT_FINITE:
            wrong = np.argwhere(~np.isfinite(x))
            if not len(wrong):
                raise changed(call)
            step, row, value = (int(index) for index in wrong[0])
            place = [row, value] if call == "step" else [row, begin + step, value]
            raise poisoned(place, x[step, row, value], numbers[row])
        to_blame = tuple(int(number) for index, number in enumerate(numbers) if self._alone(number, x[:, index]) == status)
        if not to_blame:
            raise changed(call)
        if status == NO_SUCH_ENTRY:
            raise InputError(
                f"{_named(to_blame)}: an index is no whole number, or not one of the embedding's entries; the call is undone "
                "for all; give indices from 0 on"
            )
        raise overflown(to_blame, self._dtype)

    def _alone(self, number: np.int64, x: Array) -> int:
        """What the driver answers to one of the streams, whose state stays as it is: what it would in company."""
        page = self._memory.room.pages[number]
        y = np.empty((len(x), self._n_outputs), self._dtype)
        try:
            return self._status("step", np.array([number]), np.ascontiguousarray(x), y)
        finally:
            self._memory.room.pages[number] = page


def refuse() -> None:
    """For a caller who finds another in the pool."""
    raise StreamBusyError("another thread is in this pool; give each thread its own, or take turns with a lock")


def changed(call: str) -> InputError:
    """The error for a call that was refused for what is no longer there."""
    return InputError(
        f"{call}: the inputs were changed while the call looked at them, by another thread; all states are as they were; give "
        "arrays that nobody writes to meanwhile"
    )


def poisoned(place: list[int], value: Any, number: Any) -> NonFiniteInputError:
    """The error for a value at a place of a call's inputs, which is of a stream."""
    return NonFiniteInputError(
        f"input{place} is {value}, for stream {number}; all states are as they were; leave the stream out, or replace the "
        "value by a number"
    )


def overflown(to_blame: tuple[int, ...], dtype: Any) -> NonFiniteStateError:
    """The error for streams whose inputs drove their states out of the range of a type."""
    error = NonFiniteStateError(
        f"{_named(to_blame)}: the state left the range of {dtype}; the call is undone for all; the input is too large or the "
        "model diverges: scale the input, reset the stream, or leave it out"
    )
    error.slots = to_blame
    return error


def _named(numbers: tuple[int, ...]) -> str:
    return f"stream{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def stream_numbers(call: str, slots: ArrayLike) -> Numbers:
    """The numbers of streams as an array of its own, (n,). Raises InputError for anything but whole numbers in one row."""
    if type(slots) is np.ndarray and slots.dtype == np.int64 and slots.ndim == 1:
        return slots.copy()
    try:
        if has_masked(slots):
            raise TypeError("some are masked")
        array = np.asarray(slots)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"dtype {array.dtype} is not a whole number")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{call}: slots are not whole numbers ({error}); give those that open returned") from None
    if array.ndim != 1:
        raise InputError(f"{call}: slots of shape {array.shape} do not fit, expected (n,)")
    return array.astype(np.int64)
