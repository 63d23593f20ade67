"""`SlotTable`: which slots of a pool are open streams, and the keys of these streams."""

from collections.abc import Collection, Hashable, KeysView, Sequence

import numpy as np

from streamrnn.boundary import refusing
from streamrnn.errors import InputError
from streamrnn.pool.keys import KeyTable
from streamrnn.pool.protocols import Memory
from streamrnn.pool.slot_arguments import Slots
from streamrnn.target.packing import Array
from streamrnn.target.record import CLOSED, OPEN


class SlotTable:
    """The slots of a pool: each is free, or an open stream, with or without a key. When no slot is free, the memory grows.

    by_key  the slots of the streams that have a key
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._free = list(range(self.capacity))[::-1]
        self._keys: list[Hashable | None] = [None] * self.capacity
        self.by_key = KeyTable(self.capacity)
        self._consistent = True  # whether keys and free slots agree with the memory's marks

    @property
    def capacity(self) -> int:
        """How many streams fit."""
        return len(self._memory.room.marks)

    @property
    def opened(self) -> Slots:
        """The open slots, (n,), ascending."""
        return np.flatnonzero(self._memory.room.marks != CLOSED)

    def __len__(self) -> int:
        """How many slots are open."""
        return int(np.count_nonzero(self._memory.room.marks))

    def open(self, key: Hashable | None) -> int:
        """Begin a stream, with a key or, for None, without. Returns its slot. Raises InputError for a key that is in use."""
        self._repair()
        if key is not None:
            return int(self.open_keys([key])[0])
        return self._fill_one()

    def open_many(self, n: int) -> Slots:
        """Begin n streams without keys. Returns their slots."""
        self._repair()
        return self._fill(n)

    def open_keys(self, keys: Sequence[Hashable]) -> Slots:
        """Begin a stream for each key. Returns their slots. Raises InputError for a key that is in use, or for duplicates."""
        self._repair()
        check_distinct("open", keys)
        with refusing(InputError, "open: a key cannot be looked up"):
            for key in keys:
                if key in self.by_key:
                    raise InputError(f"open: key {key!r} already has slot {self.by_key[key]}; close it, or use another key")
        return self._fill(len(keys), keys)

    def find(self, call: str, keys: Collection[Hashable]) -> Slots:
        """The slots of some keys. Raises InputError for a key that has no stream."""
        self._repair()
        with refusing(InputError, f"{call}: a key cannot be looked up"):
            try:
                return np.fromiter(self.by_key.find(keys), np.int64, len(keys))
            except KeyError as error:
                raise InputError(f"{call}: no stream has the key {error.args[0]!r}; open one with it") from None

    def close(self, slots: Slots) -> None:
        """End some streams. Their slots become free."""
        self._repair()
        self._consistent = False
        self._memory.room.marks[slots] = CLOSED
        for slot in slots.tolist():
            if self._keys[slot] is not None:
                self.by_key.remove(self._keys[slot])
                self._keys[slot] = None
        self._free += slots.tolist()
        self._consistent = True

    def close_one(self, slot: int) -> None:
        """`close` for a single stream, without arrays: half the time."""
        self._repair()
        self._consistent = False
        self._memory.room.marks[slot] = CLOSED
        if self._keys[slot] is not None:
            self.by_key.remove(self._keys[slot])
            self._keys[slot] = None
        self._free.append(slot)
        self._consistent = True

    def close_keys(self, keys: Collection[Hashable]) -> None:
        """End the streams of some keys. Raises InputError for a key that has no stream; then none has ended."""
        check_distinct("close_keys", keys)
        self.close(self.find("close_keys", keys))

    def touch(self, slots: Slots) -> None:
        """Note that some streams are about to change. `slots` may not have been checked yet."""

    def flush(self, note: str | None) -> None:
        """Save what has changed."""
        raise InputError("flush: the pool has no store; give it one, StreamPool(model, capacity, store=StateStore(path))")

    def _fill(self, n: int, keys: Sequence[Hashable] = (), saved: Sequence[int] = (), states: Array | None = None) -> Slots:
        """Open n free slots, for these keys or without keys. Returns them.

        saved   indices of those that go on from `states`, (len(saved), n_values); all others get the initial state
        """
        self._make_room(n)
        self._consistent = False
        slots = np.array(self._free[len(self._free) - n :][::-1], np.int64)
        self._memory.begin(slots)
        if states is not None:
            self._memory.write(slots[list(saved)], states)
        for slot, key in zip(slots.tolist(), keys, strict=False):
            self._keys[slot] = key
        self.by_key.add(keys, slots.tolist())
        self._memory.room.marks[slots] = OPEN
        del self._free[len(self._free) - n :]
        self._consistent = True
        return slots

    def _fill_one(self) -> int:
        """`_fill` for a single stream without a key, without arrays: a third of the time. Returns its slot."""
        if not self._free:
            self._make_room(1)
        self._consistent = False
        slot = self._free[-1]
        self._memory.begin(slot)
        self._memory.room.marks[slot] = OPEN
        self._free.pop()
        self._consistent = True
        return slot

    def _make_room(self, n: int) -> None:
        """Have at least n free slots."""
        before, after = self.capacity, self.capacity
        while after - before + len(self._free) < n:
            after *= 2
        if after > before:
            self._consistent = False
            try:
                self._memory.grow(after)
            except (MemoryError, ValueError, OverflowError):  # the last two for sizes beyond any memory
                raise InputError(f"open: {after} streams do not fit into memory; close some, or use several pools") from None
            self._keys += [None] * (after - before)
            self._free[:0] = range(after)[: before - 1 : -1]
            self._consistent = True

    def _repair(self) -> None:
        """After Ctrl-C or an error in the middle of a change: make keys and free slots agree with the marks again."""
        if not self._consistent:
            is_open = self._memory.room.marks != CLOSED
            keys = [*self._keys, *[None] * (len(is_open) - len(self._keys))]
            self._keys = [key if there else None for key, there in zip(keys, is_open.tolist(), strict=True)]
            self.by_key.replace((key, slot) for slot, key in enumerate(self._keys) if key is not None)
            self._free = np.flatnonzero(~is_open)[::-1].tolist()
            self._consistent = True


def check_distinct(call: str, keys: Collection[Hashable]) -> None:
    """Raise InputError unless these are keys, without duplicates."""
    with refusing(InputError, f"{call}: not a list of distinct keys"):
        if isinstance(keys, str | bytes):
            raise TypeError("this is a single key")
        distinct = keys if isinstance(keys, KeysView) else set(keys)
        if None in distinct:
            raise TypeError("None is not a key")
        if len(distinct) < len(keys):
            raise TypeError("a key appears twice")
