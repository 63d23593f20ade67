"""`StreamPool`: streams that come and go, keys, growth, and refused calls that change nothing."""

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import (
    GRU,
    RNN,
    Dense,
    Embedding,
    InputError,
    Model,
    NonFiniteInputError,
    NonFiniteStateError,
    SnapshotError,
    Stream,
    StreamBusyError,
    StreamPool,
    StreamRNNError,
)
from tests.laws.test_calm_law import growth
from tests.models import ALL, gru, mixed, model, one_width, signal  # noqa: F401  (a fixture)

N = 5


@pytest.fixture
def pool() -> StreamPool:
    """Five streams of a model of each kind, that have seen something; the third one is closed again."""
    pool = StreamPool(mixed(), 4)
    slots = [pool.open(f"s{index}") for index in range(N)]
    pool.process(slots, np.stack([signal(7, seed=index) for index in range(N)]))
    pool.close(2)
    return pool


def x(n: int = 4) -> Any:
    return signal(n)


REFUSED: dict[str, tuple[Callable[[StreamPool], Any], str]] = {
    "a closed slot": (lambda pool: pool.step([0, 1, 2, 3], x()), r"slot 2 is not open; pass slots that open"),
    "a slot twice": (lambda pool: pool.step([0, 1, 3, 0], x()), r"slot 0 appears twice"),
    "a slot that is beyond": (lambda pool: pool.step([0, 1, 3, 10**9], x()), "is not open"),
    "keys in a list": (lambda pool: pool.step_keys([1]), "list is not a mapping"),  # type: ignore[arg-type]
    "no snapshots": (lambda pool: pool.restore([0], 5), "int is not a snapshot"),  # type: ignore[arg-type]
    "a slot below zero": (lambda pool: pool.step([0, 1, 3, -1], x()), "is not open"),
    "a slot beyond int64": (lambda pool: pool.step(np.array([2**63], np.uint64), x(1)), "is not open"),
    "a slot beyond all numbers": (lambda pool: pool.step([2**70], x(1)), "not whole numbers"),
    "more slots than there are": (lambda pool: pool.step([0] * 50, x(50)), r"slot 0 appears twice"),
    "slots that are no whole numbers": (lambda pool: pool.step([0.0, 1.0, 3.0, 4.0], x()), "not whole numbers"),
    "slots that are true": (lambda pool: pool.step([True, False], x(2)), "not whole numbers"),
    "slots of words": (lambda pool: pool.step(["s0"], x(1)), "not whole numbers"),
    "slots in a square": (lambda pool: pool.step([[0, 1], [3, 4]], x()), r"slots of shape \(2, 2\)"),
    "a single slot": (lambda pool: pool.step(0, x(1)), r"slots of shape \(\)"),
    "too few rows": (lambda pool: pool.step([0, 1, 3, 4], x(3)), r"shape \(3, 3\) does not fit, expected \(4, 3\)"),
    "too many rows": (lambda pool: pool.step([0, 1], x(3)), r"expected \(2, 3\)"),
    "too narrow rows": (lambda pool: pool.step([0, 1], np.zeros((2, 2))), r"expected \(2, 3\)"),
    "one row": (lambda pool: pool.step([0], np.zeros(3)), r"expected \(1, 3\)"),
    "complex numbers": (lambda pool: pool.step([0], np.zeros((1, 3), complex)), "not an array of numbers"),
    "words": (lambda pool: pool.step([0], [["a", "b", "c"]]), "not an array of numbers"),
    "a wrong out": (lambda pool: pool.step([0], x(1), np.zeros((1, 3), np.float32)), r"shape \(1, 4\)"),
    "an out of another type": (lambda pool: pool.step([0], x(1), np.zeros((1, 4))), "float32"),
    "an out with strides": (lambda pool: pool.step([0, 1], x(2), np.zeros((4, 4), np.float32)[::2]), "C order"),
    "a block that is flat": (
        lambda pool: pool.process([0, 1], x(2)),
        r"shape \(2, 3\) does not fit, expected \(2, n_steps, 3\)",
    ),
    "a block of too many": (lambda pool: pool.process([0, 1], np.zeros((3, 5, 3))), r"expected \(2, 5, 3\)"),
    "a block for a closed slot": (lambda pool: pool.process([0, 2], np.zeros((2, 5, 3))), "is not open"),
    "a block for nobody twice": (lambda pool: pool.process([0, 0], np.zeros((2, 0, 3))), "appears twice"),
    "nothing for a closed slot": (lambda pool: pool.process([2], np.zeros((1, 0, 3))), "is not open"),
    "a key nobody has": (lambda pool: pool.step_keys({"s0": [1, 2, 3], "s2": [1, 2, 3]}), "no stream has the key 's2'"),
    "a wrong row for a key": (lambda pool: pool.step_keys({"s0": [1, 2]}), r"step_keys: key 's0': shape \(2,\)"),
    "a NaN for a key": (lambda pool: pool.step_keys({"s1": [1, 2, 3], "s0": [1, 2, np.nan]}), r"^key 's0': input\[2\] is nan;"),
    "a key that is taken": (lambda pool: pool.open("s0"), "'s0' already has slot 0"),
    "close twice": (lambda pool: pool.close(2), "is not open"),
    "reset a closed slot": (lambda pool: pool.reset([0, 2]), "is not open"),
    "snapshot of a closed slot": (lambda pool: pool.snapshot([0, 2]), "is not open"),
    "restore to a closed slot": (lambda pool: pool.restore(2, pool.snapshot(0)), "is not open"),
    "restore too few": (lambda pool: pool.restore([0, 1], [pool.snapshot(0)]), "2 streams, but 1 snapshots"),
    "restore one to two": (lambda pool: pool.restore([0, 1], pool.snapshot(0)), "2 streams, but 1 snapshots"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_call_says_why_and_leaves_all_streams_as_they_were(name: str, pool: StreamPool) -> None:
    call, message = REFUSED[name]
    before, slots, keys = pool.snapshot(), pool.slots.tolist(), dict(pool.keys)
    with pytest.raises(InputError, match=message):
        call(pool)
    assert (pool.snapshot(), pool.slots.tolist(), dict(pool.keys)) == (before, slots, keys)
    pool.step(slots, x())


def test_streams_of_keys_that_overflow_are_named_by_their_keys() -> None:
    pool = StreamPool(overflowing())
    keys = ["a", "b", 7]
    for key in keys:
        pool.open(key)
    pool.step_keys(dict.fromkeys(keys, 1.0))
    before = pool.snapshot()
    with pytest.raises(NonFiniteStateError, match=r"^keys 7, 'b': the state left") as refused:
        pool.step_keys({7: 3e38, "a": 1.0, "b": 3e38})
    error = pickle.loads(pickle.dumps(refused.value))
    assert (error.slots, error.keys) == (refused.value.slots, refused.value.keys) == ((2, 1), (7, "b"))
    assert pool.snapshot() == before


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 1e39])
def test_poison_in_one_row_is_named_and_touches_nobody(poison: float, pool: StreamPool) -> None:
    before = pool.snapshot()
    bad = x().astype(float)
    bad[2, 1] = poison
    with pytest.raises(NonFiniteInputError, match=r"input\[2, 1\] is .*, for slot 3"):
        pool.step([0, 1, 3, 4], bad)
    block = np.zeros((4, 9, 3))
    block[1, 5, 2] = poison
    with pytest.raises(NonFiniteInputError, match=r"input\[1, 5, 2\] is .*, for slot 1"):
        pool.process([0, 1, 3, 4], block)
    assert pool.snapshot() == before


