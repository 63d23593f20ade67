"""`advance`: each row of a frame is a step of the stream of its key."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions

from streamrnn.errors import InputError
from streamrnn.model import Model
from streamrnn.spark import columns, reasons
from streamrnn.spark.layout import Layout
from streamrnn.spark.packing import PACKED, pack, unpack
from streamrnn.spark.processor import ShardProcessor, advance_static
from streamrnn.spark.query import Query, send
from streamrnn.spark.rules import BAD_RULES, LATE_RULES, Rules

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

#: What a session of a streaming query needs.
SETTINGS = {
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
}

#: Reasons that are counted together, by the name of their count.
_COUNTS = {
    "answered": (reasons.ANSWERED,),
    "late": (reasons.LATE,),
    "doubled": (reasons.DOUBLED,),
    "bad": reasons.BAD,
    "poisoned": (reasons.POISONED,),
    "without_key_or_order": (reasons.NO_KEY, reasons.NO_ORDER),
}

_MAX_SHARDS = 1 << 16


def advance(
    frame: "DataFrame",
    model: Model,
    *,
    key: str,
    inputs: str | Sequence[str],
    order: str | None = None,
    shards: int = 64,
    outputs: str | Sequence[str] = "y",
    late: str = "drop",
    bad: str = "skip",
    timeout: float | timedelta | None = None,
    watermark: str | None = None,
    close: str | None = None,
    report: str | None = None,
    on_model_change: str = "refuse",
    states: "DataFrame | None" = None,
    metrics: str = "streamrnn",
) -> "DataFrame":
    """Advance the stream of each row's key by one step, with Spark.

    The rows of a key get the bits that one `Stream` gives to the same rows, whatever the number of machines, the size of the
    micro-batches and the restarts, where they arrive in order. Within a micro-batch they are put in order. Each row counts
    once, with sinks that write each micro-batch once (files, Delta). A sink that may write one twice, such as foreachBatch or
    Kafka, needs to drop what it has by key and order, which are in the output.

    frame     static or streaming
    model     each row must be a step of it
    key       column of the key: a whole number, a string or binary
    inputs    column or columns of the input, numbers, which are cast to the model's dtype; NaN and null are bad rows
    order     column in whose order a key's rows are taken: a whole number or a timestamp. A streaming frame needs it, since
              rows are shuffled. None: in the order of the static frame
    shards    parts that the keys are divided into, by hash: 1 to 65536, fixed for the life of a checkpoint, as Spark's
              spark.sql.shuffle.partitions is. Several for each core of the largest cluster there will be
    outputs   name of the column of the output, an array if the model has several; or as many names as it has outputs
    late      rows whose order is not above that of the last one answered of their key: "drop" counts them and drops them;
              "refuse" stops the query and names the row
    bad       rows that the model cannot take: NaN, infinity, null, no entry of an embedding, a state that overflows. They have
              no output, and stop no other key. "skip": the stream is as if they had not come; "reset": it begins anew after
              them; "poison": the key has no output until it has timed out or is closed
    timeout   a key begins anew after a longer gap in the order: a timedelta or seconds, or in the unit of a whole number
    watermark with a timeout and a streaming frame: how much later than the newest row another one may come, such as
              "10 minutes". States of keys that have timed out are then removed, and rows that may be theirs count as late
    close     boolean column: rows that are the last ones of their key, whose state is removed. If all inputs are null, the
              row is no step
    report    name of a string column: rows without an output come too, with the reason in it, for a sink of their own
    on_model_change  when a query is restarted with another model: "refuse" it, or "reset" all streams
    states    streams begin from these snapshots, as `read_states` and `states_of_store` give them; a streaming query looks at
              them in its first micro-batch only
    metrics   name under which a streaming query's `lastProgress.observedMetrics` counts rows: answered, late, doubled, bad,
              poisoned, without_key_or_order
    returns   a frame with the columns key and order, under their own names, the outputs, and the report

    Raises InputError for arguments that do not fit, ModelError for a model that takes several rows a step or needs the end of
    the signal. A query that must not go on (another model, another number of shards, a late row to be refused) fails with the
    message of a StreamRNNError in Spark's exception.
    """
    columns.check_model(model)
    names = columns.check_inputs(frame, inputs, model)
    key_kind = columns.key_type(frame, key)
    order_is_time = order is not None and columns.is_time(frame, order)
    _check(frame, order, shards, late, bad, timeout, watermark, report, on_model_change, order_is_time)
    if close is not None:
        columns.check_close(frame, close)
    taken = [name for name in (key, order, report) if name is not None]
    output_names = columns.check_outputs(outputs, model, taken)
    fields = tuple(f"y{index}" for index in range(len(output_names)))
    query = Query(
        send(frame.sparkSession, model),
        model.fingerprint,
        shards,
        Layout(key_kind, model.input_size, fields, model.output_size, model.dtype.name),
        Rules(late, bad, columns.timeout_in_units(timeout, order_is_time)),
        int(frame.sparkSession.conf.get("spark.sql.shuffle.partitions")),
        on_model_change,
        watermark is not None,
    )
    if watermark is not None:
        frame = frame.withWatermark(str(order), watermark)
    packed = _selected(frame, query, key, order, names, close, order_is_time).mapInArrow(pack(shards), PACKED)
    of_shards = _streamed if frame.isStreaming else _at_once
    layout = query.layout
    answers = of_shards(packed, query, states).mapInArrow(unpack(lambda: layout.answers), layout.answers_in_spark)
    if frame.isStreaming:
        counts = {name: functions.count_if(functions.col("reason").isin(*codes)).alias(name) for name, codes in _COUNTS.items()}
        answers = answers.observe(metrics, *counts.values())
    if report is None:
        answers = answers.where(functions.col("reason") == reasons.ANSWERED)
    result = [functions.col("key").cast(columns.column_type(frame, key, "key")).alias(key)]
    if order is not None:
        kind = columns.column_type(frame, order, "order")
        value = functions.timestamp_micros(functions.col("order")) if order_is_time else functions.col("order").cast(kind)
        result.append(value.alias(order))
    result += [functions.col(field).alias(name) for field, name in zip(fields, output_names, strict=True)]
    if report is not None:
        texts = functions.array(*(functions.lit(text) for text in reasons.TEXTS))
        result.append(functions.element_at(texts, functions.col("reason").cast("int") + 1).alias(report))
    return answers.select(*result)


def _selected(
    frame: Any, query: Query, key: str, order: str | None, inputs: list[str], close: str | None, order_is_time: bool
) -> Any:
    """The frame's columns as the workers take them, the shard first."""
    kind = query.layout.key_type
    number = "float" if query.layout.dtype == "float32" else "double"
    name = columns.quoted(key)
    place = (
        functions.monotonically_increasing_id() if order is None else columns.as_number(columns.quoted(order), order_is_time)
    )
    closes = functions.lit(False) if close is None else functions.coalesce(columns.quoted(close), functions.lit(False))
    x = [columns.quoted(column).cast(number).alias(f"x{index}") for index, column in enumerate(inputs)]
    shard = columns.shard_of(name, kind, query.shards)
    return frame.select(shard, name.cast(kind).alias("key"), place.alias("order"), *x, closes.alias("closes"))


