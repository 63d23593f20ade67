"""Rows of many keys, and the ticks in which a pool takes them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.states.keys import Key
from streamrnn.target.packing import Array

_Indices = NDArray[np.int64]


class Rows(NamedTuple):
    """Rows in any order.

    keys    distinct keys
    key     (n,), for each row the index of its key in `keys`; anything where the key is null
    order   (n,) int64: a key's rows are taken in the order of these numbers
    x       (n, input_size), of the model's dtype
    closes  (n,) bool: whether the key ends with this row
    reason  (n,) uint8: ANSWERED, or NO_KEY or NO_ORDER (streamrnn/spark/reasons.py)
    """

    keys: list[Key]
    key: _Indices
    order: _Indices
    x: Array
    closes: NDArray[np.bool_]
    reason: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.order)


class Ticks:
    """Rows in ticks: the n-th row of each key in the n-th tick.

    A key's rows of the same order lie in an order that only their values decide, those that a model can take first: so what
    comes out does not depend on how rows were shuffled.

    rows     the rows
    usable   indices of those that have a key and an order
    ordered  (n_usable,): indices of rows, key by key, each key's in order
    begins   (n_keys,): where each key's rows begin in `ordered`, the keys with most rows first
    """

    def __init__(self, rows: Rows, usable: _Indices) -> None:
        key, order = rows.key[usable], rows.order[usable]
        sortable = key.astype(np.uint16) if len(rows.keys) <= 1 << 16 else key  # which NumPy sorts by radix
        by_key = np.argsort(sortable, kind="stable")
        if _comes_back(key[by_key], order[by_key]):
            by_key = np.lexsort((order, key))
            if _repeats(key[by_key], order[by_key]):
                by_key = np.lexsort((*_tie_breakers(rows, usable), order, key))
        self.ordered = usable[by_key]
        counts = np.bincount(key, minlength=len(rows.keys))
        most_first = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        self.begins = (np.cumsum(counts) - counts)[most_first]
        self._sizes = np.searchsorted(-counts[most_first], -np.arange(1, counts.max(initial=0) + 1), side="right")

    def __iter__(self) -> Iterator[_Indices]:
        """The indices of the rows of each tick."""
        for tick, size in enumerate(self._sizes.tolist()):
            yield self.ordered[self.begins[:size] + tick]


def _comes_back(key: _Indices, order: _Indices) -> bool:
    """Whether some row of a key does not come after the one before it."""
    return bool(((key[1:] == key[:-1]) & (order[1:] <= order[:-1])).any())


def _repeats(key: _Indices, order: _Indices) -> bool:
    return bool(((key[1:] == key[:-1]) & (order[1:] == order[:-1])).any())


def _tie_breakers(rows: Rows, usable: _Indices) -> list[Array]:
    """What decides between rows of the same key and order, the weightiest last."""
    x = rows.x[usable]
    return [rows.closes[usable], *x.T[::-1], ~np.isfinite(x).all(axis=1)]
