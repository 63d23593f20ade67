"""The columns of a frame, checked, and as the workers take them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pyspark.sql import functions
from pyspark.sql.types import (
    BinaryType,
    BooleanType,
    ByteType,
    IntegerType,
    LongType,
    NumericType,
    ShortType,
    StringType,
    TimestampType,
)

from streamrnn.errors import InputError, ModelError
from streamrnn.model import Model

_INTEGERS = (ByteType, ShortType, IntegerType, LongType)
_KEYS = dict.fromkeys(_INTEGERS, "bigint") | {StringType: "string", BinaryType: "binary"}


def column_type(frame: Any, name: Any, what: str) -> Any:
    """The type of a column of a frame. Raises InputError if there is none of that name."""
    if not isinstance(name, str):
        raise InputError(f"advance: {what}={name!r} is not the name of a column")
    found = [field.dataType for field in frame.schema.fields if field.name == name]
    if len(found) != 1:
        which = "has no column" if not found else "has several columns"
        raise InputError(f"advance: the frame {which} {name!r}, which {what} names; its columns are {', '.join(frame.columns)}")
    return found[0]


def key_type(frame: Any, key: Any) -> str:
    """The type of the keys, as the workers see it. Raises InputError for a type that cannot be a key."""
    kind = column_type(frame, key, "key")
    if type(kind) not in _KEYS:
        raise InputError(f"advance: key={key!r} is of type {kind.simpleString()}; it takes a whole number, a string or binary")
    return _KEYS[type(kind)]


def is_time(frame: Any, order: Any) -> bool:
    """Whether the order is a time. Raises InputError for a type that has no order of its own."""
    kind = column_type(frame, order, "order")
    if not isinstance(kind, (TimestampType, *_INTEGERS)):
        raise InputError(
            f"advance: the order {order!r} is of type {kind.simpleString()}; it must be a whole number or a timestamp: cast it"
        )
    return isinstance(kind, TimestampType)


def check_inputs(frame: Any, inputs: Any, model: Model) -> list[str]:
    """The names of the columns of the inputs. Raises InputError unless they are numbers, and as many as the model takes."""
    names = [inputs] if isinstance(inputs, str) else list(inputs) if isinstance(inputs, Sequence) else [inputs]
    for name in names:
        kind = column_type(frame, name, "inputs")
        if not isinstance(kind, NumericType):
            raise InputError(f"advance: the input {name!r} is of type {kind.simpleString()}, not a number; cast it to a number")
    if len(names) != model.input_size:
        raise InputError(f"advance: {len(names)} columns of inputs, but the model takes {model.input_size}: {', '.join(names)}")
    return names


def check_outputs(outputs: Any, model: Model, taken: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns of the outputs. Raises InputError unless they fit the model."""
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs) if isinstance(outputs, Sequence) else (outputs,)
    for name in names:
        if not isinstance(name, str) or not name:
            raise InputError(f"advance: outputs={outputs!r} is not a name, nor a list of names")
    if len(names) not in (1, model.output_size):
        raise InputError(
            f"advance: {len(names)} names of outputs, but the model has {model.output_size}; give one, or one for each"
        )
    used = [*taken, *names]
    if twice := {name for name in used if used.count(name) > 1}:
        raise InputError(f"advance: the result would have two columns {twice.pop()!r}; choose another name for the output")
    return names


def check_close(frame: Any, close: Any) -> None:
    """Raise InputError unless a column says which rows close their key."""
    kind = column_type(frame, close, "close")
    if not isinstance(kind, BooleanType):
        raise InputError(f"advance: close={close!r} is of type {kind.simpleString()}, not boolean")


def check_model(model: Any) -> None:
    """Raise InputError or ModelError unless each row can be a step of the model."""
    if not isinstance(model, Model):
        raise InputError(f"advance: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
    if not model.streamable:
        raise ModelError("advance: the model has a backward direction, which needs the end of the signal; run_offline runs it")
    if model.stride > 1:
        raise ModelError(f"advance: a step of the model takes {model.stride} rows, but here each row must be a step")


def timeout_in_units(timeout: Any, order_is_time: bool) -> int | None:
    """A time-out in the unit of the order: microseconds if that is a time. Raises InputError."""
    if timeout is None:
        return None
    if isinstance(timeout, timedelta):
        if not order_is_time:
            raise InputError("advance: timeout is a timedelta, but the order is a whole number; give it in the order's unit")
        timeout = timeout.total_seconds()
    fits = isinstance(timeout, int | float) and not isinstance(timeout, bool) and 0 < timeout < 1e12
    if not fits or (not order_is_time and timeout != int(timeout)):
        unit = "a timedelta or seconds" if order_is_time else "a whole number, as the order is"
        raise InputError(f"advance: timeout={timeout!r} is not {unit}, more than 0")
    return round(timeout * 1_000_000) if order_is_time else int(timeout)


def quoted(name: str) -> Any:
    """A column by its name, whatever characters it has."""
    return functions.col("`" + name.replace("`", "``") + "`")


def shard_of(key: Any, kind: str, shards: int) -> Any:
    """The column of the shard of a key."""
    return functions.pmod(functions.xxhash64(key.cast(kind)), functions.lit(shards)).cast("int").alias("shard")


def as_number(order: Any, is_time: bool) -> Any:
    """An order as the workers take it."""
    return (functions.unix_micros(order) if is_time else order.cast("bigint")).alias("order")
