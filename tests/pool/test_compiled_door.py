"""The compiled door of a pool: a builtin that answers the usual tick itself, and gives every other one to the plain door."""

import gc
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import (
    Dense,
    InputError,
    Model,
    NonFiniteInputError,
    NonFiniteStateError,
    StateStore,
    Stream,
    StreamBusyError,
    StreamPool,
)
from streamrnn.door import builtin
from streamrnn.pool import plain_door
from tests.models import model, signal

I, H, N = 3, 8, 6  # noqa: E741 - the field's names
MODEL = model("lstm", inputs=I, hidden=H)
X = signal(5 * N, I).reshape(5, N, I)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the plain door is asked for."""
    seen: list[Any] = []
    plain_step = plain_door.PoolDoor.step

    def step(self: plain_door.PoolDoor, *args: Any, **kwargs: Any) -> Any:
        seen.append((args, kwargs))
        return plain_step(self, *args, **kwargs)

    monkeypatch.setattr(plain_door.PoolDoor, "step", step)
    return seen


def opened(n: int = N, **given: Any) -> tuple[StreamPool, np.ndarray]:
    pool = StreamPool(MODEL, **given)
    return pool, np.array([pool.open() for _ in range(n)])


@pytest.fixture
def expected() -> np.ndarray:
    """What X gives, by streams alone, (5, N, H)."""
    return np.stack([Stream(MODEL).process(X[:, stream]) for stream in range(N)], axis=1)


def test_this_interpreter_has_the_compiled_door() -> None:
    pool, _ = opened()
    assert isinstance(pool.step, types.BuiltinFunctionType)
    assert pool.step.__text_signature__ == "($self, slots, X, out=None, /)"


def test_the_usual_call_does_not_reach_the_plain_door(calls: list[Any], expected: np.ndarray) -> None:
    pool, slots = opened()
    for x, y in zip(X, expected, strict=True):
        result = pool.step(slots, x)
        assert (result.shape, result.dtype, result.flags.carray, result.flags.owndata) == ((N, H), np.float32, True, True)
        assert result.tobytes() == y.tobytes()
    assert calls == []


def test_some_in_any_order_and_none_at_all_are_as_usual(calls: list[Any], expected: np.ndarray) -> None:
    pool, slots = opened()
    chosen = np.array([4, 0, 5])
    assert pool.step(slots[chosen], X[0, chosen]).tobytes() == expected[0, chosen].tobytes()
    assert pool.step(slots[:0], X[0, :0]).shape == (0, H)
    assert calls == []


def test_results_are_the_callers_to_keep(expected: np.ndarray) -> None:
    pool, slots = opened()
    held = [pool.step(slots, x) for x in X]
    assert np.array(held).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "give", [lambda p, s, x, y: p.step(s, x, y), lambda p, s, x, y: p.step(s, x, out=y)], ids=["third", "out="]
)
def test_out_is_written_and_returned(calls: list[Any], expected: np.ndarray, give: Callable[..., Any]) -> None:
    (pool, slots), out = opened(), np.empty((N, H), np.float32)
    before = sys.getrefcount(out)
    for x, y in zip(X, expected, strict=True):
        assert give(pool, slots, x, out) is out
        assert out.tobytes() == y.tobytes()
    assert calls == []
    assert sys.getrefcount(out) == before


UNUSUAL: dict[str, Callable[[Any, Any], Any]] = {
    "slots in a list": lambda s, x: (s.tolist(), x),
    "slots of 32 bits": lambda s, x: (s.astype(np.int32), x),
    "strided slots": lambda s, x: (np.repeat(s, 2)[::2], x),
    "slots of another byte order": lambda s, x: (s.astype(">i8"), x),
    "float64": lambda s, x: (s, x.astype(np.float64)),
    "a list": lambda s, x: (s, x.tolist()),
    "strided": lambda s, x: (s, np.repeat(x, 2, axis=1)[:, ::2]),
    "in columns": lambda s, x: (s, np.asfortranarray(x)),
    "a subclass": lambda s, x: (s, x.view(type("Array", (np.ndarray,), {}))),
    "no out": lambda s, x: (s, x, None),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_call_goes_to_the_plain_door(calls: list[Any], expected: np.ndarray, name: str) -> None:
    pool, slots = opened()
    for x, y in zip(X, expected, strict=True):
        assert pool.step(*UNUSUAL[name](slots, x)).tobytes() == y.tobytes()
    assert len(calls) == len(X)


@pytest.mark.parametrize("keywords", [{"slots": 0}, {"X": 0}, {"out": 1, "more": 2}, {"into": 3}])
def test_other_keywords_go_to_the_plain_door_too(keywords: dict[str, Any], expected: np.ndarray) -> None:
    pool, slots = opened()
    if set(keywords) <= {"slots", "X"}:
        given = {"slots": slots, "X": X[0]}
        positional = [] if "slots" in keywords else [given.pop("slots")]
        assert pool.step(*positional, **given).tobytes() == expected[0].tobytes()
    else:
        with pytest.raises(TypeError, match="unexpected"):
            pool.step(slots, X[0], **keywords)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_a_wrong_number_of_arguments_is_a_type_error(n: int) -> None:
    pool, slots = opened()
    with pytest.raises(TypeError, match="argument"):
        pool.step(*[slots, X[0], None, None][:n])


def test_an_input_that_is_also_the_output_is_read_before_it_is_written() -> None:
    square = model("lstm", inputs=H, hidden=H)
    one, other = StreamPool(square), StreamPool(square)
    slots = np.array([one.open() for _ in range(N)])
    _ = [other.open() for _ in range(N)]
    memory = signal(2 * N, H)
    for shift in (0, 2):
        x, out = memory[:N], memory[shift : shift + N]
        y = other.step(slots, x.copy())
        assert one.step(slots, x, out=out).tobytes() == y.tobytes()


@pytest.mark.parametrize(
    "out",
    [
        np.empty((N + 1, H), np.float32),
        np.empty(N * H, np.float32),
        np.empty((N, H)),
        np.empty((N, 2 * H), np.float32)[:, ::2],
        [[0.0] * H] * N,
        7,
        np.frombuffer(bytes(4 * N * H), np.float32).reshape(N, H),
    ],
    ids=["longer", "1-d", "float64", "strided", "list", "number", "read-only"],
)
def test_an_out_that_cannot_be_written_to_is_refused(out: Any) -> None:
    pool, slots = opened()
    before = pool.snapshot()
    with pytest.raises(InputError, match="out must be"):
        pool.step(slots, X[0], out)
    assert pool.snapshot() == before


def poisoned(value: float) -> np.ndarray:
    x = X[0].copy()
    x[2, 1] = value
    return x


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], type[Exception], str]] = {
    "a closed slot": (lambda p, s: p.step(s + 1, X[0]), InputError, r"slot 6 is not open"),
    "a slot beyond": (lambda p, s: p.step(s + (1 << 60), X[0]), InputError, "is not open"),
    "a slot below zero": (lambda p, s: p.step(s - 1, X[0]), InputError, r"slot -1 is not open"),
    "a slot twice": (lambda p, s: p.step(s * 0 + 1, X[0]), InputError, "slot 1 appears twice"),
    "more than there is room for": (
        lambda p, s: p.step(np.arange(99), np.zeros((99, I), np.float32)),
        InputError,
        "is not open",
    ),
    "another width": (lambda p, s: p.step(s, np.zeros((N, I + 1), np.float32)), InputError, "does not fit"),
    "another length": (lambda p, s: p.step(s, X[0, :-1]), InputError, "does not fit"),
    "NaN": (lambda p, s: p.step(s, poisoned(np.nan)), NonFiniteInputError, r"input\[2, 1\] is nan, for slot 2"),
    "infinity": (lambda p, s: p.step(s, poisoned(np.inf)), NonFiniteInputError, r"input\[2, 1\] is inf"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_call_says_why_and_moves_nothing(name: str) -> None:
    pool, slots = opened()
    pool.step(slots, X[1])
    before, (ask, error, reason) = pool.snapshot(), REFUSED[name]
    with pytest.raises(error, match=reason):
        ask(pool, slots)
    assert pool.snapshot() == before


def test_streams_that_overflow_are_named_and_all_are_as_they_were() -> None:
    pool = StreamPool(model("rnn-relu", inputs=I, hidden=H, gain=9))
    slots, x = np.array([pool.open() for _ in range(N)]), np.ones((N, I), np.float32)
    x[[1, 4]] = 3e38
    before = pool.snapshot()
    with pytest.raises(NonFiniteStateError) as caught:
        pool.step(slots, x)
    assert caught.value.slots == (1, 4)
    assert pool.snapshot() == before


def test_the_call_leaks_no_reference() -> None:
    pool, slots = opened()
    x, out, bad = X[0].copy(), np.empty((N, H), np.float32), poisoned(np.nan)
    things = x, slots, out, pool.step, np.dtype(np.float32), np.dtype(np.int64), bad

    def ask() -> None:
        pool.step(slots, x)
        pool.step(slots, x, out)
        pool.step(slots, x, out=out)
        pool.step(slots.tolist(), x)
        with pytest.raises(NonFiniteInputError):
            pool.step(slots, bad)
        with pytest.raises(NonFiniteInputError):
            pool.step(slots, bad, out)

    for _ in range(10):
        ask()
    gc.collect()
    before = [sys.getrefcount(thing) for thing in things]
    for _ in range(300):
        ask()
    gc.collect()
    after = [sys.getrefcount(thing) for thing in things]
    assert max(abs(late - early) for late, early in zip(after, before, strict=True)) < 20


def test_a_result_is_freed_with_its_last_holder_and_so_is_a_pool() -> None:
    gc.disable()
    try:
        pool, slots = opened()
        result = pool.step(slots, X[0])
        assert sys.getrefcount(result) == 2
        alive = weakref.ref(pool), weakref.ref(result)
        del pool, result
        assert [thing() for thing in alive] == [None, None]
    finally:
        gc.enable()


def test_the_function_outlives_its_pool(expected: np.ndarray) -> None:
    pool, slots = opened()
    step = pool.step
    del pool
    gc.collect()
    for x, y in zip(X, expected, strict=True):
        assert step(slots, x).tobytes() == y.tobytes()
    assert step(slots.tolist(), X[0]).shape == (N, H)


def test_a_pool_that_has_grown_goes_on(calls: list[Any], expected: np.ndarray) -> None:
    pool, slots = opened(capacity=N)
    step, parts = pool.step, []
    for x in X:
        parts.append(step(slots, x))
        for _ in range(pool.capacity):
            pool.open()
    assert np.array(parts).tobytes() == expected.tobytes()
    assert calls == []


def test_a_growth_that_was_interrupted_sends_one_tick_to_the_plain_door(calls: list[Any], expected: np.ndarray) -> None:
    pool, slots = opened()
    pool._memory._first_table[0] = 0
    for x, y in zip(X, expected, strict=True):
        assert pool.step(slots, x).tobytes() == y.tobytes()
    assert len(calls) == 1


def test_a_pool_that_is_held_refuses_the_call() -> None:
    pool, slots = opened()
    before = pool.snapshot()
    with pool._door.entry_lock, pytest.raises(StreamBusyError):
        pool.step(slots, X[0])
    assert pool.snapshot() == before
    pool.step(slots, X[0])


def test_ticks_of_several_threads_are_refused_or_whole_and_others_compute_meanwhile() -> None:
    """A long tick releases the GIL: other threads run, and find the pool busy."""
    whole, n = model("lstm", inputs=64, hidden=128), 512
    pool, alone = StreamPool(whole, n), StreamPool(whole, n)
    slots = np.array([pool.open() for _ in range(n)])
    _ = [alone.open() for _ in range(n)]
    x, took, refused = signal(n, 64), [0, 0, 0], [0, 0, 0]
    barrier = threading.Barrier(3)

    def work(index: int) -> None:
        barrier.wait()
        for _ in range(60):
            try:
                pool.step(slots, x)
                took[index] += 1
            except StreamBusyError:
                refused[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(took) + sum(refused) == 180
    assert sum(refused) > 0
    for _ in range(sum(took)):
        alone.step(slots, x)
    assert pool.snapshot() == alone.snapshot()


def test_a_tick_that_helpers_share_does_not_reach_the_plain_door_either(calls: list[Any]) -> None:
    whole, n = model("lstm", inputs=64, hidden=128), 200
    shared, alone = StreamPool(whole, n, threads=2), StreamPool(whole, n)
    assert 8 <= shared._door.max_unshared < n < alone._door.max_unshared
    slots = np.array([shared.open() for _ in range(n)])
    _ = [alone.open() for _ in range(n)]
    for x in signal(5 * n, 64).reshape(5, n, 64):
        assert shared.step(slots, x).tobytes() == alone.step(slots, x).tobytes()
    assert calls == []
    bad = signal(n, 64)
    bad[150, 3] = np.inf
    with pytest.raises(NonFiniteInputError, match=r"input\[150, 3\]"):
        shared.step(slots, bad)
    assert shared.snapshot() == alone.snapshot()


def test_a_shared_tick_of_a_pool_that_has_grown_finds_room_once(calls: list[Any]) -> None:
    whole, n = model("lstm", inputs=64, hidden=128), 200
    shared, alone = StreamPool(whole, 1, threads=2), StreamPool(whole, n)
    slots, x = np.array([shared.open() for _ in range(n)]), signal(n, 64)
    _ = [alone.open() for _ in range(n)]
    for _ in range(3):
        assert shared.step(slots, x).tobytes() == alone.step(slots, x).tobytes()
    assert len(calls) == 1


def test_a_pool_with_a_store_notes_which_streams_a_tick_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its plain door does."""

    def noted(name: str) -> tuple[Any, ...]:
        with StateStore(tmp_path / name) as store:
            pool = StreamPool(MODEL, 8, store)
            slots = pool.open_keys([*range(5)])
            pool.flush()
            for some in (slots[[1, 3]], slots[[3]]):
                pool.step(some, X[0, : len(some)])
            with pytest.raises(NonFiniteInputError):
                pool.step(slots[:1], np.full((1, I), np.nan, np.float32))
            uses = pool._slots.uses
            unsaved = pool._slots.n_unsaved
            pool.flush()
            return uses.last_call.tolist(), unsaved, type(pool.step), store.get([*range(5)])

    compiled = noted("compiled")
    monkeypatch.setenv("STREAMRNN_DOOR", "plain")
    plain = noted("plain")
    assert compiled[2] is types.BuiltinFunctionType
    assert plain[2] is types.MethodType
    assert compiled[:2] == plain[:2]
    assert compiled[3] == plain[3]


