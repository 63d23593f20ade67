"""The company law (batch invariance) over many random histories of many streams, most of which go to a store and come back.

There are five hundred histories for each of the two doors. When a pool dies, the changes that its store does not have are
lost: then each stream goes on from where it was last saved, or later.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import Model, StateStore, Stream, StreamPool
from tests.models import model

N_HISTORIES, N_KEYS, N_ACTIONS = 500, 200, 10
ACTIONS = ["open", "close", "step", "step", "step slots", "process", "reset", "snapshot", "restore", "flush", "end", "kill"]


class Kept:
    """A pool with a store, and for each of its streams the same one alone; `since` are its states since it was saved."""

    def __init__(self, whole: Model, store: StateStore, seed: int) -> None:
        self.rng, self.whole, self.store = np.random.default_rng(seed), whole, store
        self.capacity = int(self.rng.integers(1, 60))
        self.pool = StreamPool(whole, self.capacity, store)
        self.names = [index if index % 3 else f"stream {index}" for index in range(N_KEYS)]
        self.alone: dict[Any, Stream] = {}
        self.since: dict[Any, list[bytes | None]] = {}
        self.saved = [Stream(whole).snapshot()]

    def some(self, keys: Any) -> list[Any]:
        """Some of the keys, in any order, for which there is room."""
        keys = list(keys)
        chosen = self.rng.permutation(len(keys))[: self.rng.integers(0, self.capacity + 1)]
        return [keys[index] for index in chosen]

    def inputs(self, *shape: int) -> Any:
        return self.rng.normal(size=(*shape, self.whole.input_size)).astype(self.whole.dtype)

    def do(self, action: str) -> None:
        keys = self.some(self.alone)
        if action == "open":
            keys = self.some(self.names)
            for key in keys:
                self.alone.setdefault(key, Stream(self.whole))
                self.since.setdefault(key, [None])
            assert len(set(self.pool.open_keys(keys).tolist())) == len(keys)
        elif action == "close":
            for key in keys:
                del self.alone[key], self.since[key]
            if len(keys) % 2:
                self.pool.close_keys(keys)
            else:
                for key in keys:
                    self.pool.close(self.pool.open(key))
            keys = []
        elif action == "step":
            x = dict(zip(keys, self.inputs(len(keys)), strict=True))
            for key, y in self.pool.step_keys(x).items():
                assert y.tobytes() == self.alone[key].step(x[key]).tobytes()
        elif action == "step slots":
            x = self.inputs(len(keys))
            for key, row, y in zip(keys, x, self.pool.step(self.pool.open_keys(keys), x), strict=True):
                assert y.tobytes() == self.alone[key].step(row).tobytes()
        elif action == "process":
            x = self.inputs(len(keys), 3)
            for key, block, y in zip(keys, x, self.pool.process(self.pool.open_keys(keys), x), strict=True):
                assert y.tobytes() == self.alone[key].process(block).tobytes()
        elif action == "reset":
            self.pool.reset(self.pool.open_keys(keys))
            for key in keys:
                self.alone[key].reset()
        elif action == "snapshot":
            self.saved = (self.saved + self.pool.snapshot(self.pool.open_keys(keys)))[-100:]
        elif action == "restore":
            states = [self.saved[self.rng.integers(len(self.saved))] for _ in keys]
            self.pool.restore(self.pool.open_keys(keys), states)
            for key, state in zip(keys, states, strict=True):
                self.alone[key].restore(state)
        else:
            self.end(action)
            keys = []
        for key in keys:
            self.since[key].append(self.alone[key].snapshot())

    def end(self, action: str) -> None:
        """Flush the pool; replace it by another; or replace it without having it flushed."""
        if action != "kill":
            self.pool.flush()
            self.since = {key: [stream.snapshot()] for key, stream in self.alone.items()}
        if action == "flush":
            return
        del self.pool
        there = self.store.get(self.store)
        for key, states in self.since.items():
            assert there.get(key) in states
        self.since = {key: [state] for key, state in there.items()}
        self.alone = {key: Stream(self.whole) for key in there}
        for key, stream in self.alone.items():
            stream.restore(there[key])
        self.pool = StreamPool(self.whole, self.capacity, self.store)

    def check(self) -> None:
        self.pool.flush()
        assert self.store.get(self.store) == {key: stream.snapshot() for key, stream in self.alone.items()}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    with StateStore(tmp_path / "states") as store:
        yield store


def test_histories_of_many_streams_leave_every_one_the_same_bits(store: StateStore) -> None:
    whole = model("lstm", inputs=2, hidden=5, gain=2)
    for seed in range(N_HISTORIES):
        kept = Kept(whole, store, seed)
        for action in ["open", *kept.rng.choice(ACTIONS, N_ACTIONS).tolist()]:
            kept.do(action)
        kept.check()
        del kept.pool
        store.delete(store)
