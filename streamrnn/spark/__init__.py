"""Keyed streams on Apache Spark, for more streams than one machine can serve (`pip install 'streamrnn[spark]'`, and Java 17).

frames     `advance`: each row of a frame is a step of the stream of its key
columns    the columns of a frame, checked
layout     the columns of a query as Arrow types
packing    rows to one message for each shard, and back
processor  what Spark calls for each shard
query      what a worker knows of a query, and keeps of it
transfer   states from a checkpoint or a store, to another one
journal    a shard's state as parts, of which few must be written
records    a part as bytes
shard      the streams of some keys in a pool, and what is known of each key; it knows nothing of Spark
rows, rules, reasons    its rows, what becomes of those that are not as they should be, and why a row has no output
"""

from typing import Any

from streamrnn.errors import MissingExtraError

__all__ = ["SETTINGS", "advance", "put_states", "read_states", "states_of_store"]

_HOMES = {
    "SETTINGS": "frames",
    "advance": "frames",
    "put_states": "transfer",
    "read_states": "transfer",
    "states_of_store": "transfer",
}


def __getattr__(name: str) -> Any:
    """The public names, whose modules need pyspark. Raises MissingExtraError without it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("streamrnn"):
            raise
        raise MissingExtraError(
            f"{error.name} is not installed; `pip install 'streamrnn[spark]'` installs it (Spark also needs Java 17)"
        ) from error
