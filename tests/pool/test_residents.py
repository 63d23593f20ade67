"""A pool with a store: streams that go and come back, what is saved when, and refused calls that change nothing."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import InputError, NonFiniteInputError, StateStore, StoreError, Stream, StreamBusyError, StreamPool
from streamrnn.pool import residents
from streamrnn.states.snapshot import encode
from tests.laws.test_calm_law import growth
from tests.models import model, one_width, signal  # noqa: F401  (a fixture)

CAPACITY = 8


@pytest.fixture(scope="module")
def whole() -> Any:
    return model("gru-reset-after")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    store = StateStore(tmp_path / "states")
    yield store
    store.close(discard=True)


@pytest.fixture
def pool(whole: Any, store: StateStore) -> StreamPool:
    return filled(whole, store)


def filled(whole: Any, store: StateStore) -> StreamPool:
    """Eight streams of twenty are in memory, the others in the store; each has seen something else."""
    pool = StreamPool(whole, CAPACITY, store)
    for key, row in enumerate(signal(20)):
        pool.step([pool.open(key)], row[None])
    return pool


def all_of(pool: StreamPool, store: StateStore) -> dict[Any, bytes]:
    return store.get(store) | {key: pool.snapshot(slot) for key, slot in pool.keys.items()}


def inputs(*keys: Any) -> dict[Any, Any]:
    return {key: [1, 2, 3] for key in keys}


def test_many_streams_without_keys_stay_in_memory(pool: StreamPool) -> None:
    slots = pool.open_many(5)
    pool.step(slots, np.tile(signal(1), (5, 1)))
    before = pool.snapshot(slots)
    for key in range(20):
        pool.open(f"k{key}")
        pool.step_keys({f"k{key}": signal(1)[0]})
    assert pool.snapshot(slots) == before
    with pytest.raises(InputError, match="the pool is full"):
        pool.open_many(4)
    pool.close(slots)
    assert len(pool.open_many(8)) == pool.capacity


def test_a_stream_that_went_to_the_store_comes_back_with_the_same_bits(whole: Any, pool: StreamPool) -> None:
    assert (len(pool), pool.capacity, min(pool.keys)) == (CAPACITY, CAPACITY, 12)
    for key, row in enumerate(signal(20)):
        stream = Stream(whole)
        stream.step(row)
        (y,) = pool.step_keys({key: row}).values()
        assert y.tobytes() == stream.step(row).tobytes()
        assert pool.snapshot(pool.open(key)) == stream.snapshot()


def test_the_least_recently_used_goes_first_and_a_part_of_the_pool_goes_at_once(whole: Any, store: StateStore) -> None:
    pool = StreamPool(whole, 4 * residents._PART, store)
    pool.open_keys(range(pool.capacity))
    pool.step_keys(inputs(0, 1, 2))
    pool.open_keys(["new"])
    assert len(pool) == pool.capacity - 3
    assert not pool.keys.keys() & set(store)
    assert {0, 1, 2, "new"} < pool.keys.keys()


def test_a_new_pool_goes_on_where_the_last_was_flushed(whole: Any, store: StateStore) -> None:
    pool = filled(whole, store)
    before = all_of(pool, store)
    pool.flush("so far")
    pool.step_keys(inputs(19, 18))
    del pool
    assert store.note == "so far"
    assert store.get(store) == before
    again = StreamPool(whole, CAPACITY, store)
    again.open_keys([19, 3])
    assert all_of(again, store) == before


def test_a_flush_is_one_transaction_of_what_has_changed(
    pool: StreamPool, store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[list[Any]] = []
    table = store._table
    save = table.save

    def recorded(states: Any, note: str | None = None) -> None:
        pairs = list(states)
        saved.append([key for key, _ in pairs])
        save(pairs, note)

    monkeypatch.setattr(table, "save", recorded)
    pool.flush()
    pool.flush()
    pool.step_keys(inputs(13, 12))
    pool.reset([pool.open(15)])
    pool.restore(pool.open(16), pool.snapshot(pool.open(17)))
    pool.process([pool.open(18)], np.zeros((1, 2, 3)))
    pool.flush()
    assert [sorted(keys) for keys in saved] == [list(range(12, 20)), [12, 13, 15, 16, 18]]


def test_a_stream_that_ends_is_forgotten_by_the_store_and_begins_anew(whole: Any, pool: StreamPool, store: StateStore) -> None:
    pool.flush()
    pool.close(pool.open(19))
    pool.close(pool.open(0))
    pool.close_keys([18, 1])
    assert set(store) == set(range(20)) - {0, 1, 18, 19}
    for key in (0, 1, 18, 19):
        assert pool.snapshot(pool.open(key)) == Stream(whole).snapshot()


def test_streams_without_a_key_stay(pool: StreamPool) -> None:
    nameless = [pool.open() for _ in range(CAPACITY - 1)]
    before = pool.snapshot(nameless)
    for key in range(20):
        pool.open(key)
    assert pool.snapshot(nameless) == before
    with pytest.raises(InputError, match="2 keys at once, but the pool has room for 1"):
        pool.step_keys(inputs(1, 2))
    pool.open()
    with pytest.raises(InputError, match="the pool is full, with 8 streams without a key; close some"):
        pool.open()
    with pytest.raises(InputError, match="1 keys at once, but the pool has room for 0"):
        pool.open(1)


REFUSED: dict[str, tuple[Callable[[StreamPool], Any], str]] = {
    "more keys than there is room for": (lambda pool: pool.step_keys(inputs(*range(9))), "9 keys at once.*room for 8"),
    "more keys to open": (lambda pool: pool.open_keys(range(30, 39)), "9 keys at once.*room for 8"),
    "a key nobody has": (lambda pool: pool.step_keys(inputs(3, 77, 4)), "no stream has the key 77"),
    "a key to close that nobody has": (lambda pool: pool.close_keys([3, 77, 19]), "no stream has the key 77"),
    "a key twice": (lambda pool: pool.open_keys([3, 4, 3]), "a key appears twice"),
    "a key to close twice": (lambda pool: pool.close_keys([3, 4, 3]), "a key appears twice"),
    "one key for many": (lambda pool: pool.open_keys("abc"), "this is a single key"),
    "a key that a store cannot hold": (lambda pool: pool.open((1, 2)), r"a key is \(1, 2\), of type tuple"),
    "a key that is only equal to one": (lambda pool: pool.step_keys(inputs(19.0)), "of type float"),
    "a key that no dict can hold": (lambda pool: pool.open([1]), "not a list of distinct keys"),
    "a key of too many bits": (lambda pool: pool.open_keys([3, 1 << 70]), "more than 64 bits"),
    "a wrong row": (lambda pool: pool.step_keys({3: [1, 2, 3], 4: [1, 2]}), r"shape \(2,\) does not fit"),
    "rows that are flat": (lambda pool: pool.step_keys({3: [[1, 2, 3]]}), r"shape \(1, 3\) does not fit"),
    "an input that is not finite": (lambda pool: pool.step_keys({3: [1, 2, 3], 19: [1, np.nan, 3]}), "nan"),
    "a masked input": (lambda pool: pool.step_keys({3: np.ma.masked_equal([1, 2, 3], 2)}), "masked"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_call_says_why_and_leaves_all_streams_as_they_were(name: str, pool: StreamPool, store: StateStore) -> None:
    call, message = REFUSED[name]
    before = all_of(pool, store)
    with pytest.raises(InputError, match=message):
        call(pool)
    assert all_of(pool, store) == before


def test_a_store_that_fails_leaves_all_streams_as_they_were(pool: StreamPool, store: StateStore, tmp_path: Path) -> None:
    before = all_of(pool, store)
    changed = pool.step_keys(inputs(19))
    store.close(discard=True)
    for call in (lambda: pool.step_keys(inputs(3)), lambda: pool.open("new"), pool.flush, lambda: pool.close_keys([3])):
        with pytest.raises(StoreError, match="closed"):
            call()
    assert sorted(pool.keys) == list(range(12, 20))
    assert {key: pool.snapshot(pool.keys[key]) for key in range(12, 19)}.items() <= before.items()
    assert changed.keys() == {19}


def test_a_damaged_state_is_named_and_can_be_given_up(whole: Any, pool: StreamPool, store: StateStore) -> None:
    pool.flush()
    spoil = "UPDATE streams SET state = CAST(x'00' || substr(state, 2) AS BLOB) WHERE key = 3"
    store._database.write(lambda cursor: cursor.execute(spoil))
    before = {key: pool.snapshot(slot) for key, slot in pool.keys.items()}
    with pytest.raises(StoreError, match="key 3 is damaged"):
        pool.step_keys(inputs(2, 3))
    assert {key: pool.snapshot(slot) for key, slot in pool.keys.items()} == before
    pool.close_keys([3])
    assert pool.snapshot(pool.open(3)) == Stream(whole).snapshot()


@pytest.mark.parametrize(("state", "message"), [(np.zeros(8), "does not fit"), (np.full(9, np.nan), "is not finite")])
def test_a_state_that_no_stream_can_have_is_refused(whole: Any, store: StateStore, state: Any, message: str) -> None:
    good = Stream(whole).snapshot()
    store.put({1: good, 2: encode(whole.fingerprint, state.astype(np.float32)), 3: good})
    pool = StreamPool(whole, CAPACITY, store)
    with pytest.raises(StoreError, match=f"key 2 {message}"):
        pool.open_keys([1, 2, 3])
    assert len(pool) == 0


def test_a_store_serves_one_pool_at_a_time(whole: Any, store: StateStore) -> None:
    pool = filled(whole, store)
    with pytest.raises(StoreError, match="serves another pool"):
        StreamPool(whole, 4, store)
    for call in (lambda: store.put({}), lambda: store.delete([1])):
        with pytest.raises(StoreError, match="through the pool"):
            call()
    del pool
    gc.collect()
    StreamPool(whole, 4, store)


def test_a_pool_without_a_store_has_the_same_calls(whole: Any) -> None:
    pool = StreamPool(whole, 1)
    slots = pool.open_keys(["a", 2.0, (3,)])
    assert dict(pool.keys) == dict(zip(["a", 2.0, (3,)], slots.tolist(), strict=True))
    for call in (
        pool.flush,
        lambda: pool.open_keys(["b", "a"]),
        lambda: pool.open_keys(["b", "b"]),
        lambda: pool.open_keys([None]),
    ):
        with pytest.raises(InputError, match=r"no store|already has slot|distinct"):
            call()
    assert len(pool) == 3
    with pytest.raises(InputError, match="the key 'b'"):
        pool.close_keys(["a", "b"])
    pool.close_keys(["a", (3,)])
    assert list(pool.keys) == [2.0]
    with pytest.raises(InputError, match=r"str is not a store; give streamrnn\.StateStore"):
        StreamPool(whole, 4, "states")  # type: ignore[arg-type]


def test_a_stream_that_ctrl_c_parts_from_what_is_known_of_it_is_saved(
    whole: Any, pool: StreamPool, store: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(fill: Callable[..., Any]) -> Callable[..., Any]:
        def filled(*args: Any) -> Any:
            fill(*args)
            raise KeyboardInterrupt

        return filled

    pool.flush()
    with monkeypatch.context() as patch:
        for name in ("_fill", "_fill_one"):
            patch.setattr(pool._slots, name, interrupted(getattr(pool._slots, name)))
        for call in (lambda: pool.open("new"), lambda: pool.open(3), pool.open):
            with pytest.raises(KeyboardInterrupt):
                call()
    pool.step_keys(inputs("new", 3))
    pool.flush()
    stream = Stream(whole)
    stream.step([1, 2, 3])
    assert store.get(["new"]) == {"new": stream.snapshot()}
    assert store.get([3])[3] == pool.snapshot(pool.open(3))
    assert set(store) == {*range(20), "new"}


def test_memory_does_not_grow_with_keys_that_come_and_go(pool: StreamPool) -> None:
    numbers = iter(range(100, 1_000_000))

    def come_and_go() -> None:
        pool.step_keys(inputs(*(int(slot) for slot in pool.open_keys([next(numbers) for _ in range(4)]) * 0 + 19)))

    def refused() -> None:
        with pytest.raises(NonFiniteInputError):
            pool.step_keys({next(iter(pool.keys)): [np.inf, 0, 0]})

    for call in (come_and_go, refused, pool.flush):
        assert growth(call, 1000) < 64 * 1024


def test_a_tick_that_finds_the_pool_busy_makes_nobody_recent(pool: StreamPool) -> None:
    """The one who is in may be about to choose who leaves."""
    uses = pool._slots.uses
    before = uses.last_call.tolist(), uses.n_calls.tolist()
    with pool._door.entry_lock:
        for call in (lambda: pool.step([0, 1], signal(2)), lambda: pool.process([0], signal(2)[None])):
            with pytest.raises(StreamBusyError):
                call()
    assert (uses.last_call.tolist(), uses.n_calls.tolist()) == before


def test_a_store_with_changes_that_are_not_saved_is_not_closed(whole: Any, tmp_path: Path) -> None:
    store = StateStore(tmp_path / "states")
    pool = StreamPool(whole, CAPACITY, store)
    pool.open()  # without a key: never in a store
    pool.open_keys([1, 2, 3])
    pool.step_keys(inputs(1, 2, 3))
    with pytest.raises(StoreError, match=r"close: 3 streams of the pool .* flush\(\) first, or close\(discard=True\)"):
        store.close()
    pool.flush()
    before = store.get([1, 2, 3])
    store.close()
    store.close()
    with StateStore(tmp_path / "states") as store:
        assert store.get([1, 2, 3]) == before


@pytest.mark.parametrize("flushed", [False, True])
def test_the_end_of_a_with_says_how_many_changes_it_loses(flushed: bool, whole: Any, tmp_path: Path) -> None:
    store = StateStore(tmp_path / "states")
    pool = StreamPool(whole, CAPACITY, store)
    pool.open_keys([1, 2])
    pool.step_keys(inputs(1, 2))
    if flushed:
        pool.flush()
        store.__exit__(None, None, None)
    else:
        with pytest.warns(RuntimeWarning, match="2 streams of the pool .* the changes are lost"), store:
            pass
    with StateStore(tmp_path / "states") as again:
        assert len(again) == 2 * flushed


def test_an_exception_that_leaves_a_with_is_not_hidden_by_what_it_loses(whole: Any, tmp_path: Path) -> None:
    store = StateStore(tmp_path / "states")
    pool = StreamPool(whole, CAPACITY, store)
    pool.open_keys([5])
    with pytest.raises(InputError, match="no stream has the key 7"), store:
        pool.step_keys(inputs(7))
