"""`Residents`: which streams of a pool are in memory, of the many more that its store holds."""

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import cast

import numpy as np

from streamrnn.errors import InputError, StoreError
from streamrnn.model import Model
from streamrnn.pool.protocols import Memory
from streamrnn.pool.slot_arguments import Slots
from streamrnn.pool.slots import SlotTable, check_distinct
from streamrnn.pool.uses import Uses
from streamrnn.states.keys import Key, check_key_types
from streamrnn.states.store import StateStore
from streamrnn.target.packing import Array
from streamrnn.target.record import CLOSED

_PART = 16  # 1/16 of the capacity goes to the store at once, so that few transactions are needed
_AT_ONCE = 1024  # states that are copied at once on their way to the store


class Residents(SlotTable):
    """Slots whose memory does not grow. Streams with a key go to the store, the least recently used first, and come back.

    For each slot it knows the last call that named it, whether its state has changed since it was saved, and whether its key
    may be in the store. A stream without a key stays in memory.

    uses  the first two of these, which the pool's compiled door writes as well
    """

    def __init__(self, memory: Memory, store: StateStore, model: Model) -> None:
        super().__init__(memory)
        self._store = store.lend(self, model.fingerprint)
        self._dtype = model.dtype
        self._stored_dtype = model.dtype.newbyteorder("<")
        self.uses = Uses(self.capacity)
        self._changed = self.uses.changed
        self._stays = np.zeros(self.capacity, bool)
        self._in_store = np.ones(self.capacity, bool)  # free slots too, for the same reason as they count as changed

    @property
    def n_unsaved(self) -> int:
        """How many streams have a key and have changed since they were saved."""
        return len(self._changed_with_key(self.opened))

    def open(self, key: Hashable | None) -> int:
        """The slot of a key's stream, which begins if it is new, or of a new stream. Raises InputError when full."""
        self.uses.begin_call()
        slot = super().open(key)
        self._stays[slot] = key is None
        return slot

    def open_many(self, n: int) -> Slots:
        """Begin n streams without keys, which stay in memory. Raises InputError when full."""
        self.uses.begin_call()
        slots = super().open_many(n)
        self._stays[slots] = True
        return slots

    def open_keys(self, keys: Sequence[Hashable]) -> Slots:
        """The slots of some keys; streams of new keys begin. Raises InputError for too many keys at once."""
        return self._brought_in("open", keys, begin=True)

    def find(self, call: str, keys: Collection[Hashable]) -> Slots:
        """The slots of some keys. Raises InputError for a key that has no stream, or for too many keys at once."""
        return self._brought_in(call, keys, begin=False)

    def close(self, slots: Slots) -> None:
        """End some streams. Their slots become free, and the store deletes their keys."""
        self._repair()
        self._changed[slots] = True  # so that they are saved again if they stay
        if known := self._with_key(slots[self._in_store[slots]]):
            self._store.remove(map(self._key, known))
        self._leave(slots)

    def close_one(self, slot: int) -> None:
        """`close` for a single stream."""
        self.close(np.array([slot]))

    def close_keys(self, keys: Collection[Hashable]) -> None:
        """End the streams of some keys, in memory and store, in one transaction. Raises InputError for an unknown key."""
        self._repair()
        given = _store_keys("close_keys", keys)
        away = cast(list[Key], self.by_key.absent(given))
        if missing := set(away) - self._store.holding(away):
            raise InputError(f"close_keys: no stream has the key {next(iter(missing))!r}; open one with it")
        here = super().find("close_keys", set(given) - set(away))
        self._changed[here] = True
        self._store.remove(given)
        self._leave(here)

    def touch(self, slots: Slots) -> None:
        """Note that some streams are about to change. `slots` may not have been checked yet."""
        self.uses.note(slots)

    def flush(self, note: str | None) -> None:
        """Save every stream that has a key and has changed, and a note, in one transaction."""
        self._repair()
        self._save(self.opened, note)

    def _repair(self) -> None:
        """As for all slots; then also what is known of each of them."""
        if not self._consistent:
            super()._repair()
            has_key = np.array([key is not None for key in self._keys])
            is_open = self._memory.room.marks != CLOSED
            self._stays[:] = is_open & ~has_key
            self._changed[~is_open] = self._in_store[~is_open] = True

    def _brought_in(self, call: str, keys: Collection[Hashable], begin: bool) -> Slots:
        """The slots of some keys, after all of their streams have been brought into memory."""
        self._repair()
        given = _store_keys(call, keys)
        try:
            return np.fromiter(self.by_key.find(given), np.int64, len(given))
        except KeyError:
            self._bring_in(call, given, begin)
            return np.fromiter(self.by_key.find(given), np.int64, len(given))

    def _bring_in(self, call: str, given: list[Key], begin: bool) -> None:
        """Bring the streams of all keys into memory. If it raises, nothing has moved."""
        away = cast(list[Key], self.by_key.absent(given))
        n_usable = len(self._free) + len(self.by_key)
        if len(given) > n_usable:
            raise InputError(
                f"{call}: {len(given)} keys at once, but the pool has room for {n_usable}; give fewer, or make a larger pool"
            )
        states = self._store.load(away)
        if not begin and None in states:
            key = away[states.index(None)]
            raise InputError(f"{call}: no stream has the key {key!r}; open one with it")
        saved = [index for index, state in enumerate(states) if state is not None]
        values = self._values([(away[index], states[index] or b"") for index in saved])
        call_number = self.uses.begin_call()
        self.uses.last_call[list(self.by_key.find(set(given) - set(away)))] = call_number
        slots = self._fill(len(away), away, saved, values)
        self.uses.last_call[slots], self._in_store[slots], self._changed[slots] = call_number, False, True
        self._in_store[slots[saved]], self._changed[slots[saved]] = True, False

    def _make_room(self, n: int) -> None:
        """Have at least n free slots: the least recently used streams leave, but none that the current call has named."""
        missing = n - len(self._free)
        if missing <= 0:
            return
        named_before = self.uses.last_call < self.uses.n_calls
        others = np.flatnonzero((self._memory.room.marks != CLOSED) & ~self._stays & named_before)
        if len(others) < missing:
            raise InputError(
                f"open: the pool is full, with {self.capacity} streams without a key; close some, or make a larger pool"
            )
        leaving = min(len(others), max(missing, self.capacity // _PART))
        oldest = others[np.argpartition(self.uses.last_call[others], leaving - 1)[:leaving]]
        self._save(oldest)
        self._leave(oldest)

    def _leave(self, slots: Slots) -> None:
        """Free the slots of streams that are saved, or that end."""
        super().close(slots)
        self._stays[slots] = False
        self._changed[slots] = self._in_store[slots] = True

    def _save(self, slots: Slots, note: str | None = None) -> None:
        """Save those streams that have a key and have changed, and a note, in one transaction."""
        changed = self._changed_with_key(slots)
        if len(changed) or note is not None:
            self._store.save(self._states(changed), note)
        self._changed[changed], self._in_store[changed] = False, True

    def _states(self, slots: Slots) -> Iterator[tuple[Key, bytes]]:
        """Keys and states, some at a time: a large pool never has all states in memory twice."""
        size = self._memory.n_values * self._stored_dtype.itemsize
        for begin in range(0, len(slots), _AT_ONCE):
            part = slots[begin : begin + _AT_ONCE]
            data = self._memory.read(part).astype(self._stored_dtype).tobytes()
            for index, slot in enumerate(part.tolist()):
                yield self._key(slot), data[index * size : (index + 1) * size]

    def _values(self, stored: Sequence[tuple[Key, bytes]]) -> Array:
        """The states in the store's bytes, (n, n_values). Raises StoreError for a state that does not fit the model."""
        n_values = self._memory.n_values
        for key, state in stored:
            if len(state) != n_values * self._stored_dtype.itemsize:
                raise StoreError(f"{self._store.path}: the state of key {key!r} does not fit the model; close the key")
        values = np.frombuffer(b"".join(state for _, state in stored), self._stored_dtype).reshape(len(stored), n_values)
        if not (finite := np.isfinite(values).all(axis=1)).all():
            key = stored[int(np.argmin(finite))][0]
            raise StoreError(f"{self._store.path}: the state of key {key!r} is not finite; close the key")
        return values.astype(self._dtype)

    def _changed_with_key(self, slots: Slots) -> Slots:
        """Those of the slots whose streams have a key and have changed since they were saved."""
        return np.array(self._with_key(slots[self._changed[slots]]), np.int64)

    def _with_key(self, slots: Slots) -> list[int]:
        """Those of the slots whose streams have a key."""
        return [slot for slot in slots.tolist() if self._keys[slot] is not None]

    def _key(self, slot: int) -> Key:
        return cast(Key, self._keys[slot])


def _store_keys(call: str, keys: Collection[Hashable]) -> list[Key]:
    """Keys that a store accepts, without duplicates. Raises InputError."""
    check_distinct(call, keys)
    check_key_types(keys)
    return cast(list[Key], list(keys))
