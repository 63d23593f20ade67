"""`StreamPool`: many signals going through one model, any of them at any tick."""

from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn import snapshot
from streamrnn.door import PoolDoor, row_of
from streamrnn.door.many import stream_numbers
from streamrnn.errors import InputError, StreamRNNError
from streamrnn.model import Model
from streamrnn.packing import Array
from streamrnn.plan import pool_plan_of
from streamrnn.pool_memory import PoolMemory
from streamrnn.record import CLOSED, OPEN

Slots = Sequence[int] | NDArray[np.integer[Any]]


class StreamPool:
    """A model and the states of many signals, each with a number, its slot, from `open` to `close`.

    A stream has the same bits in a pool as alone in a `Stream`, whoever else is there (the company law). Every call takes
    effect wholly or not at all: one that raises leaves all streams as they were. A pool serves one thread at a time, and
    releases the GIL while it computes. Making one compiles the kernels of the model's layers, the first time on a machine;
    afterwards nothing is compiled.

    model     shared by any number of pools and streams
    capacity  streams for which there is room at first; a full pool doubles it
    """

    def __init__(self, model: Model, capacity: int = 64) -> None:
        if not isinstance(model, Model):
            raise StreamRNNError(f"StreamPool: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            raise InputError(f"StreamPool: capacity {capacity!r} is not a whole number from 1 on")
        self._model, plan = model, pool_plan_of(model)
        try:
            self._memory = PoolMemory(plan, capacity)
        except (MemoryError, ValueError) as error:
            raise InputError(f"StreamPool: {capacity} streams do not fit into memory; begin with fewer") from error
        self._door = PoolDoor(self._memory)
        self._free = list(range(capacity))[::-1]
        self._slots: dict[Hashable, int] = {}
        self._keys: dict[int, Hashable] = {}

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def capacity(self) -> int:
        """Streams for which there is room before the pool grows."""
        return len(self._memory.room.marks)

    @property
    def slots(self) -> NDArray[np.int64]:
        """The open streams, (n,), ascending."""
        return np.flatnonzero(self._memory.room.marks != CLOSED)

    @property
    def keys(self) -> Mapping[Hashable, int]:
        """The slots of the streams that were opened with a key, by it: a view, which follows the pool."""
        return MappingProxyType(self._slots)

    def __len__(self) -> int:
        """How many streams are open."""
        return int(np.count_nonzero(self._memory.room.marks))

    def open(self, key: Hashable | None = None) -> int:
        """Begin a stream, its state the initial one. Returns its slot, which is its own until it is closed.

        key  any name for it, for `step_keys`; None: it has none

        Raises InputError for a key that is taken.
        """
        with self._door:
            if key is not None and key in self._slots:
                raise InputError(f"open: key {key!r} has a stream already, {self._slots[key]}; close it, or use another key")
            if not self._free:
                self._grow()
            slot = self._free.pop()
            self._memory.room.states[slot] = self._memory.initial
            self._memory.room.marks[slot] = OPEN
            if key is not None:
                self._slots[key], self._keys[slot] = slot, key
            return slot

    def close(self, slot: int) -> None:
        """End a stream. Its slot may be given to another. Raises InputError for a slot that is not open."""
        with self._door:
            (number,) = self._open_numbers("close", [slot]).tolist()
            if number in self._keys:
                del self._slots[self._keys.pop(number)]
            self._memory.room.marks[number] = CLOSED
            self._free.append(number)

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

        Raises InputError for a key that has no stream, and as `step` does.
        """
        for key in inputs:
            if key not in self._slots:
                raise InputError(f"step_keys: no stream has the key {key!r}; open one with it")
        size = self._model.input_size
        rows = [row_of("step_keys", x, size) for x in inputs.values()]
        x = np.stack(rows) if rows else np.zeros((0, size))
        y = self._door.step([self._slots[key] for key in inputs], x)
        return dict(zip(inputs, y, strict=True))

    def reset(self, slots: Slots | None = None) -> None:
        """Begin new signals: the states of some streams, None: of all, get their initial values. Raises as `close` does."""
        with self._door:
            self._memory.room.states[self._open_numbers("reset", slots)] = self._memory.initial

    @overload
    def snapshot(self, slots: int) -> bytes: ...
    @overload
    def snapshot(self, slots: Slots | None = None) -> list[bytes]: ...
    def snapshot(self, slots: int | Slots | None = None) -> bytes | list[bytes]:
        """The state of a stream as bytes, those that `Stream.snapshot` would give; for several, None: for all, a list.

        Each is bound to the model, and goes into any pool or `Stream` of it. Raises InputError for a slot that is not open.
        """
        with self._door:
            numbers = self._open_numbers("snapshot", [slots] if _is_one(slots) else slots)
            states = self._memory.room.states[numbers][:, self._memory.places]
            saved = [snapshot.encode(self._model.fingerprint, state) for state in states]
            return saved[0] if _is_one(slots) else saved

    def restore(self, slots: int | Slots, saved: bytes | Sequence[bytes]) -> None:
        """Put the state of a snapshot, of a `Stream` or a pool, in place of a stream's; of a list, of several streams'.

        Raises SnapshotError for bytes that are no snapshot of this model, InputError for a slot that is not open or another
        number of snapshots; then all streams are as they were.
        """
        one = _is_one(slots)
        several = [saved] if one or isinstance(saved, bytes | bytearray | memoryview) else list(saved)
        size, fingerprint, dtype = self._memory.places.size, self._model.fingerprint, self._model.dtype
        with self._door:
            numbers = self._open_numbers("restore", [slots] if one else slots)
            if len(several) != len(numbers):
                raise InputError(f"restore: {len(numbers)} streams, but {len(several)} snapshots; give one for each")
            states = [snapshot.decode(fingerprint, size, dtype, data) for data in several]  # type: ignore[arg-type]
            rows = np.tile(self._memory.initial, (len(numbers), 1))
            for row, state in zip(rows, states, strict=True):
                row[self._memory.places] = state
            self._memory.room.states[numbers] = rows

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

    def _grow(self) -> None:
        before = self.capacity
        try:
            self._memory.grow(2 * before)
        except MemoryError:
            raise InputError(f"open: {2 * before} streams do not fit into memory; close some, or use several pools") from None
        self._free[:] = range(2 * before)[: before - 1 : -1]


def _is_one(slots: Any) -> bool:
    return isinstance(slots, int | np.integer)
