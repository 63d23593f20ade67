"""`StreamPool`: many signals going through one model, any of them at any tick."""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.boundary import refusing
from streamrnn.code_cache import load_all
from streamrnn.door.arguments import inputs_of, kernel_array
from streamrnn.errors import InputError, NonFiniteInputError, NonFiniteStateError, StreamRNNError
from streamrnn.model import Model
from streamrnn.plan import pool_plan_of
from streamrnn.pool.call_errors import naming_keys
from streamrnn.pool.compiled_door import functions_of_pool, open_pool_compiled
from streamrnn.pool.key_rows import KeyRows
from streamrnn.pool.memory import PoolMemory
from streamrnn.pool.plain_door import PoolDoor
from streamrnn.pool.protocols import Door, Memory
from streamrnn.pool.residents import Residents
from streamrnn.pool.slot_arguments import Slots, SlotsLike, as_slots, check_one_open, check_open
from streamrnn.pool.slots import SlotTable
from streamrnn.pool.snapshots import as_snapshots, decode_all, encode_all
from streamrnn.states.store import StateStore
from streamrnn.target.packing import Array

#: More threads than any processor has cores.
MAX_THREADS = 1024


class StreamPool:
    """A model and the states of many signals. Each open stream has a number, its slot, until it is closed.

    A stream in a pool gives the same bits as alone in a `Stream`, whatever the other streams do (the company law). A call takes
    effect for all of its streams or for none: a call that raises leaves all streams unchanged. One thread at a time may use a
    pool; the pool releases the GIL while it computes. Making a pool compiles what the model needs, once per machine, as making
    a stream does; afterwards nothing is compiled.

    With a store, a pool serves more streams than fit into its memory. Streams with a key go to the store when the pool is full,
    the least recently used first, and come back, with the same bits, when their key is named again, in this process or a later
    one. A slot then belongs to its key only until the next call that names keys. `flush` saves all streams; what has changed
    after the last save is lost if the process dies.

    model     shared by any number of pools and streams
    capacity  streams that fit at first, 1 or more; a full pool doubles it, but a pool with a store never grows
    store     for the streams with a key, which must then be a str, int or bytes; a store serves one pool at a time
    threads   threads that share a long call (50 µs or more), the caller's included

    Raises StreamRNNError for anything but a Model, ModelError for one that cannot be streamed, InputError for another argument
    that does not fit or a capacity that does not fit into memory, StoreError for a store of another model or in use.
    """

    def __init__(self, model: Model, capacity: int = 64, store: StateStore | None = None, *, threads: int = 1) -> None:
        if not isinstance(model, Model):
            raise StreamRNNError(f"StreamPool: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            raise InputError(f"StreamPool: capacity {capacity!r} is not a whole number from 1 on")
        if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
            raise InputError(f"StreamPool: threads {threads!r} is not a whole number from 1 to {MAX_THREADS}")
        if store is not None and not isinstance(store, StateStore):
            raise InputError(f"StreamPool: {type(store).__name__} is not a store; give streamrnn.StateStore(path)")
        self._model, self._store = model, store
        try:
            self._memory, self._door = self._make(capacity, threads)
        except StreamRNNError:
            raise
        except (MemoryError, ValueError) as error:
            raise InputError(f"StreamPool: {capacity} streams do not fit into memory; begin with fewer") from error
        self._slots = SlotTable(self._memory) if store is None else Residents(self._memory, store, model)
        uses = self._slots.uses if isinstance(self._slots, Residents) else None
        if uses:
            self._door.before_use = self._slots.touch
        self._key_rows: KeyRows | None = None
        if isinstance(self._door, PoolDoor) and type(self).step is StreamPool.step:
            compiled = open_pool_compiled(self._door, uses)
            if compiled:
                vars(self)["step"], self._key_rows = compiled  # Python finds `step` before the method of the class

    def _make(self, capacity: int, threads: int) -> tuple[Memory, Door]:
        """The pool's memory and door."""
        plan = pool_plan_of(self._model)
        load_all(functions_of_pool(plan, threads))
        memory = PoolMemory(plan, capacity, threads)
        return memory, PoolDoor(memory, threads)

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def store(self) -> StateStore | None:
        """The store, if the pool has one."""
        return self._store

    @property
    def capacity(self) -> int:
        """Streams that fit into memory. A full pool grows, or, with a store, sends some streams there."""
        return self._slots.capacity

    @property
    def slots(self) -> NDArray[np.int64]:
        """The slots of the open streams in memory, (n,), ascending."""
        return self._slots.opened

    @property
    def keys(self) -> Mapping[Hashable, int]:
        """key -> slot of the streams in memory that were opened with a key: a live view."""
        return self._slots.by_key

    def __len__(self) -> int:
        """How many open streams are in memory."""
        return len(self._slots)

    def open(self, key: Hashable | None = None) -> int:
        """Begin a stream in the initial state. Returns its slot, which no other stream gets before it is closed.

        key  a name for the stream, for `step_keys`; None: no key, and the stream never goes to a store

        Raises InputError for a key that is in use, or when memory is full. With a store, a key that is in use gives the slot of
        its stream, which goes on; raises StoreError if the store cannot be used.
        """
        with self._door.entry_lock:
            return self._slots.open(key)

    def open_many(self, n: int) -> NDArray[np.int64]:
        """`open` for n streams without keys. Returns their slots, (n,). If it raises, none has begun."""
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise InputError(f"open_many: n {n!r} is not a whole number from 0 on")
        with self._door.entry_lock:
            return self._slots.open_many(int(n))

    def open_keys(self, keys: Sequence[Hashable]) -> NDArray[np.int64]:
        """`open` for many keys, without duplicates. Returns their slots, (n,), in the order of the keys."""
        with self._door.entry_lock:
            return self._slots.open_keys(keys)

    def close(self, slots: int | SlotsLike) -> None:
        """End the stream of a slot, or those of several slots, in the store too. Other streams may get their slots.

        Raises InputError for a slot that is not open, or for duplicates; then none has ended.
        """
        if type(slots) is int:
            with self._door.entry_lock:
                check_one_open("close", slots, self._memory.room.marks)
                self._slots.close_one(slots)
            return
        given: Any = [slots] if _is_one(slots) else slots
        chosen = as_slots("close", given)
        with self._door.entry_lock:
            check_open("close", chosen, self._memory.room.marks)
            self._slots.close(chosen)

    def close_keys(self, keys: Sequence[Hashable]) -> None:
        """End the streams of some keys, without duplicates, in memory and in the store.

        Raises InputError for a key that has no stream; then none has ended.
        """
        with self._door.entry_lock:
            self._slots.close_keys(keys)

    def flush(self, note: str | None = None) -> None:
        """Save every stream that has a key and has changed, in one transaction of the store.

        note  a text to save with them, such as how far the input has been read; `StateStore.note` gives the last one

        Raises StoreError if the store cannot be written; then nothing is saved. Raises InputError for a pool without a store.
        """
        with self._door.entry_lock:
            self._slots.flush(note)

    def step(self, slots: SlotsLike, X: ArrayLike, out: Array | None = None) -> Array:
        """Advance some streams by one step.

        slots    (n,), whole numbers: open slots, without duplicates, in any order; n may be 0
        X        (n, input_size), one row for each slot, of the model's dtype or convertible to it; (n, stride, input_size) for
                 a model whose steps take several rows
        out      (n, output_size), of the model's dtype, in C order: the array for the result; None: a new array
        returns  (n, output_size), of the model's dtype, the caller's to keep; or `out`

        Raises InputError for another shape or dtype, or a slot that is not open or appears twice; NonFiniteInputError for NaN
        or infinity, naming row and slot; NonFiniteStateError if finite inputs overflow a state, its `slots` the streams to
        leave out; StreamBusyError if another thread is in the pool.
        """
        return self._door.step(slots, X, out)  # type: ignore[no-any-return]

    def process(self, slots: SlotsLike, X: ArrayLike) -> Array:
        """Advance some streams by many steps: the same bits as one `step` after the other. Ctrl-C interrupts it.

        slots    as for `step`
        X        (n, n_steps * stride, input_size), of the model's dtype or convertible to it; n_steps may be 0
        returns  (n, n_steps, output_size), of the model's dtype, the caller's to keep

        Raises as `step` does. A call that raises or is interrupted has advanced no stream.
        """
        return self._door.process(slots, X)  # type: ignore[no-any-return]

    def step_keys(self, inputs: Mapping[Any, ArrayLike]) -> dict[Any, Array]:
        """Advance the streams of some keys by one step.

        inputs   key -> input of a step, as for `Stream.step`
        returns  key -> (output_size,), of the model's dtype

        Raises InputError for a key that has no stream, and as `step` does, naming the key; the `keys` of a NonFiniteStateError
        are those of the streams to leave out. With a store it also raises InputError for more keys than fit into memory, and
        StoreError if the store cannot be used. Then no stream has advanced.
        """
        if not isinstance(inputs, Mapping):
            raise InputError(f"step_keys: {type(inputs).__name__} is not a mapping from keys to inputs")
        with refusing(InputError, "step_keys: the mapping cannot be read"):
            given: dict[Any, Any] = dict(inputs)
        with self._door.entry_lock:
            slots = self._slots.find("step_keys", given.keys())
        x = self._key_rows.gather(list(given.values())) if self._key_rows else None
        if x is None:
            x = inputs_of("step_keys", given, self._model.step_shape)
        try:
            y = self.step(slots, x)
        except (InputError, NonFiniteStateError) as error:
            raise naming_keys(error, dict(zip(slots, given, strict=True))) from None
        given.update(zip(given, self._key_rows.scatter(y) if self._key_rows else y, strict=True))
        return given

    def reset(self, slots: SlotsLike | None = None) -> None:
        """Set the states of some streams (None: all) to the initial state. Raises InputError for a slot that is not open."""
        with self._door.entry_lock:
            chosen = self._checked("reset", slots)
            self._slots.touch(chosen)
            self._memory.begin(chosen)

    @overload
    def snapshot(self, slots: int) -> bytes: ...
    @overload
    def snapshot(self, slots: SlotsLike | None = None) -> list[bytes]: ...
    def snapshot(self, slots: int | SlotsLike | None = None) -> bytes | list[bytes]:
        """The state of one slot as bytes, the same as `Stream.snapshot` gives; for several slots (None: all) a list.

        A snapshot is bound to its model, and can be restored in any pool or `Stream` of that model. Raises InputError for a
        slot that is not open.
        """
        with self._door.entry_lock:
            chosen = self._checked("snapshot", [slots] if _is_one(slots) else slots)
            saved = encode_all(self._model, self._memory.read(chosen))
            return saved[0] if _is_one(slots) else saved

    def restore(self, slots: int | SlotsLike, saved: bytes | Sequence[bytes], *, same_shapes: bool = False) -> None:
        """Set the state of one slot to that of a snapshot of a `Stream` or a pool; for several slots, to those of a list.

        same_shapes  as for `Stream.restore`: whether snapshots may be of this model with other weights

        Raises SnapshotError for bytes that are not a snapshot of this model, InputError for a slot that is not open or a wrong
        number of snapshots. Then all streams are unchanged.
        """
        one = _is_one(slots)
        given = as_snapshots(saved, one)
        with self._door.entry_lock:
            chosen = self._checked("restore", [slots] if one else slots)
            states = decode_all(self._model, self._memory.n_values, len(chosen), given, same_shapes)
            self._slots.touch(chosen)
            self._memory.write(chosen, states)

    @property
    def state_size(self) -> int:
        """Values of the state of one stream: a row of `state_rows`."""
        return self._memory.n_values

    def state_rows(self, slots: SlotsLike | None = None) -> Array:
        """A copy of the states of some slots (None: all), in one array: the quick way to keep many streams somewhere else.

        returns  (n, state_size), of the model's dtype: a row for each slot, its values in the order of a snapshot. Unlike a
                 snapshot, a row does not say which model it belongs to

        Raises InputError for a slot that is not open.
        """
        with self._door.entry_lock:
            return self._memory.read(self._checked("state_rows", slots))

    def set_state_rows(self, slots: SlotsLike, rows: ArrayLike) -> None:
        """Set the states of some slots to rows that `state_rows` of a pool of the same model gave.

        slots  (n,), whole numbers: open slots, without duplicates, in any order
        rows   (n, state_size), of the model's dtype or convertible to it

        Raises InputError for a slot that is not open or another shape or type, NonFiniteInputError for NaN or infinity. Then
        all streams are unchanged.
        """
        chosen = as_slots("set_state_rows", slots)
        states = kernel_array("set_state_rows", rows, (len(chosen), self.state_size), self._model.dtype)
        states = states.copy() if states is rows else states
        if not np.isfinite(states).all():
            row, index = (int(at) for at in np.argwhere(~np.isfinite(states))[0])
            raise NonFiniteInputError(
                f"set_state_rows: rows[{row}, {index}] is {states[row, index]}; all states are unchanged; give what "
                "state_rows() returned"
            )
        with self._door.entry_lock:
            check_open("set_state_rows", chosen, self._memory.room.marks)
            self._slots.touch(chosen)
            self._memory.write(chosen, states)

    def __repr__(self) -> str:
        return f"<StreamPool of {len(self)} streams of {self._model!r}>"

    def __reduce__(self) -> Any:
        raise StreamRNNError("a StreamPool cannot be pickled or copied; save its model, and its states with snapshot()")

    def _checked(self, call: str, slots: Any) -> Slots:
        """The slots as an array (None: all). Raises InputError unless they are open, without duplicates."""
        if slots is None:
            return self.slots
        chosen = as_slots(call, slots)
        check_open(call, chosen, self._memory.room.marks)
        return chosen


def _is_one(slots: Any) -> bool:
    return isinstance(slots, int | np.integer)