def overflowing() -> Model:
    return Model([RNN([[[2.0]]], [[[-1.0]]], activations=("relu",))])


def test_streams_that_overflow_are_named_and_the_tick_is_undone_for_all() -> None:
    pool = StreamPool(overflowing())
    slots = [pool.open() for _ in range(200)]
    inputs = np.ones((200, 1), np.float32)
    pool.step(slots, inputs)
    before = pool.snapshot()
    inputs[[7, 150]] = 3e38
    with pytest.raises(NonFiniteStateError, match="slots 7, 150: the state left") as refused:
        pool.step(slots, inputs)
    assert refused.value.slots == (7, 150)
    with pytest.raises(NonFiniteStateError, match="slot 7: the state left"):
        pool.process(slots[:100], np.stack([np.ones((100, 1)), inputs[:100], np.ones((100, 1))], axis=1))
    assert pool.snapshot() == before
    rest = [slot for slot in slots if slot not in refused.value.slots]
    pool.step(rest, inputs[rest])


@pytest.mark.parametrize("variant", ALL)
@pytest.mark.parametrize("gain", [1, 30])
def test_huge_inputs_are_refused_for_those_for_whom_a_stream_refuses_them(variant: str, gain: float) -> None:
    whole = model(variant, hidden=20, gain=gain)
    pool, alone = StreamPool(whole), [Stream(whole) for _ in range(20)]
    slots = [pool.open() for _ in alone]
    huge = np.float32(3.4e38) * np.sign(signal(20))
    left = []
    for slot, stream, row in zip(slots, alone, huge, strict=True):
        try:
            stream.step(row)
            left.append(slot)
        except NonFiniteStateError:
            pass
    if len(left) < len(slots):
        with pytest.raises(NonFiniteStateError) as refused:
            pool.step(slots, huge)
        assert sorted({*slots} - {*left}) == list(refused.value.slots)
    pool.step(left, huge[left])
    assert pool.snapshot() == [stream.snapshot() for stream in alone]


