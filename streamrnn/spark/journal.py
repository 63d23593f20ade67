"""`Journal`: a shard's state as parts, of which few must be written when few keys have changed.

Places are cut into blocks. A block is one part, with all of its keys. Keys that have changed go to a part of their own, a
delta, until the deltas that touch a block have as many bytes as two or three blocks: then the block is written as a whole, and
a delta all of whose blocks have been written since is removed. So about 1.4 bytes are written for each byte that has changed,
and at most four times the state is read. A block most of whose keys have changed is written at once.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.model import Model
from streamrnn.spark.records import Records, decode, encode
from streamrnn.spark.rules import Rules
from streamrnn.spark.shard import Shard
from streamrnn.states.keys import Key
from streamrnn.target.packing import Array

#: The most bytes of the states of a block.
BLOCK_BYTES = 1 << 20

#: A part's name: a block's number, or the negative sequence number of a delta.
Name = int


class Journal:
    """Which parts of a shard's state are kept, and which must be written.

    shard           the shard
    keys_per_block  fixed for the life of a state
    sequence        number of the last write
    """

    def __init__(self, shard: Shard, keys_per_block: int, sequence: int = 0) -> None:
        self.shard, self.keys_per_block, self.sequence = shard, keys_per_block, sequence
        self._owed: dict[int, float] = {}  # by block: keys in its deltas, in shares of the block
        self._blocks_of: dict[Name, set[int]] = {}  # by delta: the blocks that it is still needed for

    def changes(self) -> tuple[dict[Name, bytes], list[Name]]:
        """The parts to be written, and the names of those to be removed, so that they are the shard's present state."""
        self.sequence += 1
        shard = self.shard
        changed = np.flatnonzero(shard.changed)
        shard.settle()
        if not len(changed):
            return {}, []
        blocks, begins, counts = np.unique(changed // self.keys_per_block, return_index=True, return_counts=True)
        whole, in_delta = [], []
        for block, begin, count in zip(blocks.tolist(), begins.tolist(), counts.tolist(), strict=True):
            n_keys = max(1, int(self.shard.lives[block * self.keys_per_block :][: self.keys_per_block].sum()))
            owed = self._owed.get(block, 0.0) + count / n_keys
            if count * 2 >= n_keys or owed >= 2 + block * 0.618 % 1:  # not all blocks in the same write
                whole.append(block)
            else:
                self._owed[block] = owed
                in_delta.append(changed[begin : begin + count])
        parts = {block: self._block(block) for block in whole}
        removed = self._superseded(whole)
        if in_delta:
            places = np.concatenate(in_delta)
            parts[-self.sequence] = encode(self._records(places))
            self._blocks_of[-self.sequence] = set((places // self.keys_per_block).tolist())
        return parts, removed

    def _block(self, block: int) -> bytes:
        begin = block * self.keys_per_block
        return encode(self._records(np.arange(begin, min(begin + self.keys_per_block, len(self.shard.keys))), whole=True))

    def _records(self, places: NDArray[np.int64], whole: bool = False) -> Records:
        """What is to be kept of some places: of a whole block, its free places need not be named."""
        shard = self.shard
        keys = [shard.keys[place] for place in places.tolist()]
        named = np.array([key is not None for key in keys], bool)
        there = places[named]
        return Records(
            self.sequence,
            there,
            places[:0] if whole else places[~named],
            [key for key in keys if key is not None],
            shard.last[there],
            shard.poisoned[there],
            shard.pool.state_rows(there),
        )

    def _superseded(self, whole: list[int]) -> list[Name]:
        """The deltas that nothing needs after some blocks have been written."""
        for block in whole:
            self._owed[block] = 0.0
        for blocks in self._blocks_of.values():
            blocks.difference_update(whole)
        gone = [name for name, blocks in self._blocks_of.items() if not blocks]
        for name in gone:
            del self._blocks_of[name]
        return gone

    @classmethod
    def of(cls, stored: "Stored", model: Model, rules: Rules) -> "Journal":
        """The journal, and the shard, that parts were made of."""
        size = int(stored.places.max(initial=0)) + 1
        shard = Shard(model, rules, max(64, size))
        shard.put(stored.places, stored.keys, stored.last, stored.poisoned, stored.states)
        journal = cls(shard, stored.keys_per_block, stored.sequence)
        lives = np.bincount(stored.places // stored.keys_per_block)
        for name, places in stored.deltas.items():
            blocks, counts = np.unique(places // stored.keys_per_block, return_counts=True)
            journal._blocks_of[name] = set(blocks.tolist())
            for block, count in zip(blocks.tolist(), counts.tolist(), strict=True):
                n_keys = max(1, int(lives[block])) if block < len(lives) else 1
                journal._owed[block] = journal._owed.get(block, 0.0) + count / n_keys
        return journal


class Stored(NamedTuple):
    """What the parts of a shard say. The arrays are as in `Records`.

    keys_per_block, sequence  of the journal
    deltas                    by name: the places for which the delta is still needed
    """

    keys_per_block: int
    sequence: int
    places: NDArray[np.int64]
    keys: list[Key]
    last: NDArray[np.int64]
    poisoned: NDArray[np.bool_]
    states: Array
    deltas: dict[Name, NDArray[np.int64]]


def read_parts(parts: Iterable[tuple[Name, bytes]], keys_per_block: int, dtype: Any, state_size: int) -> Stored:
    """The state that a journal has put into parts, in any order. Raises StoreError if a part is not whole."""
    records = {name: decode(data, np.dtype(dtype), state_size) for name, data in parts}
    named = sorted(records, key=lambda name: records[name].sequence)
    in_order = [records[name] for name in named]
    n_blocks = (
        max((int(max(r.places.max(initial=0), r.free.max(initial=0))) for r in in_order), default=0) // keys_per_block + 1
    )
    written_at = np.full(n_blocks, -1)
    for name, of_part in records.items():
        if name >= 0:
            written_at[name : name + 1] = of_part.sequence
    deltas: dict[Name, NDArray[np.int64]] = {}
    newest = np.full(n_blocks * keys_per_block, -1)  # by place: which record counts, all records of all parts being counted
    begin = 0
    for name, of_part in zip(named, in_order, strict=True):
        counts = (name >= 0) | (written_at[of_part.places // keys_per_block] < of_part.sequence)
        frees = of_part.free[written_at[of_part.free // keys_per_block] < of_part.sequence]
        newest[frees] = -1
        newest[of_part.places[counts]] = begin + np.flatnonzero(counts)
        if name < 0:
            deltas[name] = np.concatenate([of_part.places[counts], frees])
        begin += len(of_part.places)
    places = np.flatnonzero(newest >= 0)
    chosen = newest[places]
    all_keys = [key for of_part in in_order for key in of_part.keys]

    def column(arrays: list[Any], empty: Any) -> Any:
        return np.concatenate([*arrays, empty])[chosen]

    return Stored(
        keys_per_block,
        max((of_part.sequence for of_part in in_order), default=0),
        places,
        [all_keys[index] for index in chosen.tolist()],
        column([of_part.last for of_part in in_order], np.zeros(0, np.int64)),
        column([of_part.poisoned for of_part in in_order], np.zeros(0, bool)),
        column([of_part.states for of_part in in_order], np.zeros((0, state_size), dtype)),
        deltas,
    )
