"""`StreamPool`: many signals going through one model, any of them at any tick."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.door import rows_of
from streamrnn.errors import InputError, StreamRNNError
from streamrnn.model import Model
from streamrnn.plan import pool_plan_of
from streamrnn.pool.compiled_door import open_pool_compiled
from streamrnn.pool.memory import PoolMemory
from streamrnn.pool.plain_door import PoolDoor, stream_numbers
from streamrnn.pool.residents import Residents
from streamrnn.pool.slots import Places
from streamrnn.states import snapshot
from streamrnn.states.store import StateStore
from streamrnn.target.packing import Array
from streamrnn.target.record import CLOSED

#: More than any processor has.
MOST_THREADS = 1024

Slots = Sequence[int] | NDArray[np.integer[Any]]


class StreamPool:
    """A model and the states of many signals, each with a number, its slot, from `open` to `close`.

    A stream has the same bits in a pool as alone in a `Stream`, whoever else is there (the company law). Every call takes
    effect wholly or not at all: one that raises leaves all streams as they were. A pool serves one thread at a time, and
    releases the GIL while it computes. Making one compiles the kernels of the model's layers, the first time on a machine;
    afterwards nothing is compiled.

    With a store a pool serves more streams than its memory holds: those that have a key go to the store, the least recently
    used first, many in one transaction, and come back with the same bits when their key is named, in this process or a later
    one. A slot is then its key's until the next call that names keys. What has changed since it was last in the store is lost
    with the process, and the stream is back where it was saved; `flush` saves all.

    model     shared by any number of pools and streams
    capacity  streams for which there is room at first; a full pool doubles it, one with a store never
    store     for the streams that have a key, which must be a str, an int or bytes; it serves one pool at a time
    threads   that share a call, the caller's among them, where it is long enough for that to pay (from about 50 µs on)
    """

    def __init__(self, model: Model, capacity: int = 64, store: StateStore | None = None, *, threads: int = 1) -> None:
        if not isinstance(model, Model):
            raise StreamRNNError(f"StreamPool: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            raise InputError(f"StreamPool: capacity {capacity!r} is not a whole number from 1 on")
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
            raise InputError(f"StreamPool: threads {threads!r} is not a whole number from 1 to {MOST_THREADS}")
        if store is not None and not isinstance(store, StateStore):
            raise InputError(f"StreamPool: {type(store).__name__} is not a store; give streamrnn.StateStore(path)")
        self._model = model
        try:
            self._memory, self._door = self._make(capacity, threads)
        except StreamRNNError:
            raise
        except (MemoryError, ValueError) as error:
            raise InputError(f"StreamPool: {capacity} streams do not fit into memory; begin with fewer") from error
        self._places = Places(self._memory) if store is None else Residents(self._memory, store, model.fingerprint)
        if store is not None:
            self._door.before_use = self._places.touch
        elif type(self).step is StreamPool.step:
            compiled = open_pool_compiled(self._door)
            if compiled is not None:
                vars(self)["step"] = compiled  # found before the method of the class

    def _make(self, capacity: int, threads: int) -> tuple[PoolMemory, PoolDoor]:
        """Memory for so many streams, and the way into it."""
        memory = PoolMemory(pool_plan_of(self._model), capacity, threads)
        return memory, PoolDoor(memory, threads)

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def capacity(self) -> int:
        """Streams for which there is room before the pool grows, or, with a store, before some go there."""
        return self._places.capacity

    @property
    def slots(self) -> NDArray[np.int64]:
        """The open streams in memory, (n,), ascending."""
        return np.flatnonzero(self._memory.room.marks != CLOSED)

    @property
    def keys(self) -> Mapping[Hashable, int]:
        """The slots of the streams in memory that were opened with a key, by it: a view, which follows the pool."""
        return self._places.slots

    def __len__(self) -> int:
        """How many streams are open, and in memory."""
        return int(np.count_nonzero(self._memory.room.marks))

    def open(self, key: Hashable | None = None) -> int:
        """Begin a stream, its state the initial one. Returns its slot, which is its own until it is closed.

        key  any name for it, for `step_keys`; None: it has none, and never goes to a store

        Raises InputError for a key that is taken. With a store none is: its stream goes on, wherever it is.
        """
        with self._door.held:
            return self._places.begin(key)

    def open_keys(self, keys: Sequence[Hashable]) -> NDArray[np.int64]:
        """`open` for many keys, each there once. Returns their slots, (n,)."""
        with self._door.held:
            return self._places.open(keys)

    def close(self, slot: int) -> None:
        """End a stream, in the store too. Its slot may be given to another. Raises InputError for a slot that is not open."""
        with self._door.held:
            self._places.close(self._open_numbers("close", [slot]))

    def close_keys(self, keys: Sequence[Hashable]) -> None:
        """End the streams of some keys, each there once, wherever they are. Raises InputError for a key that has no stream."""
        with self._door.held:
            self._places.close_keys(keys)

    def flush(self, note: str | None = None) -> None:
        """Save every stream that has a key and has changed, in one transaction of the store.

        note  a text to save with them, such as how far the input has been read; `StateStore.note` is the last one

        Raises StoreError where that cannot be done; then nothing is saved. InputError where the pool has no store.
        """
        with self._door.held:
            self._places.flush(note)

    def step(self, slots: Slots, X: ArrayLike, out: Array | None = None) -> Array:
        """Advance some streams by one step.

        slots    (n,) whole numbers, of open streams, each once, in any order; n may be 0
        X        (n, input_size), a row for each, of the model's dtype or what converts to it
        out      (n, output_size), of the model's dtype, in C order, to write the result to; None: an array of its own
        returns  (n, output_size), of the model's dtype, the caller's to keep; or `out`

        Raises InputError for another shape or type, a slot that is not open or there twice; NonFiniteInputError for NaN or
        infinity, naming row and slot; NonFiniteStateError where finite inputs overflow a state, its `slots` the streams to
        leave out; StreamBusyError where another thread is in the pool.
        """
        return self._door.step(slots, X, out)

    def process(self, slots: Slots, X: ArrayLike) -> Array:
        """Advance some streams by many steps: the same bits as one `step` after the other. Answers Ctrl-C.

        slots    as for `step`
        X        (n, n_steps, input_size), of the model's dtype or what converts to it; n_steps may be 0
        returns  (n, n_steps, output_size), of the model's dtype, the caller's to keep

        Raises as `step` does; then no step has been taken by any.
        """
        return self._door.process(slots, X)

    def step_keys(self, inputs: Mapping[Any, ArrayLike]) -> dict[Any, Array]:
        """Advance the streams of some keys by one step.

        inputs   key -> (input_size,), or a number where input_size is 1
        returns  key -> (output_size,)

        Raises InputError for a key that has no stream, and as `step` does. With a store also for more keys than there is room
        for, and StoreError where the store cannot be used; then nothing has moved.
        """
        if not isinstance(inputs, Mapping):
            raise InputError(f"step_keys: {type(inputs).__name__} is not a mapping from keys to inputs")
        with self._door.held:
            slots = self._places.find("step_keys", inputs.keys())
        y = self.step(slots, rows_of("step_keys", inputs.values(), self._model.input_size))
        return dict(zip(inputs, y, strict=True))

    def reset(self, slots: Slots | None = None) -> None:
        """Begin new signals: the states of some streams, None: of all, get their initial values. Raises as `close` does."""
        with self._door.held:
            numbers = self._open_numbers("reset", slots)
            self._places.touch(numbers)
            self._memory.begin(numbers)

    @overload
    def snapshot(self, slots: int) -> bytes: ...
    @overload
    def snapshot(self, slots: Slots | None = None) -> list[bytes]: ...
    def snapshot(self, slots: int | Slots | None = None) -> bytes | list[bytes]:
        """The state of a stream as bytes, those that `Stream.snapshot` would give; for several, None: for all, a list.

        Each is bound to the model, and goes into any pool or `Stream` of it. Raises InputError for a slot that is not open.
        """
        with self._door.held:
            numbers = self._open_numbers("snapshot", [slots] if _is_one(slots) else slots)
            saved = [snapshot.encode(self._model.fingerprint, state) for state in self._memory.read(numbers)]
            return saved[0] if _is_one(slots) else saved

    def restore(self, slots: int | Slots, saved: bytes | Sequence[bytes]) -> None:
        """Put the state of a snapshot, of a `Stream` or a pool, in place of a stream's; of a list, of several streams'.

        Raises SnapshotError for bytes that are no snapshot of this model, InputError for a slot that is not open or another
        number of snapshots; then all streams are as they were.
        """
        one = _is_one(slots)
        if not isinstance(saved, Iterable):
            raise InputError(f"restore: {type(saved).__name__} is no snapshot, nor a list of some")
        several = [saved] if one or isinstance(saved, bytes | bytearray | memoryview) else list(saved)
        size, fingerprint, dtype = self._memory.n_values, self._model.fingerprint, self._model.dtype
        with self._door.held:
            numbers = self._open_numbers("restore", [slots] if one else slots)
            if len(several) != len(numbers):
                raise InputError(f"restore: {len(numbers)} streams, but {len(several)} snapshots; give one for each")
            states = [snapshot.decode(fingerprint, size, dtype, data) for data in several]  # type: ignore[arg-type]
            self._places.touch(numbers)
            self._memory.write(numbers, np.array(states, dtype).reshape(len(numbers), size))

    def __repr__(self) -> str:
        return f"<StreamPool of {len(self)} streams of {self._model!r}>"

    def __reduce__(self) -> Any:
        raise StreamRNNError("a StreamPool cannot be pickled or copied; save its model, and its states with snapshot()")

    def _open_numbers(self, call: str, slots: Any) -> NDArray[np.int64]:
        """The slots as an array, None: of all. Raises InputError unless they are open streams, each once."""
        if slots is None:
            return self.slots
        numbers = stream_numbers(call, slots)
        self._door.check_open(call, numbers)
        return numbers


def _is_one(slots: Any) -> bool:
    return isinstance(slots, int | np.integer)