def test_a_stream_whose_index_is_no_entry_is_named_and_the_tick_is_undone_for_all() -> None:
    rng = np.random.default_rng(0)
    pool = StreamPool(Model([Embedding(rng.normal(size=(7, 3))), gru(rng, 3, 4)]))
    slots = [pool.open() for _ in range(10)]
    pool.step(slots, [[3]] * 10)
    before = pool.snapshot()
    with pytest.raises(InputError, match="slot 4: an index"):
        pool.step(slots, [[1]] * 4 + [[7]] + [[2]] * 5)
    assert pool.snapshot() == before


def test_a_snapshot_is_that_of_a_stream_and_goes_to_and_fro() -> None:
    whole = mixed()
    pool, stream = StreamPool(whole), Stream(whole)
    slot = pool.open()
    stream.process(signal(9))
    pool.process([slot], signal(9)[None])
    assert pool.snapshot(slot) == stream.snapshot() == pool.snapshot([slot])[0]
    there = pool.open()
    pool.restore(there, stream.snapshot())
    assert pool.step([there], x(1))[0].tobytes() == stream.step(x(1)[0]).tobytes()


def test_snapshots_of_other_weights_are_taken_where_the_caller_says_so() -> None:
    stream, pool = Stream(model("rnn-tanh", seed=1)), StreamPool(model("rnn-tanh"))
    stream.process(signal(9))
    slots, alone = [pool.open(), pool.open()], Stream(pool.model)
    pool.restore(slots, [stream.snapshot()] * 2, same_shapes=True)
    alone.set_states(stream.states)
    assert pool.snapshot(slots) == [alone.snapshot()] * 2
    with pytest.raises(SnapshotError, match="does not fit"):
        pool.restore(slots[0], Stream(mixed()).snapshot(), same_shapes=True)
    assert pool.snapshot(slots) == [alone.snapshot()] * 2


def test_a_snapshot_of_another_model_or_altered_is_refused_for_all(pool: StreamPool) -> None:
    before = pool.snapshot()
    other = StreamPool(mixed(seed=1))
    foreign = other.snapshot(other.open())
    good, altered = pool.snapshot(1), pool.snapshot(0)[:-1] + b"?"
    for wrong, message in (foreign, "belongs to model"), (altered, "altered"), (b"", "not a snapshot"), (7, "not a snapshot"):
        with pytest.raises(SnapshotError, match=message):
            pool.restore([0, 1], [good, wrong])  # type: ignore[list-item]
        assert pool.snapshot() == before


@pytest.mark.parametrize("n", [0, 1, 3, 500])
def test_many_streams_begin_and_end_at_once_as_one_by_one(n: int) -> None:
    pool = StreamPool(mixed(), 4)
    before = pool.open("before")
    slots = pool.open_many(n)
    assert (slots.dtype, slots.shape, len(pool), len({*slots.tolist(), before})) == (np.int64, (n,), n + 1, n + 1)
    fresh = Stream(pool.model)
    assert pool.snapshot(slots) == [fresh.snapshot()] * n
    if n:
        assert {y.tobytes() for y in pool.step(slots, np.tile(signal(1), (n, 1)))} == {fresh.step(signal(1)[0]).tobytes()}
    pool.close(slots[::-1])
    assert pool.slots.tolist() == [before]
    assert sorted(pool.open_many(n).tolist()) == sorted(slots.tolist())


