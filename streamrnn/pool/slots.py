"""`Places`: which rows of a pool's memory are streams, and the keys that they have."""

from collections.abc import Collection, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import InputError
from streamrnn.pool.keys import KeyTable
from streamrnn.pool.memory import PoolMemory
from streamrnn.target.packing import Array
from streamrnn.target.record import CLOSED, OPEN

Numbers = NDArray[np.int64]


class Places:
    """The rows of a pool's memory, each of them free or a stream's. Where they are too few, the memory grows.

    slots  of the streams that have a key, by it
    """

    def __init__(self, memory: PoolMemory) -> None:
        self._memory = memory
        self._free = list(range(self.capacity))[::-1]
        self._keys: list[Hashable | None] = [None] * self.capacity
        self.slots = KeyTable()
        self._settled = True  # whether keys, free places and slots are those of the marks

    @property
    def capacity(self) -> int:
        """Streams for which there is room."""
        return len(self._memory.room.marks)

    def begin(self, key: Hashable | None) -> int:
        """Begin a stream, with a key or None, which has none; its slot. Raises InputError for a key that is taken."""
        self._settle()
        if key is not None:
            return int(self.open([key])[0])
        (slot,) = self._fill(1).tolist()
        return int(slot)

    def open(self, keys: Sequence[Hashable]) -> Numbers:
        """Begin a stream for each key; their slots. Raises InputError for a key that is taken, or there twice."""
        self._settle()
        check_distinct("open", keys)
        for key in keys:
            if key in self.slots:
                raise InputError(f"open: key {key!r} has a stream already, {self.slots[key]}; close it, or use another key")
        return self._fill(len(keys), keys)

    def find(self, call: str, keys: Collection[Hashable]) -> Numbers:
        """The slots of streams by their keys. Raises InputError for a key that has no stream."""
        self._settle()
        try:
            return np.array(self.slots.find(keys), np.int64)
        except KeyError as error:
            raise InputError(f"{call}: no stream has the key {error.args[0]!r}; open one with it") from None

    def close(self, numbers: Numbers) -> None:
        """End streams: their places are free."""
        self._settle()
        self._settled = False
        self._memory.room.marks[numbers] = CLOSED
        for number in numbers.tolist():
            if self._keys[number] is not None:
                self.slots.remove(self._keys[number])
                self._keys[number] = None
        self._free += numbers.tolist()
        self._settled = True

    def close_keys(self, keys: Collection[Hashable]) -> None:
        """End streams by their keys. Raises as `find` does; then none has ended."""
        check_distinct("close_keys", keys)
        self.close(self.find("close_keys", keys))

    def touch(self, numbers: Numbers) -> None:
        """Streams, or what a caller takes for some, are about to change."""

    def flush(self, note: str | None) -> None:
        """Keep what has changed."""
        raise InputError("flush: the pool has no store; give it one, StreamPool(model, capacity, store=StateStore(path))")

    def _fill(self, n: int, keys: Sequence[Hashable] = (), known: Sequence[int] = (), states: Array | None = None) -> Numbers:
        """Have so many streams, with keys or without; their slots. Those that are `known` have states, the others begin."""
        self._make_room(n)
        self._settled = False
        numbers = np.array(self._free[len(self._free) - n :][::-1], np.int64)
        self._memory.begin(numbers)
        if states is not None:
            self._memory.write(numbers[list(known)], states)
        for number, key in zip(numbers.tolist(), keys, strict=False):
            self._keys[number] = key
        self.slots.add(keys, numbers.tolist())
        self._memory.room.marks[numbers] = OPEN
        del self._free[len(self._free) - n :]
        self._settled = True
        return numbers

    def _make_room(self, n: int) -> None:
        """Have so many free places."""
        before, after = self.capacity, self.capacity
        while after - before + len(self._free) < n:
            after *= 2
        if after > before:
            self._settled = False
            try:
                self._memory.grow(after)
            except MemoryError:
                raise InputError(f"open: {after} streams do not fit into memory; close some, or use several pools") from None
            self._keys += [None] * (after - before)
            self._free[:0] = range(after)[: before - 1 : -1]
            self._settled = True

    def _settle(self) -> None:
        """Where Ctrl-C or an error came in the middle of a change: the marks say which places are streams; all else follows."""
        if not self._settled:
            is_open = self._memory.room.marks != CLOSED
            keys = [*self._keys, *[None] * (len(is_open) - len(self._keys))]
            self._keys = [key if there else None for key, there in zip(keys, is_open.tolist(), strict=True)]
            self.slots.replace((key, number) for number, key in enumerate(self._keys) if key is not None)
            self._free = np.flatnonzero(~is_open)[::-1].tolist()
            self._settled = True


def check_distinct(call: str, keys: Collection[Hashable]) -> None:
    """Raise InputError unless these are keys, each there once."""
    try:
        if isinstance(keys, str | bytes):
            raise TypeError("it is one key")
        distinct = set(keys)
        if len(distinct) < len(keys) or None in distinct:
            raise TypeError("None is no key" if None in distinct else "one is there twice")
    except TypeError as error:
        raise InputError(f"{call}: not a list of keys, each of them once ({error})") from None
