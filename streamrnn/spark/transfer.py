"""States from the checkpoint of a query or from a `StateStore`, and to one: from one machine to a cluster and back."""

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions

from streamrnn.errors import InputError, StoreError
from streamrnn.spark.journal import read_parts
from streamrnn.spark.layout import KEY_TYPES
from streamrnn.spark.shard import NEVER
from streamrnn.states import snapshot
from streamrnn.states.store import StateStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_AT_ONCE = 10_000
_COLUMNS = {int: "bigint", str: "string", bytes: "binary"}


def read_states(session: "SparkSession", checkpoint: str, *, operator_id: int = 0) -> "DataFrame":
    """The states of a query with `advance`, which is not running, after its last micro-batch.

    checkpoint   the checkpointLocation of the query
    operator_id  of the query's operators with a state, which one `advance` is, from 0 on
    returns      a static frame: key; order of the key's last row, a bigint (microseconds for a timestamp), null if there is
                 none; poisoned; snapshot, as `Stream.snapshot` gives it. `advance(..., states=frame)` begins from it,
                 `put_states` writes it to a StateStore, and Parquet keeps it

    Raises StoreError if there are no states of `advance` there.
    """

    def read(variable: str) -> Any:
        options = {"operatorId": str(operator_id), "stateVarName": variable}
        return session.read.format("statestore").options(**options).load(checkpoint)

    try:
        first = read("about").select(functions.col("value.about").alias("about")).first()
        parts = read("parts").select("key.shard", "user_map_key.name", "user_map_value.part")
    except Exception as error:  # Spark's have no common class that says so
        reason = str(error).partition("\n")[0]
        raise StoreError(f"{checkpoint}: no states of streamrnn.spark.advance can be read from it ({reason})") from error
    if first is None:
        raise StoreError(f"{checkpoint}: it has no states yet; let the query take some rows")
    about = json.loads(first["about"])

    def of_shard(table: Any) -> Any:
        """A shard's parts to its snapshots."""
        named = zip(table.column("name").to_pylist(), table.column("part").to_pylist(), strict=True)
        stored = read_parts(named, about["keys_per_block"], about["dtype"], about["state_size"])
        last = pa.array(stored.last, mask=stored.last == NEVER)
        snapshots = [snapshot.encode(about["fingerprint"], state) for state in stored.states]
        columns = pa.array(stored.keys, KEY_TYPES[about["key_type"]]), last, stored.poisoned, pa.array(snapshots, pa.binary())
        return pa.table(dict(zip(("key", "order", "poisoned", "snapshot"), columns, strict=True)))

    schema = f"key {about['key_type']}, order bigint, poisoned boolean, snapshot binary"
    return parts.groupBy("shard").applyInArrow(of_shard, schema)


def states_of_store(session: "SparkSession", store: StateStore) -> "DataFrame":
    """The snapshots of a store as a frame, key and snapshot, for `advance(..., states=frame)`. They pass through this process.

    Raises InputError if the keys are not all of one type, as a column has them.
    """
    kinds = {type(key) for key in store}
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InputError(
            f"states_of_store: the keys are of several types ({names}), but a column has one; use one store for each"
        )
    kind = _COLUMNS[kinds.pop()] if kinds else "string"
    keys, tables = iter(store), []
    schema = pa.schema([("key", KEY_TYPES[kind]), ("snapshot", pa.binary())])
    while some := list(islice(keys, _AT_ONCE)):
        saved = store.get(some)
        tables.append(pa.table([list(saved), list(saved.values())], schema=schema))
    return session.createDataFrame(pa.concat_tables(tables) if tables else schema.empty_table())


def put_states(states: "DataFrame", store: StateStore) -> int:
    """Put the snapshots of a frame, as `read_states` gives it, into a store. They pass through this process.

    A store has no orders: a program that goes on from it must itself leave out rows that have been answered.

    returns  how many keys there are

    Raises as `StateStore.put` does; snapshots before the one that is refused have then been saved.
    """
    rows, n = states.select("key", "snapshot").toLocalIterator(), 0
    while some := {row["key"]: bytes(row["snapshot"]) for row in islice(rows, _AT_ONCE)}:
        saved = {bytes(key) if isinstance(key, bytearray) else key: data for key, data in some.items()}
        store.put(saved)
        n += len(saved)
    return n