@pytest.mark.parametrize("with_key", [False, True])
def test_streams_that_begin_and_end_one_by_one_are_those_of_many_at_once(with_key: bool) -> None:
    one, many = (StreamPool(model("gru-reset-after"), 4) for _ in range(2))
    keys = [f"key {index}" if with_key else None for index in range(11)]  # more than fit: both pools grow
    rng, fresh = np.random.default_rng(7), Stream(one.model)
    for _ in range(3):
        slots = many.open_keys(keys) if with_key else many.open_many(len(keys))
        assert [one.open(key) for key in keys] == slots.tolist()
        assert one.snapshot() == many.snapshot() == [fresh.snapshot()] * len(keys)
        assert one.step(slots, signal(len(slots))).tobytes() == many.step(slots, signal(len(slots))).tobytes()
        chosen = rng.permutation(slots)
        for slot in chosen.tolist():
            one.close(slot)
            with pytest.raises(InputError, match=f"close: slot {slot} is not open"):
                one.close(slot)
        many.close(chosen)
        assert (len(one), len(one.keys)) == (len(many), len(many.keys)) == (0, 0)


@pytest.mark.parametrize("slot", [-1, 4, 10**15, 10**19, 10**30, -(10**30)])
def test_a_number_that_is_no_slot_ends_no_stream(slot: int) -> None:
    pool = StreamPool(model("rnn-tanh"), 4)
    pool.open_many(4)
    with pytest.raises(InputError, match=f"close: slot {slot} is not open"):
        pool.close(slot)
    assert pool.slots.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("n", [3, 500])
@pytest.mark.parametrize("wrong", ["twice", "closed", "negative", "beyond"])
def test_many_streams_end_or_none(n: int, wrong: str) -> None:
    pool = StreamPool(model("rnn-tanh"), 4)
    slots = pool.open_many(n)
    other = {"twice": slots[0], "closed": pool.open(), "negative": -1, "beyond": 10**15}[wrong]
    if wrong == "closed":
        pool.close(other)
    before, opened = pool.snapshot(), pool.slots.tolist()
    with pytest.raises(InputError, match=f"close: slot {other} (appears twice|is not open)"):
        pool.close([*slots.tolist(), other])
    assert pool.snapshot() == before
    assert pool.slots.tolist() == opened


@pytest.mark.parametrize("n", [-1, 1.0, True, None, "3", 10**14, 10**30], ids=str)
def test_a_number_of_streams_that_is_none_is_refused(n: Any) -> None:
    pool = StreamPool(model("rnn-tanh"), 4)
    with pytest.raises(InputError, match=r"open(_many)?: .*(whole number|memory)"):
        pool.open_many(n)
    assert (len(pool), pool.capacity) == (0, 4)
    assert pool.open() == 0


def test_growth_leaves_the_others_as_they_are_and_their_slots_too() -> None:
    whole = mixed()
    pool, alone = StreamPool(whole, 1), []
    for index in range(40):
        slot = pool.open()
        assert slot == index == len(pool) - 1
        alone.append(Stream(whole))
        rows = signal(index + 1, seed=index)
        for stream, row, result in zip(alone, rows, pool.step(pool.slots, rows), strict=True):
            assert result.tobytes() == stream.step(row).tobytes()
    assert pool.capacity == 64
    assert pool.snapshot() == [stream.snapshot() for stream in alone]


def test_a_slot_that_is_opened_again_begins_anew(pool: StreamPool) -> None:
    fresh = Stream(mixed()).snapshot()
    assert pool.open("again") == 2
    assert pool.snapshot(2) == fresh
    assert pool.keys["again"] == 2


def test_keys_follow_their_streams(pool: StreamPool) -> None:
    assert dict(pool.keys) == {"s0": 0, "s1": 1, "s3": 3, "s4": 4}
    pool.close(3)
    assert pool.open("s3") in (2, 3)
    nameless = pool.open()
    assert nameless not in pool.keys.values()
    with pytest.raises(TypeError):
        pool.keys["s9"] = 1  # type: ignore[index]
    y = pool.step_keys({"s4": [1, 2, 3], "s0": np.float32([1, 2, 3])})
    assert [*y] == ["s4", "s0"]
    assert pool.step_keys({}) == {}


def test_a_number_is_a_row_of_one_for_a_key() -> None:
    pool = StreamPool(overflowing())
    pool.open("a")
    assert pool.step_keys({"a": 1.5})["a"].tolist() == [3.0]