def _streamed(packed: Any, query: Query, states: Any) -> Any:
    """The messages of answers to the messages of a streaming frame."""
    initial = None if states is None else _packed_states(states, query).groupBy("shard")
    mode = "EventTime" if query.has_watermark else "None"
    by_shard = packed.groupBy("shard")
    return by_shard.transformWithStateInPandas(ShardProcessor(query), "message binary", "Append", mode, initialState=initial)


def _at_once(packed: Any, query: Query, states: Any) -> Any:
    """The messages of answers to the messages of a static frame."""
    messages = packed.withColumn("states", functions.lit(False))
    if states is not None:
        messages = messages.union(_packed_states(states, query).withColumn("states", functions.lit(True)))
    return messages.groupBy("shard").applyInArrow(advance_static(query), "message binary")


def _packed_states(states: Any, query: Query) -> Any:
    """The snapshots of a frame as a message for each shard."""
    name, kind = columns.quoted("key"), query.layout.key_type
    found = {field.name for field in states.schema.fields}
    if missing := {"key", "snapshot"} - found:
        raise InputError(f"advance: states has no column {missing.pop()!r}; give what read_states or states_of_store returns")
    if columns.key_type(states, "key") != kind:
        raise InputError(f"advance: the keys of the states are of another type than those of the frame, {kind}; cast them")
    order = functions.col("order") if "order" in found else functions.lit(None)
    poisoned = functions.col("poisoned") if "poisoned" in found else functions.lit(False)
    named = columns.shard_of(name, kind, query.shards), name.cast(kind).alias("key"), order.cast("bigint").alias("order")
    chosen = states.select(*named, poisoned.alias("poisoned"), "snapshot")
    return chosen.mapInArrow(pack(query.shards), PACKED)


def _check(
    frame: Any,
    order: Any,
    shards: Any,
    late: Any,
    bad: Any,
    timeout: Any,
    watermark: Any,
    report: Any,
    on_model_change: Any,
    order_is_time: bool,
) -> None:
    """Raise InputError for options that do not fit, or not together."""
    if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= _MAX_SHARDS:
        raise InputError(f"advance: shards={shards!r} is not a whole number from 1 to {_MAX_SHARDS}")
    choices = {"late": (late, LATE_RULES), "bad": (bad, BAD_RULES), "on_model_change": (on_model_change, ("refuse", "reset"))}
    for name, (given, known) in choices.items():
        if given not in known:
            raise InputError(f"advance: {name}={given!r} is not known; it is one of {', '.join(map(repr, known))}")
    if report is not None and (not isinstance(report, str) or not report):
        raise InputError(f"advance: report={report!r} is not a name for a column")
    if timeout is not None and order is None:
        raise InputError("advance: a timeout needs an order, in which there can be gaps")
    if frame.isStreaming and order is None:
        raise InputError(
            "advance: a streaming frame needs order=, a column that says in which order the rows of a key are: Spark shuffles "
            "them, which loses the order of the frame"
        )
    if watermark is not None and not (frame.isStreaming and order_is_time and timeout is not None):
        raise InputError("advance: a watermark needs a streaming frame, an order that is a timestamp, and a timeout")
    if frame.isStreaming:
        _check_settings(frame.sparkSession)


def _check_settings(session: Any) -> None:
    for name, value in SETTINGS.items():
        if session.conf.get(name, None) != value:
            raise InputError(
                f"advance: the session's {name} is not {value}, which keeping states needs; give the session these settings: "
                "SparkSession.builder.config(map=streamrnn.spark.SETTINGS)"
            )
