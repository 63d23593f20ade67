"""What is kept of some keys, as bytes: places, last orders, states.

1 byte    version: 1
1 byte    flags: 1 the places are consecutive, 2 some keys are poisoned, 4 orders, 8 int keys, 16 str keys (else bytes)
8 bytes   sequence number
4 + 4     n keys, n places that have become free
the rest  places (the first one only, if they are consecutive), free places, last orders, poisoned, states, keys

All numbers are little-endian.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import StoreError
from streamrnn.states.keys import Key
from streamrnn.target.packing import Array

_VERSION = 1
_CONSECUTIVE, _POISONED, _INTS, _TEXTS = 1, 2, 8, 16
_HEAD = np.dtype([("version", "u1"), ("flags", "u1"), ("sequence", "<i8"), ("n", "<u4"), ("n_free", "<u4")])


class Records(NamedTuple):
    """What is kept of some keys.

    sequence  of the write that made them: later ones count
    places    (n,), ascending
    free      (n_free,), ascending: places that have no key any more
    keys      n keys, all of one type
    last      (n,), the orders of their last rows
    poisoned  (n,)
    states    (n, state_size)
    """

    sequence: int
    places: NDArray[np.int64]
    free: NDArray[np.int64]
    keys: Sequence[Key]
    last: NDArray[np.int64]
    poisoned: NDArray[np.bool_]
    states: Array


def encode(records: Records) -> bytes:
    """The bytes of records."""
    n = len(records.places)
    consecutive = n > 0 and int(records.places[-1] - records.places[0]) == n - 1
    flags = _CONSECUTIVE * consecutive | _POISONED * bool(records.poisoned.any())
    if n and isinstance(records.keys[0], int):
        flags, keys = flags | _INTS, np.array(records.keys, "<i8").tobytes()
    else:
        flags |= _TEXTS * bool(n and isinstance(records.keys[0], str))
        words = [key.encode() if isinstance(key, str) else bytes(key) for key in records.keys]
        keys = np.array([len(word) for word in words], "<u4").tobytes() + b"".join(words)
    parts = [
        np.array([(_VERSION, flags, records.sequence, n, len(records.free))], _HEAD).tobytes(),
        records.places[: 1 if consecutive else n].astype("<u4").tobytes(),
        records.free.astype("<u4").tobytes(),
        records.last.astype("<i8").tobytes(),
        records.poisoned.tobytes() if flags & _POISONED else b"",
        records.states.astype(records.states.dtype.newbyteorder("<")).tobytes(),
        keys,
    ]
    return b"".join(parts)


def decode(data: bytes, dtype: np.dtype[np.floating[Any]], state_size: int) -> Records:
    """The records in bytes, with states of a dtype and size. Raises StoreError if they are not whole."""
    reader = _Reader(data)
    version, flags, sequence, n, n_free = reader.take(_HEAD, 1)[0].tolist()
    if version != _VERSION:
        raise StoreError(
            f"states of a shard: version {version}, but this version of streamrnn reads {_VERSION}; upgrade streamrnn"
        )
    places = reader.take("<u4", 1 if flags & _CONSECUTIVE else n).astype(np.int64)
    if flags & _CONSECUTIVE:
        places = places[0] + np.arange(n)
    free = reader.take("<u4", n_free).astype(np.int64)
    last = reader.take("<i8", n).astype(np.int64)
    poisoned = reader.take(np.bool_, n) if flags & _POISONED else np.zeros(n, bool)
    states = reader.take(dtype.newbyteorder("<"), n * state_size).astype(dtype).reshape(n, state_size)
    keys: list[Any]
    if flags & _INTS:
        keys = reader.take("<i8", n).tolist()
    else:
        keys = [reader.word(size) for size in reader.take("<u4", n).tolist()]
        if flags & _TEXTS:
            keys = [word.decode() for word in keys]
    reader.check_end()
    return Records(sequence, places, free, keys, last, poisoned, states)


class _Reader:
    """Takes arrays from the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, dtype: Any, n: int) -> NDArray[Any]:
        size = np.dtype(dtype).itemsize * n
        return np.frombuffer(self.word(size), dtype)

    def word(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise _damaged()
        return self._data[self._at - size : self._at]

    def check_end(self) -> None:
        if self._at != len(self._data):
            raise _damaged()


def _damaged() -> StoreError:
    return StoreError("states of a shard: they do not have the size that they should have; go back to an older checkpoint")