def test_no_streams_and_no_steps_are_nothing() -> None:
    pool = StreamPool(mixed(), 1)
    assert len(pool) == 0
    assert pool.step([], np.zeros((0, 3))).shape == (0, 4)
    assert pool.process([], np.zeros((0, 5, 3))).shape == (0, 5, 4)
    slot = pool.open()
    before = pool.snapshot()
    assert pool.process([slot], np.zeros((1, 0, 3))).shape == (1, 0, 4)
    assert pool.snapshot() == before
    pool.reset([])
    pool.restore([], [])
    assert pool.snapshot([]) == []


def test_whatever_converts_is_taken(pool: StreamPool) -> None:
    slots, rows = [4, 0, 3, 1], x()
    before = pool.snapshot()
    expected = pool.step(slots, rows)
    wide = np.zeros((4, 6), np.float32)
    wide[:, ::2] = rows
    out = np.zeros((4, 4), np.float32)
    for some, given in [
        (np.array(slots, np.int8), rows.astype(float)),
        (np.array(slots, np.uint64), rows.tolist()),
        (tuple(slots), np.asfortranarray(rows)),
        (np.array([slots, slots]).T[:, 0], wide[:, ::2]),
    ]:
        pool.restore(pool.slots, before)
        assert pool.step(some, given, out=out) is out
        assert out.tobytes() == expected.tobytes()


def test_a_result_may_take_the_place_of_the_input() -> None:
    pool = StreamPool(model("gru-reset-after", inputs=9, hidden=9))
    slots, rows = [pool.open() for _ in range(300)], signal(300, 9)
    expected = pool.step(slots, rows)
    pool.reset()
    assert pool.step(slots, rows, out=rows) is rows
    assert rows.tobytes() == expected.tobytes()


def test_results_are_the_callers() -> None:
    pool = StreamPool(mixed())
    slots = [pool.open()]
    first = pool.step(slots, x(1))
    kept = first.copy()
    pool.step(slots, x(1))
    assert first.tobytes() == kept.tobytes()


def test_another_thread_in_the_pool_is_refused() -> None:
    whole = Model([GRU(*(np.zeros(shape) for shape in ((3, 200, 1), (3, 200, 200), (3, 200))))])
    pool = StreamPool(whole)
    slots = [pool.open() for _ in range(50)]
    refused = []

    def enter(n_steps: int) -> None:
        try:
            pool.process(slots, np.zeros((50, n_steps, 1)))
        except StreamBusyError as error:
            refused.append(error)

    long = threading.Thread(target=enter, args=(2000,))
    long.start()
    while long.is_alive() and not refused:
        enter(1)
    long.join()
    assert refused


def test_an_interrupted_process_is_undone_for_all(pool: StreamPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamrnn.pool.plain_door.UNINTERRUPTED_BYTES", 1)
    calls, advance = [], pool._door._advance

    def interrupted(*args: int) -> int:
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return int(advance(*args))

    monkeypatch.setattr(pool._door, "_advance", interrupted)
    before = pool.snapshot()
    with pytest.raises(KeyboardInterrupt):
        pool.process([0, 4], np.zeros((2, 9, 3)))
    assert pool.snapshot() == before
    with pytest.raises(NonFiniteInputError, match=r"input\[1, 7, 0\]"):
        pool.process([0, 4], np.concatenate([np.zeros((2, 7, 3)), [[[0.0] * 3]] * 1 + [[[np.nan] * 3]]], axis=1))
    assert pool.snapshot() == before


def test_memory_does_not_grow_over_many_ticks() -> None:
    pool = StreamPool(mixed(), 8)
    slots, rows, out = np.array([pool.open() for _ in range(8)]), x(8), np.zeros((8, 4), np.float32)

    def come_and_go() -> None:
        pool.close(pool.open("guest"))

    for call in (
        lambda: pool.step(slots, rows, out),
        lambda: pool.step(slots[::2], rows[::2]),
        lambda: pool.process(slots, rows[:, None]),
        lambda: pool.restore(slots, pool.snapshot(slots)),
        come_and_go,
    ):
        assert growth(call, 3000) < 64 * 1024


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True, "8", None])
def test_a_capacity_that_is_none_is_refused(capacity: Any) -> None:
    with pytest.raises(InputError, match="capacity"):
        StreamPool(mixed(), capacity)