def test_a_subclass_may_have_a_step_of_its_own() -> None:
    class Doubled(StreamPool):
        def step(self, slots: Any, X: Any, out: Any = None) -> Any:
            return 2 * super().step(slots, X, out)

    pool, slots = opened()
    doubled = Doubled(MODEL)
    _ = [doubled.open() for _ in range(N)]
    assert np.array_equal(doubled.step(slots, X[0]), 2 * pool.step(slots, X[0]))


def test_the_plain_door_can_be_chosen(monkeypatch: pytest.MonkeyPatch, expected: np.ndarray) -> None:
    monkeypatch.setenv("STREAMRNN_DOOR", "plain")
    pool, slots = opened()
    assert not isinstance(pool.step, types.BuiltinFunctionType)
    assert np.array([pool.step(slots, x) for x in X]).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", ["layout_is_known", "_address_of_new_array"])
def test_what_is_not_known_means_the_plain_door(name: str, monkeypatch: pytest.MonkeyPatch, expected: np.ndarray) -> None:
    monkeypatch.setattr(builtin, name, lambda: None)
    pool, slots = opened()
    assert not isinstance(pool.step, types.BuiltinFunctionType)
    assert np.array([pool.step(slots, x) for x in X]).tobytes() == expected.tobytes()


def test_numpys_function_is_looked_at_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    builtin._address_of_new_array.cache_clear()
    monkeypatch.setattr(builtin, "_INTERFACE", 0x03000000)
    try:
        assert builtin._address_of_new_array() is None
    finally:
        builtin._address_of_new_array.cache_clear()


def test_an_input_that_another_thread_changes_meanwhile_never_comes_out_as_nan() -> None:
    """Where the GIL is released, the input that was checked is the one that is computed with."""
    rng = np.random.default_rng(0)
    pool = StreamPool(Model([Dense(rng.normal(size=(64, 64)))]), 256)
    slots = np.array([pool.open() for _ in range(256)])
    x = rng.normal(size=(256, 64)).astype(np.float32)
    ended = threading.Event()

    def change() -> None:
        while not ended.is_set():
            x[200, 5] = np.nan
            x[200, 5] = 1.0

    thread = threading.Thread(target=change)
    thread.start()
    try:
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            try:
                assert np.isfinite(pool.step(slots, x)).all()
            except NonFiniteInputError:
                continue
    finally:
        ended.set()
        thread.join()
