"""What the parts of a query on Spark cost in its Python workers, without Spark: nanoseconds of CPU time for an event.

    python -m benchmarks.shard_costs [--keys 20000] [--hidden 16] [--shards 8] [--events 1000,10000,100000,1000000]

It needs pyarrow (the extra `spark`). Each line is a micro-batch of so many events of random keys, the median of several, after
all keys have begun. `pool` is what remains if rows come as arrays and states stay in memory.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from rich.console import Console

from benchmarks.case import Case
from streamrnn import StreamPool
from streamrnn.command.table import plain_table
from streamrnn.spark.journal import BLOCK_BYTES, Journal, Name, read_parts
from streamrnn.spark.layout import Layout
from streamrnn.spark.packing import answers_of, pack, rows_of, table_of, unpack
from streamrnn.spark.rows import Rows, Ticks
from streamrnn.spark.rules import Rules
from streamrnn.spark.shard import Shard

STAGES = ("pack", "read rows", "advance", "write answers", "unpack", "state out")
_WARM_EVENTS = 100_000


class Costs:
    """Seconds by stage, one for each micro-batch."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def begin_batch(self) -> None:
        for stage in STAGES:
            self.seconds[stage].append(0.0)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        began = time.thread_time()
        yield
        self.seconds[stage][-1] += time.thread_time() - began

    def nanoseconds(self, stage: str, n_events: int) -> float:
        return 1e9 * float(np.median(self.seconds[stage])) / n_events


def measure(case: Case, n_keys: int, n_shards: int, n_events: int) -> list[str]:
    """A line of the table: nanoseconds of each stage and of the pool alone, bytes written, CPU seconds to read all states."""
    model = case.model()
    layout = Layout("bigint", 1, ("y",), model.output_size, "float32")
    random, costs = np.random.default_rng(0), Costs()
    shards = [Journal(Shard(model, Rules()), 1) for _ in range(n_shards)]
    for journal in shards:
        journal.keys_per_block = max(1, BLOCK_BYTES // (4 * journal.shard.pool.state_size))
    pool = StreamPool(model, n_keys)
    slots = pool.open_many(n_keys)
    parts: list[dict[Name, bytes]] = [{} for _ in shards]
    written, pool_seconds, orders = 0, [], 0
    n_batches = max(4, min(40, 4 * _WARM_EVENTS // n_events))
    for batch in range(1 + n_batches):
        keys = random.integers(0, n_keys, n_events) if batch else np.arange(n_keys)
        order = np.arange(orders, orders + len(keys))
        orders += len(keys)
        x = random.normal(size=len(keys)).astype(np.float32)
        table = pa.record_batch(
            [pa.array((keys % n_shards).astype(np.int32)), pa.array(keys), pa.array(order), pa.array(x), pa.array(keys < 0)],
            names=["shard", "key", "order", "x0", "closes"],
        )
        costs.begin_batch()
        with costs.of("pack"):
            (_, packed) = pack(n_shards)(iter([table]))
        n_bytes = 0
        for number, message in zip(packed.column(0).to_pylist(), packed.column(1).to_pylist(), strict=True):
            n_bytes += _advance(shards[number], parts[number], message, layout, costs)
        written += n_bytes if batch else 0
        pool_seconds.append(_pool_alone(pool, slots, keys, order, x))
    for seconds in (*costs.seconds.values(), pool_seconds):
        del seconds[0]  # in which all keys began
    began = time.thread_time()
    for of_shard in parts:
        Journal.of(read_parts(of_shard.items(), shards[0].keys_per_block, "float32", pool.state_size), model, Rules())
    stages = [costs.nanoseconds(stage, n_events) for stage in STAGES]
    alone = 1e9 * float(np.median(pool_seconds)) / n_events
    figures = [f"{value:.0f}" for value in (*stages, sum(stages), alone)]
    return [f"{n_events:,}", *figures, f"{written / n_batches / n_events:.0f}", f"{time.thread_time() - began:.2f}"]


def _advance(journal: Journal, parts: dict[Name, bytes], message: bytes, layout: Layout, costs: Costs) -> int:
    """Take a message through a shard. Returns the bytes of state that were written."""
    with costs.of("read rows"):
        table = table_of([message], layout.rows)
        rows = rows_of(table, layout)
    with costs.of("advance"):
        y, reason = journal.shard.advance(rows)
    with costs.of("write answers"):
        answer = answers_of(table, layout, y, reason)
    with costs.of("unpack"):
        for _ in unpack(lambda: layout.answers)(iter([pa.record_batch([pa.array([answer], pa.binary())], names=["message"])])):
            pass
    with costs.of("state out"):
        new, removed = journal.changes()
    parts.update(new)
    for name in removed:
        del parts[name]
    return sum(map(len, new.values()))


def _pool_alone(pool: StreamPool, slots: np.ndarray, keys: np.ndarray, order: np.ndarray, x: np.ndarray) -> float:  # type: ignore[type-arg]
    """Seconds of the same rows through a pool, as arrays."""
    began = time.thread_time()
    known = range(len(slots))
    rows = Rows(known, keys, order, x[:, None], keys < 0, np.zeros(len(keys), np.uint8))  # type: ignore[arg-type]
    for tick in Ticks(rows, np.arange(len(keys))):
        pool.step(slots[keys[tick]], rows.x[tick])
    return time.thread_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--events", default="1000,10000,100000,1000000")
    args = parser.parse_args()
    columns = ("events", *STAGES, "all, ns", "pool, ns", "B written", "read back, s")
    case = Case("lstm", 1, args.hidden)
    rows = [measure(case, args.keys, args.shards, n_events) for n_events in map(int, args.events.split(","))]
    Console(width=200).print(plain_table(columns, rows, right=columns))


if __name__ == "__main__":
    main()