def test_a_capacity_beyond_memory_is_refused() -> None:
    with pytest.raises(InputError, match="do not fit into memory"):
        StreamPool(mixed(), 10**17)


def test_only_a_model_makes_a_pool_and_a_pool_is_not_copied(pool: StreamPool) -> None:
    with pytest.raises(StreamRNNError, match=r"streamrnn\.load"):
        StreamPool(Dense([[1.0]]))  # type: ignore[arg-type]
    for duplicate in copy.copy, copy.deepcopy, pickle.dumps:
        with pytest.raises(StreamRNNError, match="snapshot"):
            duplicate(pool)
    assert repr(pool.model) in repr(pool)
    assert "4 streams" in repr(pool)


def test_slots_that_are_changed_during_a_call_are_those_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may, while the GIL is released."""
    whole, x = model("lstm", hidden=4), signal(2 * 9).reshape(2, 9, 3)
    pool, other = StreamPool(whole), StreamPool(whole)
    for _ in range(4):
        pool.open(), other.open()
    pool.step([2, 3], signal(2)), other.step([2, 3], signal(2))
    monkeypatch.setattr("streamrnn.pool.plain_door.UNINTERRUPTED_BYTES", 1)
    slots, status = np.array([0, 1]), pool._door._status

    def changing(*args: Any) -> int:
        slots[:] = 2, 3
        return status(*args)

    monkeypatch.setattr(pool._door, "_status", changing)
    assert pool.process(slots, x).tobytes() == other.process([0, 1], x).tobytes()
    assert pool.snapshot() == other.snapshot()
    slots[:], x[1, -1, 0] = [0, 1], np.nan
    with pytest.raises(NonFiniteInputError, match="for slot 1"):
        pool.process(slots, x)
    assert pool.snapshot() == other.snapshot()


def test_inputs_that_are_changed_during_a_call_do_not_change_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, other = StreamPool(model("lstm", hidden=4)), StreamPool(model("lstm", hidden=4))
    slots, x, status = [pool.open(), pool.open()], signal(2), pool._door._status
    expected = other.step([other.open(), other.open()], x)

    def mending(*args: Any) -> int:
        x[:] = np.nan
        answer = status(*args)
        x[:] = 0
        return answer

    monkeypatch.setattr(pool._door, "_status", mending)
    assert np.array_equal(pool.step(slots, x), expected)
    assert not x.any()
    assert pool.snapshot() == other.snapshot()


def test_rows_of_states_are_the_snapshots_without_their_frame() -> None:
    pool = StreamPool(mixed(), 4)
    slots = pool.open_many(3)
    pool.process(slots, np.stack([signal(5, seed=seed) for seed in range(3)]))
    rows = pool.state_rows(slots[::-1])
    assert rows.shape == (3, pool.state_size)
    assert [row.tobytes() in snapshot for row, snapshot in zip(rows, pool.snapshot(slots[::-1]), strict=True)] == [True] * 3
    other = StreamPool(pool.model, 4)
    there = other.open_many(3)
    other.set_state_rows(there[::-1], rows.astype(np.float64))
    assert other.snapshot(there) == pool.snapshot(slots)
    assert other.state_rows().tobytes() == pool.state_rows(slots).tobytes()


def test_rows_of_states_that_do_not_fit_are_refused_and_change_nothing(pool: StreamPool) -> None:
    before, rows = pool.snapshot(), pool.state_rows()
    with pytest.raises(InputError, match=r"set_state_rows: shape \(4, 1\) does not fit"):
        pool.set_state_rows([0, 1, 3, 4], rows[:, :1])
    with pytest.raises(InputError, match="slot 2 is not open"):
        pool.set_state_rows([0, 1, 2, 3], rows)
    with pytest.raises(InputError, match="slot 2 is not open"):
        pool.state_rows([2])
    rows[2, 1] = np.inf
    with pytest.raises(NonFiniteInputError, match=r"rows\[2, 1\] is inf"):
        pool.set_state_rows([0, 1, 3, 4], rows)
    assert pool.snapshot() == before


def test_masked_slots_are_refused() -> None:
    pool = StreamPool(model("lstm", hidden=4))
    slots = [pool.open(), pool.open()]
    with pytest.raises(InputError, match="masked"):
        pool.step(np.ma.masked_array(slots, [False, True]), signal(2))
    assert pool.step(np.ma.masked_array(slots), signal(2)).shape == (2, 4)
