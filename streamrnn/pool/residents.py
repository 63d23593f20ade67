"""`Residents`: the streams of a pool that are in memory, of the many more that its store holds."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from streamrnn.errors import InputError, StoreError
from streamrnn.pool.memory import PoolMemory
from streamrnn.pool.slots import Numbers, Places, check_distinct
from streamrnn.states.store import Key, StateStore, check_kinds
from streamrnn.target.packing import Array
from streamrnn.target.record import CLOSED

_PART = 16  # of the capacity goes to the store at once, so that a transaction is worth its while
_AT_ONCE = 1024  # states that are copied on their way


class Residents(Places):
    """Places whose memory does not grow: streams that have a key go to the store and come back, least recently used first.

    A place remembers the call that has last named it, whether it has changed since it was saved, and whether the store knows
    its key. A stream without a key stays.
    """

    def __init__(self, memory: PoolMemory, store: StateStore, fingerprint: str) -> None:
        super().__init__(memory)
        store.lend(self, fingerprint)
        self._store = store
        dtype: np.dtype[Any] = np.dtype(memory.plan.dtype)
        self._stored = dtype.newbyteorder("<")
        self._call = 0
        self._last = np.zeros(self.capacity, np.int64)
        self._stays = np.zeros(self.capacity, bool)
        # Of a free place too: a stream that Ctrl-C parts from what is known of it is saved once too often, and not too rarely.
        self._changed, self._saved = np.ones(self.capacity, bool), np.ones(self.capacity, bool)

    def begin(self, key: Hashable | None) -> int:
        """The slot of a stream by its key, or of a new one without. Raises InputError where no place can be had."""
        self._call += 1
        slot = super().begin(key)
        self._stays[slot] = key is None
        return slot

    def open(self, keys: Sequence[Hashable]) -> Numbers:
        """The slots of streams by their keys; those that there are not yet begin. Raises InputError for too many at once."""
        return self._found("open", keys, begin=True)

    def find(self, call: str, keys: Collection[Hashable]) -> Numbers:
        """The slots of streams by their keys. Raises InputError for a key that has none, or too many at once."""
        return self._found(call, keys, begin=False)

    def close(self, numbers: Numbers) -> None:
        """End streams: their places are free, and the store forgets them."""
        self._settle()
        self._changed[numbers] = True  # so that they are saved again, should they stay
        if known := self._with_key(numbers[self._saved[numbers]]):
            self._store.remove(map(self._key, known))
        self._leave(numbers)

    def close_keys(self, keys: Collection[Hashable]) -> None:
        """End streams by their keys, wherever they are, in one transaction. Raises InputError for a key that has none."""
        self._settle()
        given = self._given("close_keys", keys)
        away = cast(list[Key], self.slots.absent(given))
        if missing := set(away) - self._store.holding(away):
            raise InputError(f"close_keys: no stream has the key {next(iter(missing))!r}; open one with it")
        here = super().find("close_keys", set(given) - set(away))
        self._changed[here] = True
        self._store.remove(given)
        self._leave(here)

    def touch(self, numbers: Numbers) -> None:
        """Streams, or what a caller takes for some, are about to change."""
        numbers = numbers[(numbers >= 0) & (numbers < self.capacity)]
        self._call += 1
        self._last[numbers] = self._call
        self._changed[numbers] = True

    def flush(self, note: str | None) -> None:
        """Save all that has a key and has changed, in one transaction, and a note."""
        self._settle()
        self._save(np.flatnonzero(self._memory.room.marks), note)

    def _settle(self) -> None:
        """As places do, and what is known of these."""
        if not self._settled:
            super()._settle()
            has_key = np.array([key is not None for key in self._keys])
            is_open = self._memory.room.marks != CLOSED
            self._stays[:] = is_open & ~has_key
            self._changed[~is_open] = self._saved[~is_open] = True

    def _found(self, call: str, keys: Collection[Hashable], begin: bool) -> Numbers:
        """The slots of the streams of some keys, which are in memory then."""
        self._settle()
        given = self._given(call, keys)
        try:
            return np.array(self.slots.find(given), np.int64)
        except KeyError:
            self._bring_in(call, given, begin)
            return np.array(self.slots.find(given), np.int64)

    def _bring_in(self, call: str, given: list[Key], begin: bool) -> None:
        """Have the streams of all keys in memory. Raises, with nothing moved, where that cannot be."""
        away = cast(list[Key], self.slots.absent(given))
        n_places = len(self._free) + len(self.slots)
        if len(given) > n_places:
            raise InputError(
                f"{call}: {len(given)} keys at once, but the pool has room for {n_places}; give fewer, or make a larger pool"
            )
        states = self._store.load(away)
        if not begin and None in states:
            key = away[states.index(None)]
            raise InputError(f"{call}: no stream has the key {key!r}; open one with it")
        known = [index for index, state in enumerate(states) if state is not None]
        values = self._values([(away[index], states[index] or b"") for index in known])
        self._call += 1
        self._last[self.slots.find(set(given) - set(away))] = self._call
        numbers = self._fill(len(away), away, known, values)
        self._last[numbers], self._saved[numbers], self._changed[numbers] = self._call, False, True
        self._saved[numbers[known]], self._changed[numbers[known]] = True, False

    def _given(self, call: str, keys: Collection[Hashable]) -> list[Key]:
        """Keys that a store takes, each there once. Raises InputError otherwise."""
        check_distinct(call, keys)
        check_kinds(keys)
        return cast(list[Key], list(keys))

    def _values(self, stored: Sequence[tuple[Key, bytes]]) -> Array:
        """The states in the store's bytes, (n, n_values). Raises StoreError for what is no state of the model."""
        n_values = self._memory.n_values
        for key, state in stored:
            if len(state) != n_values * self._stored.itemsize:
                raise StoreError(f"{self._store.path}: the state of key {key!r} does not fit the model; close the key")
        values = np.frombuffer(b"".join(state for _, state in stored), self._stored).reshape(len(stored), n_values)
        if not (finite := np.isfinite(values).all(axis=1)).all():
            key = stored[int(np.argmin(finite))][0]
            raise StoreError(f"{self._store.path}: the state of key {key!r} is not finite; close the key")
        return values.astype(self._memory.plan.dtype)

    def _make_room(self, n: int) -> None:
        """Have so many free places: streams that the current call has not named make room, the least recently used first."""
        missing = n - len(self._free)
        if missing <= 0:
            return
        others = np.flatnonzero((self._memory.room.marks != CLOSED) & ~self._stays & (self._last < self._call))
        if len(others) < missing:
            raise InputError(f"open: all {self.capacity} places have streams without a key; close some, or make a larger pool")
        leaving = min(len(others), max(missing, self.capacity // _PART))
        oldest = others[np.argpartition(self._last[others], leaving - 1)[:leaving]]
        self._save(oldest)
        self._leave(oldest)

    def _leave(self, numbers: Numbers) -> None:
        """Free places, of streams that the store has or that end."""
        super().close(numbers)
        self._stays[numbers] = False
        self._changed[numbers] = self._saved[numbers] = True

    def _save(self, numbers: Numbers, note: str | None = None) -> None:
        """Save those of the streams that have changed, in one transaction, and a note."""
        changed = np.array(self._with_key(numbers[self._changed[numbers]]), np.int64)
        if len(changed) or note is not None:
            self._store.save(self._states(changed), note)
        self._changed[changed], self._saved[changed] = False, True

    def _states(self, numbers: Numbers) -> Iterator[tuple[Key, bytes]]:
        """Keys and states, a part at a time, so that all of a large pool are never there twice."""
        size = self._memory.n_values * self._stored.itemsize
        for begin in range(0, len(numbers), _AT_ONCE):
            part = numbers[begin : begin + _AT_ONCE]
            data = self._memory.read(part).astype(self._stored).tobytes()
            for index, number in enumerate(part.tolist()):
                yield self._key(number), data[index * size : (index + 1) * size]

    def _with_key(self, numbers: Numbers) -> list[int]:
        """Those of the streams that have a key."""
        return [number for number in numbers.tolist() if self._keys[number] is not None]

    def _key(self, number: int) -> Key:
        return cast(Key, self._keys[number])
