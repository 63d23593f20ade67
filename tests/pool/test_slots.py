"""The slots of a pool: after Ctrl-C in the middle of any change they are consistent again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import StateStore, Stream, StreamPool
from tests.interruption import at_every_line
from tests.models import model, one_width, signal  # noqa: F401  (a fixture)

FILES = "slots.py", "residents.py", "memory.py", "keys.py"
WHOLE = model("rnn-tanh", inputs=3, hidden=2)


@pytest.fixture(params=["no store", "a store"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StreamPool]:
    if request.param == "no store":
        yield StreamPool(WHOLE, 4)
    else:
        store = StateStore(tmp_path / "states.db")
        yield StreamPool(WHOLE, 8, store)
        store.close(discard=True)


def check(pool: StreamPool) -> None:
    """All open streams can be used and closed, each key names one stream, and no slot is lost."""
    keyless = pool.open()
    slots = pool.slots
    assert set(pool.keys.values()) <= set(slots.tolist())
    assert len(set(pool.keys.values())) == len(pool.keys)
    x = signal(len(slots))
    assert len(pool.step(slots, x)) == len(slots)
    pool.close(keyless)
    for slot in set(pool.slots.tolist()) - set(pool.keys.values()):
        pool.close(slot)
    assert sorted(pool.keys.values()) == pool.slots.tolist()
    for key in list(pool.keys):
        pool.step_keys({key: x[0]})
    pool.close_keys(list(pool.keys))
    assert (len(pool), len(pool.keys)) == (0, 0)
    slots = pool.open_keys([f"new {index}" for index in range(pool.capacity)])
    assert sorted(slots) == [*range(pool.capacity)]
    pool.close_keys([f"new {index}" for index in range(pool.capacity)])


CHANGES: dict[str, tuple[Callable[[StreamPool], Any], Callable[[StreamPool], Any]]] = {
    "open": (lambda pool: None, lambda pool: pool.open()),
    "open with a key": (lambda pool: pool.open_keys(["b", "c"]), lambda pool: pool.open("a")),
    "open of many": (lambda pool: pool.open("b"), lambda pool: pool.open_keys(["a", "c", "d"])),
    "open_many": (lambda pool: pool.open_keys(["a", "b"]), lambda pool: pool.open_many(2)),
    "growth of open_many": (lambda pool: pool.open_keys(["a", "b", "c"]), lambda pool: pool.open_many(3)),
    "close of many": (lambda pool: pool.open_keys(["a", "b", "c"]), lambda pool: pool.close([pool.keys["c"], pool.keys["a"]])),
    "growth": (lambda pool: pool.open_keys(["b", "c", "d"]), lambda pool: pool.open_keys(["e", "f", "g"])),
    "close": (lambda pool: pool.open_keys(["a", "b"]), lambda pool: pool.close(pool.keys["a"])),
    "close_keys": (lambda pool: pool.open_keys(["a", "b", "c"]), lambda pool: pool.close_keys(["c", "a"])),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_interrupted_change_leaves_consistent_slots(name: str, pool: StreamPool) -> None:
    prepare, change = CHANGES[name]
    prepare(pool)
    n = 0
    for _ in at_every_line(lambda: change(pool), FILES):
        n += 1
        check(pool)
        prepare(pool)
    assert n > 10


def test_an_interrupted_growth_keeps_all_states() -> None:
    pool, stream = StreamPool(WHOLE, 2), Stream(WHOLE)
    pool.open_keys(["a", "b"])
    for step, _ in enumerate(at_every_line(lambda: pool.open(f"new {len(pool)}"), FILES)):
        row = signal(1, seed=step)[0]
        expected = stream.step(row).tobytes()
        assert {y.tobytes() for y in pool.step_keys({"a": row, "b": row}).values()} == {expected}
        assert pool.keys["a"] == 0
    assert np.array_equal(np.sort(list(pool.keys.values())), pool.slots)
