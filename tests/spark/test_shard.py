"""`Shard`: whatever arrives, each key has the bits of a `Stream` of its own; and its journal, from which it goes on."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamrnn import RNN, Embedding, InputError, Model, StoreError, Stream, StreamPool
from streamrnn.spark import reasons
from streamrnn.spark.journal import Journal, Name, read_parts
from streamrnn.spark.records import decode
from streamrnn.spark.rows import Rows
from streamrnn.spark.rules import Rules
from streamrnn.spark.shard import NEVER, Shard
from tests.models import model
from tests.spark.plain_model import Answer, Event, answers

NAN, INF = float("nan"), float("inf")
GRU_MODEL = model("gru-reset-after", hidden=3)
GROWING = Model([RNN([[[1.0]]], [[[3.0]]], activations=["relu"])])
EVENTS = st.builds(
    Event,
    st.sampled_from([0, 1, 2, 3, -7, 2**62]),
    st.integers(-3, 12) | st.integers(0, 200),
    st.tuples(*[st.sampled_from([0.0, -0.5, 1.25, 3.0])] * 3)
    | st.tuples(*[st.sampled_from([0.5, NAN, INF])] * 3)
    | st.just((NAN, NAN, NAN)),
    st.sampled_from([False, False, False, True]),
)
BATCHES = st.lists(st.lists(EVENTS, max_size=30), min_size=1, max_size=5)
RULES = st.builds(Rules, st.just("drop"), st.sampled_from(["skip", "reset", "poison"]), st.sampled_from([None, 3, 50]))


def rows_of(events: list[Event], dtype: Any = np.float32) -> Rows:
    keys = list(dict.fromkeys(event.key for event in events if event.key is not None))
    reason = [reasons.NO_KEY if e.key is None else reasons.NO_ORDER if e.order is None else 0 for e in events]
    return Rows(
        keys,
        np.array([keys.index(e.key) if e.key is not None else 0 for e in events], np.int64),
        np.array([e.order or 0 for e in events], np.int64),
        np.array([e.x for e in events], dtype).reshape(len(events), -1 if events else 3),
        np.array([e.closes for e in events], bool),
        np.array(reason, np.uint8),
    )


def advanced(shard: Shard, events: list[Event]) -> list[Answer]:
    y, reason = shard.advance(rows_of(events, shard.model.dtype))
    return [
        Answer(event, row.tobytes() if code == reasons.ANSWERED else b"", code)
        for event, row, code in zip(events, y, reason.tolist(), strict=True)
    ]


def states_of(shard: Shard) -> dict[Any, tuple[int, bool, bytes]]:
    """By key: last order, whether it is poisoned, its snapshot."""
    places = shard.places
    snapshots = shard.pool.snapshot(places)
    return {
        shard.keys[place]: (int(shard.last[place]), bool(shard.poisoned[place]), snapshot)
        for place, snapshot in zip(places.tolist(), snapshots, strict=True)
    }


@settings(max_examples=60, deadline=None)
@given(RULES, BATCHES)
def test_what_comes_out_is_that_of_a_plain_stream_for_each_key(rules: Rules, batches: list[list[Event]]) -> None:
    shard = Shard(GRU_MODEL, rules)
    told = [answer for batch in batches for answer in advanced(shard, batch)]
    expected, kept = answers(GRU_MODEL, rules, batches)
    assert Counter(map(repr, told)) == Counter(map(repr, expected))  # NaN is not equal to itself
    states = states_of(shard)
    assert states.keys() == kept.keys()
    for key, of_key in kept.items():
        last, poisoned, snapshot = states[key]
        assert (last, poisoned) == (of_key.last, of_key.poisoned)
        if not poisoned:
            assert snapshot == of_key.stream.snapshot()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.randoms(use_true_random=False))
def test_bits_do_not_depend_on_how_rows_are_cut_into_batches_or_shuffled(n: int, random: Any) -> None:
    events = [Event(index % 7, index // 7, tuple(np.sin([index, 2 * index, 3 * index]))) for index in range(n)]
    whole, cut = Shard(GRU_MODEL, Rules()), Shard(GRU_MODEL, Rules())
    expected = {answer.event: answer for answer in advanced(whole, events)}
    begin = 0
    while begin < n:
        batch = events[begin : begin + random.randint(1, 40)]
        begin += len(batch)
        random.shuffle(batch)
        for answer in advanced(cut, batch):
            assert answer == expected[answer.event]
    assert states_of(cut) == states_of(whole)


def parts_after(journal: Journal, parts: dict[Name, bytes]) -> dict[Name, bytes]:
    new, removed = journal.changes()
    assert not new.keys() & parts.keys() - {name for name in new if name >= 0}  # a delta is written once
    return {name: data for name, data in (parts | new).items() if name not in removed}


@settings(max_examples=60, deadline=None)
@given(RULES, BATCHES, st.integers(1, 4), st.randoms(use_true_random=False))
def test_a_shard_goes_on_from_its_parts(rules: Rules, batches: list[list[Event]], keys_per_block: int, random: Any) -> None:
    lasting, coming_back = Shard(GRU_MODEL, rules), Shard(GRU_MODEL, rules)
    journal, parts = Journal(coming_back, keys_per_block), dict[Name, bytes]()
    for batch in batches:
        assert repr(advanced(journal.shard, batch)) == repr(advanced(lasting, batch))
        parts = parts_after(journal, parts)
        if random.random() < 0.5:
            shuffled = list(parts.items())
            random.shuffle(shuffled)
            stored = read_parts(shuffled, keys_per_block, GRU_MODEL.dtype, lasting.pool.state_size)
            journal = Journal.of(stored, GRU_MODEL, rules)
        assert states_of(journal.shard) == states_of(lasting)


@pytest.mark.parametrize(("n_changed", "most"), [(10, 250), (1000, 150)])
def test_few_bytes_are_written_for_a_key_that_changes(n_changed: int, most: int) -> None:
    """Of LSTM 1-16 with 32 state values, 128 bytes."""
    whole = model("lstm", inputs=1, hidden=16)
    shard, random = Shard(whole, Rules()), np.random.default_rng(0)
    journal, written, parts = Journal(shard, 100), 0, dict[Name, bytes]()
    for batch in range(300):
        keys = random.choice(1000, n_changed, replace=False) if batch else np.arange(1000)
        shard.advance(rows_of([Event(key, batch, (0.5,)) for key in keys.tolist()]))
        new, removed = journal.changes()
        parts = {name: data for name, data in (parts | new).items() if name not in removed}
        written += sum(map(len, new.values())) if batch else 0
        if batch * n_changed > 100_000:
            break
    assert written / (batch * n_changed) <= most
    assert sum(map(len, parts.values())) <= 4.5 * 1000 * 149


@pytest.mark.parametrize("keys", [["a", "ß", "", "z" * 300], [b"", b"\x00\xff", b"a"], [-(2**63), 2**63 - 1, 0]], ids=str)
def test_keys_of_all_types_are_kept(keys: list[Any]) -> None:
    journal = Journal(Shard(GRU_MODEL, Rules()), 2)
    journal.shard.advance(rows_of([Event(key, 5, (0.5, 0.5, 0.5)) for key in keys]))
    parts, _ = journal.changes()
    again = Journal.of(read_parts(parts.items(), 2, "float32", journal.shard.pool.state_size), GRU_MODEL, Rules())
    assert states_of(again.shard) == states_of(journal.shard)
    assert set(states_of(again.shard)) == set(keys)


def test_parts_that_are_cut_or_of_a_later_version_are_refused() -> None:
    journal = Journal(Shard(GRU_MODEL, Rules()), 2)
    journal.shard.advance(rows_of([Event("a", 5, (0.5, 0.5, 0.5))]))
    (data,) = journal.changes()[0].values()
    for size in range(len(data)):
        with pytest.raises(StoreError, match="size"):
            decode(data[:size], GRU_MODEL.dtype, 3)
    with pytest.raises(StoreError, match="size"):
        decode(data + b"\0", GRU_MODEL.dtype, 3)
    with pytest.raises(StoreError, match=r"version 2.*upgrade"):
        decode(b"\2" + data[1:], GRU_MODEL.dtype, 3)


def test_late_rows_are_refused_by_key_and_order_where_that_is_the_rule() -> None:
    shard = Shard(GRU_MODEL, Rules(late="refuse"))
    shard.advance(rows_of([Event("a", 5, (0.5, 0.5, 0.5))]))
    with pytest.raises(InputError, match="key 'a' with order 5 is doubled"):
        shard.advance(rows_of([Event("a", 5, (0.5, 0.5, 0.5))]))
    shard = Shard(GRU_MODEL, Rules(late="refuse"))
    shard.advance(rows_of([Event("a", 5, (0.5, 0.5, 0.5))]))
    with pytest.raises(InputError, match="key 'a' with order 4 is late"):
        shard.advance(rows_of([Event("b", 1, (0.5, 0.5, 0.5)), Event("a", 4, (0.5, 0.5, 0.5))]))


def test_rows_without_key_or_order_stop_no_other_row() -> None:
    events = [Event(None, 1, (0.5,) * 3), Event("a", 1, (0.5,) * 3), Event("a", None, (0.5,) * 3)]
    shard = Shard(GRU_MODEL, Rules())
    assert [answer.reason for answer in advanced(shard, events)] == [reasons.NO_KEY, reasons.ANSWERED, reasons.NO_ORDER]
    assert set(states_of(shard)) == {"a"}


@pytest.mark.parametrize("bad", ["skip", "reset", "poison"])
def test_an_overflow_stops_no_other_key_and_follows_the_rule(bad: str) -> None:
    shard, alone = Shard(GROWING, Rules(bad=bad)), Stream(GROWING)
    batch = [Event(key, order, (1e30 if key == 3 else 0.5,)) for key in range(9) for order in range(60)]
    expected, _ = answers(GROWING, Rules(bad=bad), [batch])
    told = {(answer.event.key, answer.event.order): answer for answer in advanced(shard, batch)}
    assert all(told[answer.event.key, answer.event.order] == answer for answer in expected)
    for order in range(60):
        y = alone.step(0.5).tobytes()
        assert all(told[key, order].y == y for key in range(9) if key != 3)
    first = min(order for order in range(60) if told[3, order].reason == reasons.OVERFLOW)
    after = {"skip": reasons.OVERFLOW, "reset": reasons.ANSWERED, "poison": reasons.POISONED}
    assert told[3, first + 1].reason == after[bad]


def test_an_index_that_is_no_entry_stops_no_other_key() -> None:
    whole = Model([Embedding(np.eye(4, dtype=np.float32)), model("gru-reset-after", inputs=4, hidden=3).layers[0]])
    shard, alone = Shard(whole, Rules()), Stream(whole)
    events = [Event(key, 0, (4.0 if key in (3, 50) else 1.0,)) for key in range(100)]
    told = advanced(shard, events)
    y = alone.step([1.0]).tobytes()
    for answer in told:
        bad = answer.event.key in (3, 50)
        assert (answer.reason, answer.y) == ((reasons.NO_SUCH_ENTRY, b"") if bad else (reasons.ANSWERED, y))
    assert len(shard) == 98


def test_keys_that_have_timed_out_are_forgotten_and_their_rows_do_not_come_again() -> None:
    shard, x = Shard(GRU_MODEL, Rules(timeout=10)), (0.5, 0.5, 0.5)
    shard.advance(rows_of([Event("a", 0, x), Event("b", 8, x)]))
    assert shard.first_timeout == 10
    shard.forget_timed_out(10)
    assert len(shard) == 2
    shard.forget_timed_out(11)
    assert set(states_of(shard)) == {"b"}
    _, reason = shard.advance(rows_of([Event("a", 0, x)]), watermark=11)
    assert reason.tolist() == [reasons.LATE]
    _, reason = shard.advance(rows_of([Event("a", 1, x)]), watermark=11)
    assert reason.tolist() == [reasons.ANSWERED]


def test_put_begins_streams_where_others_stopped() -> None:
    pool = StreamPool(GRU_MODEL)
    slots = pool.open_many(5)
    pool.step(slots, np.random.default_rng(0).normal(size=(5, 3)))
    shard = Shard(GRU_MODEL, Rules())
    shard.put(None, list("abcde"), np.full(5, NEVER), np.zeros(5, bool), pool.state_rows(slots))
    assert [snapshot for _, _, snapshot in states_of(shard).values()] == pool.snapshot(slots)
    assert {last for last, _, _ in states_of(shard).values()} == {NEVER}
