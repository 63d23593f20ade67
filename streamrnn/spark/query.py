"""`Query`: all that a Python worker must know of a query, and what it keeps of it between micro-batches."""

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import uuid4

from pyspark import SparkFiles

from streamrnn.errors import StreamRNNError
from streamrnn.model import Model, load
from streamrnn.spark.journal import BLOCK_BYTES, Journal, read_parts
from streamrnn.spark.layout import Layout
from streamrnn.spark.rules import Rules
from streamrnn.spark.shard import Shard

#: What this process keeps: models by fingerprint, and of each query the journals of shards, by the token of their state.
_models: dict[str, Model] = {}
_journals: dict[str, dict[int, tuple[bytes, Journal]]] = {}


@dataclass(frozen=True)
class Query:
    """A query, as `advance` has checked it. It goes to the executors.

    archive          the name of the model's archive among Spark's files, of which each executor has a copy
    fingerprint      of the model
    shards           how many there are
    layout           its columns
    rules            what becomes of rows that are not as they should be
    on_model_change  "refuse" or "reset"
    partitions       among which Spark divides the shards
    has_watermark    whether keys that have timed out are forgotten by Spark's timers, of microseconds
    identity         of this start of the query
    """

    archive: str
    fingerprint: str
    shards: int
    layout: Layout
    rules: Rules
    partitions: int
    on_model_change: str = "refuse"
    has_watermark: bool = False
    identity: str = field(default_factory=lambda: uuid4().hex)

    @property
    def model(self) -> Model:
        """The model, which a process reads once."""
        if self.fingerprint not in _models:
            _models[self.fingerprint] = load(SparkFiles.get(self.archive))
        return _models[self.fingerprint]

    def new_journal(self) -> Journal:
        """The journal of a shard without keys."""
        shard = Shard(self.model, self.rules)
        return Journal(shard, max(1, BLOCK_BYTES // (self.model.dtype.itemsize * max(1, shard.pool.state_size))))

    def about(self, journal: Journal) -> dict[str, Any]:
        """What is fixed for the life of a shard's state, as JSON."""
        model, layout = self.model, self.layout
        return {
            "fingerprint": model.fingerprint,
            "dtype": layout.dtype,
            "state_size": journal.shard.pool.state_size,
            "keys_per_block": journal.keys_per_block,
            "key_type": layout.key_type,
            "shards": self.shards,
            "partitions": self.partitions,
        }

    def read_journal(self, about: dict[str, Any], parts: list[tuple[int, bytes]]) -> tuple[Journal, bool]:
        """The journal of a shard's state; True if it begins anew, and none of the parts may stay.

        Raises StreamRNNError for the state of another query: another model, number of shards or of partitions, or type of keys.
        """
        self.check(about)
        stored = read_parts(parts, about["keys_per_block"], about["dtype"], about["state_size"])
        if about["fingerprint"] == self.fingerprint:
            return Journal.of(stored, self.model, self.rules), False
        journal = self.new_journal()
        journal.shard.put(None, stored.keys, stored.last, stored.poisoned, None)
        journal.shard.reset()
        return journal, True

    def check(self, about: dict[str, Any]) -> None:
        """Raise StreamRNNError for the state of another query."""
        if about["shards"] != self.shards:
            raise StreamRNNError(
                f"advance: the checkpoint has {about['shards']} shards, not {self.shards}, and the number is fixed; "
                f"give shards={about['shards']}, or move the states to a new checkpoint (streamrnn.spark.read_states)"
            )
        if about["partitions"] != self.partitions:
            raise StreamRNNError(
                f"advance: the checkpoint has {about['partitions']} shuffle partitions, not {self.partitions}, and Spark keeps "
                f"their number; set spark.sql.shuffle.partitions to {about['partitions']}, or move the states to a new "
                "checkpoint (streamrnn.spark.read_states)"
            )
        if about["key_type"] != self.layout.key_type:
            raise StreamRNNError(
                f"advance: the keys of the checkpoint are of type {about['key_type']}, not {self.layout.key_type}; cast "
                "the key column to that type"
            )
        if about["fingerprint"] != self.fingerprint and self.on_model_change == "refuse":
            raise StreamRNNError(
                f"advance: the states in the checkpoint are of model {about['fingerprint'][:12]}…, not of this one, "
                f"{self.fingerprint[:12]}…; go on with their own model, or give on_model_change='reset', which begins all "
                "streams anew and keeps which rows have been answered"
            )

    def take_kept(self, number: int, token: bytes) -> Journal | None:
        """The journal that this process has kept of a shard, if its state still has this token. It is not kept any more."""
        kept = _journals.get(self.identity, {}).pop(number, None)
        return kept[1] if kept is not None and kept[0] == token else None

    def keep(self, number: int, token: bytes, journal: Journal) -> None:
        """Keep the journal of a shard for the next micro-batch, as long as its state has this token."""
        _journals.setdefault(self.identity, {})[number] = token, journal


def send(session: Any, model: Model) -> str:
    """Have a model's archive on all executors, those that start later too. Returns its name there."""
    path = os.path.join(_folder(), f"{model.fingerprint}.safetensors")  # for Spark a name must always be the same file
    if not os.path.exists(path):
        model.save(path)
    session.sparkContext.addFile(path)
    return os.path.basename(path)


@cache
def _folder() -> str:
    """A folder of this process, from which Spark sends files as long as the process lives."""
    folder = tempfile.mkdtemp(prefix="streamrnn-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
