"""Rows to one binary row for each shard, and back: Spark's Python workers take some 5 µs for a row, however small it is.

A message is an Arrow record batch without its schema, which both sides have (`Layout`).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from streamrnn.spark.layout import Layout
from streamrnn.spark.reasons import ANSWERED, CLOSED, NO_KEY, NO_ORDER
from streamrnn.spark.rows import Rows
from streamrnn.target.packing import Array

#: The columns of packed rows, in Spark's words.
PACKED = "shard int, message binary"

#: Rows that are packed at once, so that a task's memory does not grow with its rows.
_AT_ONCE = 1_000_000

_Batches = Iterator[Any]


def pack(shards: int) -> Callable[[_Batches], _Batches]:
    """A function for `mapInArrow`: rows, whose first column is the shard, to a message for each shard.

    Shard 0 gets an empty message in any case: what is fixed for the life of a checkpoint is checked there.
    """

    def packed(batches: _Batches) -> _Batches:
        yield _packed([0], [b""])
        held: list[Any] = []
        n_held = 0
        for batch in batches:
            held.append(batch)
            n_held += batch.num_rows
            if n_held >= _AT_ONCE:
                yield _messages(pa.Table.from_batches(held), shards)
                held, n_held = [], 0
        if n_held:
            yield _messages(pa.Table.from_batches(held), shards)

    return packed


def _messages(table: Any, shards: int) -> Any:
    shard = table.column(0).to_numpy()
    by_shard = np.argsort(shard.astype(np.uint16) if shards <= 1 << 16 else shard, kind="stable")
    (rows,) = table.drop_columns([table.column_names[0]]).take(pa.array(by_shard)).combine_chunks().to_batches()
    counts = np.bincount(shard, minlength=shards)
    there = np.flatnonzero(counts)
    begins = np.cumsum(counts) - counts
    messages = [rows.slice(begins[index], counts[index]).serialize().to_pybytes() for index in there.tolist()]
    return _packed(there, messages)


def _packed(shards: Any, messages: list[bytes]) -> Any:
    return pa.record_batch([pa.array(shards, pa.int32()), pa.array(messages, pa.binary())], names=["shard", "message"])


def table_of(messages: Iterable[bytes], schema: Any) -> Any:
    """The rows of messages."""
    batches = [pa.ipc.read_record_batch(pa.py_buffer(message), schema) for message in messages if message]
    return pa.Table.from_batches(batches, schema).combine_chunks()


def rows_of(table: Any, layout: Layout) -> Rows:
    """The rows of a table with the schema `layout.rows`."""
    n = table.num_rows
    column = {name: _only_chunk(table.column(name)) for name in table.column_names}
    encoded = column["key"].dictionary_encode()
    reason = np.zeros(n, np.uint8)
    reason[_nulls(column["order"])] = NO_ORDER
    reason[_nulls(column["key"])] = NO_KEY
    x = np.empty((n, layout.n_inputs), layout.dtype)
    for index in range(layout.n_inputs):
        x[:, index] = column[f"x{index}"].to_numpy(zero_copy_only=False)  # NaN where it is null
    return Rows(
        encoded.dictionary.to_pylist(),
        encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64),
        column["order"].fill_null(0).to_numpy(zero_copy_only=False),
        x,
        column["closes"].fill_null(False).to_numpy(zero_copy_only=False),
        reason,
    )


def answers_of(table: Any, layout: Layout, y: Array, reason: Any) -> bytes:
    """The message of the answers to the rows of a table; rows that only close their key have none."""
    silent = reason == CLOSED
    absent = reason != ANSWERED
    mask = absent if absent.any() else None
    if layout.in_arrays:
        ends = np.arange(len(y) + 1, dtype=np.int32) * layout.n_outputs
        null = None if mask is None else pa.array(mask)
        columns = [pa.ListArray.from_arrays(pa.array(ends), pa.array(y.reshape(-1)), mask=null)]
    else:
        columns = [pa.array(np.ascontiguousarray(y[:, index]), mask=mask) for index in range(layout.n_outputs)]
    names = [_only_chunk(table.column(name)) for name in ("key", "order")]
    batch = pa.record_batch([*names, *columns, pa.array(reason.astype(np.int8))], schema=layout.answers)
    if silent.any():
        batch = batch.filter(pa.array(~silent))
    return bytes(batch.serialize().to_pybytes())


def unpack(schema_of: Callable[[], Any]) -> Callable[[_Batches], _Batches]:
    """A function for `mapInArrow`: messages to their rows."""

    def unpacked(batches: _Batches) -> _Batches:
        schema = schema_of()
        for batch in batches:
            for message in batch.column(batch.num_columns - 1):
                yield pa.ipc.read_record_batch(message.as_buffer(), schema)

    return unpacked


def _only_chunk(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _nulls(column: Any) -> Any:
    return column.is_null().to_numpy(zero_copy_only=False) if column.null_count else []
