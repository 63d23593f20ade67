"""What Spark calls for each shard of a micro-batch, or for each shard of a static frame."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql.streaming import StatefulProcessor

from streamrnn.errors import InputError
from streamrnn.pool import StreamPool
from streamrnn.spark.journal import Journal
from streamrnn.spark.packing import answers_of, rows_of, table_of
from streamrnn.spark.query import Query
from streamrnn.spark.shard import NEVER

_TOKEN = 8  # bytes
_NO_TIMER = 0


class ShardProcessor(StatefulProcessor):
    """Takes the messages of a shard through its streams. Spark keeps its state, and commits it with the micro-batch.

    The state of a shard: `parts` (streamrnn/spark/journal.py), `about` (JSON: what is fixed), and `head`: a random token, new
    with each write, and the time of the next timer. A worker that has kept the shard since the write with the same token has
    its newest state, and reads nothing else. A task that is tried again finds the old token, and reads the old state.
    """

    def __init__(self, query: Query) -> None:
        self._query = query

    def init(self, handle: Any) -> None:
        """Name the states."""
        self._handle = handle
        self._head = handle.getValueState("head", "head binary")
        self._about = handle.getValueState("about", "about string")
        self._parts = handle.getMapState("parts", "name bigint", "part binary")

    def handleInputRows(self, key: Any, rows: Iterator[Any], timerValues: Any) -> Iterator[Any]:
        """The answers to the rows of a shard, as one message."""
        journal, timer = self._open(key[0])
        table = table_of((message for frame in rows for message in frame["message"]), self._query.layout.rows)
        watermark = 1000 * timerValues.getCurrentWatermarkInMs() if self._query.has_watermark else 0
        y, reason = journal.shard.advance(rows_of(table, self._query.layout), watermark if watermark > 0 else None)
        self._write(key[0], journal, timer)
        if table.num_rows:
            yield _frame(answers_of(table, self._query.layout, y, reason))

    def handleExpiredTimer(self, key: Any, timerValues: Any, expiredTimerInfo: Any) -> Iterator[Any]:
        """Forget the keys that have timed out."""
        journal, timer = self._open(key[0])
        journal.shard.forget_timed_out(1000 * timerValues.getCurrentWatermarkInMs())
        passed = expiredTimerInfo.getExpiryTimeInMs() >= timer
        self._write(key[0], journal, _NO_TIMER if passed else timer)
        return iter([])

    def handleInitialState(self, key: Any, initialState: Any, timerValues: Any) -> None:
        """Begin the streams of a shard from snapshots, in one message."""
        journal, timer = self._open(key[0])
        put_snapshots(journal, table_of(initialState["message"], self._query.layout.states))
        self._write(key[0], journal, timer)

    def close(self) -> None:
        """Nothing is to be closed."""

    def _open(self, number: int) -> tuple[Journal, int]:
        """The journal of a shard, and the time of its next timer."""
        stored = self._head.get()
        if not stored or stored[0] is None:
            journal = self._query.new_journal()
            self._about.update((json.dumps(self._query.about(journal)),))
            return journal, _NO_TIMER
        head = bytes(stored[0])
        token, timer = head[:_TOKEN], int.from_bytes(head[_TOKEN:], "little")
        kept = self._query.take_kept(number, token)
        if kept is not None:
            return kept, timer
        parts = [(int(name[0]), bytes(part[0])) for name, part in self._parts.iterator()]
        journal, anew = self._query.read_journal(json.loads(self._about.get()[0]), parts)
        if anew:
            for name, _ in parts:
                self._parts.removeKey((name,))
            self._about.update((json.dumps(self._query.about(journal)),))
        return journal, timer

    def _write(self, number: int, journal: Journal, timer: int) -> None:
        """Write what has changed, and keep the journal for the next micro-batch."""
        parts, removed = journal.changes()
        for name, part in parts.items():
            self._parts.updateValue((name,), (part,))
        for name in removed:
            self._parts.removeKey((name,))
        first = journal.shard.first_timeout if self._query.has_watermark else None
        if first is not None and (timer == _NO_TIMER or first // 1000 + 1 < timer):
            timer = max(1, first // 1000 + 1)  # milliseconds
            self._handle.registerTimer(timer)
        token = os.urandom(_TOKEN)
        self._head.update((token + (timer.to_bytes(8, "little") if timer else b""),))
        self._query.keep(number, token, journal)


def advance_static(query: Query) -> Callable[[Any], Any]:
    """A function for `applyInArrow`: all messages of a shard, those of states first, to one message of answers."""

    def advanced(messages: Any) -> Any:
        journal = query.new_journal()
        states, rows = ([row["message"] for row in messages.to_pylist() if row["states"] == kind] for kind in (True, False))
        put_snapshots(journal, table_of(states, query.layout.states))
        table = table_of(rows, query.layout.rows)
        y, reason = journal.shard.advance(rows_of(table, query.layout))
        return pa.table({"message": pa.array([answers_of(table, query.layout, y, reason)], pa.binary())})

    return advanced


def put_snapshots(journal: Journal, table: Any) -> None:
    """Begin the streams of new keys from a table of snapshots.

    Raises InputError for a key that is null or appears twice, SnapshotError for a snapshot of another model.
    """
    if not table.num_rows:
        return
    shard, keys = journal.shard, table.column("key").to_pylist()
    if None in keys or len({*keys, *shard.keys} - {None}) < len(keys) + len(shard):
        raise InputError("advance: among the states a key is null, or appears twice; give one snapshot for each key")
    pool = StreamPool(shard.model, len(keys))
    slots = pool.open_many(len(keys))
    pool.restore(slots, table.column("snapshot").to_pylist())
    last = table.column("order").fill_null(NEVER).to_numpy()
    poisoned = table.column("poisoned").fill_null(False).to_numpy()
    shard.put(None, keys, last, poisoned, pool.state_rows(slots))
    shard.changed[shard.places] = True


def _frame(message: bytes) -> Any:
    import pandas

    return pandas.DataFrame({"message": [message]})
