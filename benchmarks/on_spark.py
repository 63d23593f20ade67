"""Events a second through `streamrnn.spark.advance`, from Parquet to Parquet, beside a `StreamPool` alone over the same files.

    python -m benchmarks.on_spark [--triggers 1000,10000,100000,1000000] [--keys 20000] [--shards 8] [--batches 12]
                                   [--file-manager context|system]

LSTM 1-16 and a dense layer of one output, `local[2]`. A trigger is one file. Times are those of Spark's own progress reports,
the median of the triggers after the first eight, in which workers and kernels are loaded and Java compiles its code; the least
is shown too. It needs the extra `spark` and Java 17.

The checkpoint is on a local disk. There Spark's own file manager, `context`, starts a process `readlink` for almost each file
that it writes; `system` does not (docs/spark.md).
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["PYSPARK_PYTHON"] = sys.executable

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from pyspark.sql import SparkSession
from rich.console import Console

from benchmarks.case import Case
from streamrnn import Dense, Model, StreamPool
from streamrnn.command.table import plain_table
from streamrnn.spark import SETTINGS, advance
from streamrnn.spark.rows import Rows, Ticks

COLUMNS = (
    "events",
    "events/s",
    "at best",
    "pool alone",
    "share, %",
    "trigger, ms",
    "work",
    "planning",
    "commits",
    "changelog, B",
)
_SCHEMA = "key bigint, n bigint, x float"
_WARM_UP = 8  # triggers
_FILE_MANAGERS = "org.apache.spark.sql.execution.streaming.checkpointing."
_FILE_MANAGERS_OF = {
    "context": f"{_FILE_MANAGERS}FileContextBasedCheckpointFileManager",
    "system": f"{_FILE_MANAGERS}FileSystemBasedCheckpointFileManager",
}


def model() -> Model:
    random = np.random.default_rng(1)
    lstm = Case("lstm", 1, 16).model().layers[0]
    return Model([lstm, Dense(random.normal(size=(1, 16)).astype(np.float32), np.zeros(1, np.float32))])


def write(folder: Path, n_files: int, n_events: int, n_keys: int) -> None:
    """Files of events of random keys, each key's in order."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(n_files):
        keys = random.integers(0, n_keys, n_events)
        orders = np.arange(number * n_events, (number + 1) * n_events)
        x = random.normal(size=n_events).astype(np.float32)
        path = folder / f"{number:03}.parquet"
        parquet.write_table(pa.table({"key": keys, "n": orders, "x": x}), path)
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))


def through_spark(session: Any, folder: Path, shards: int) -> list[Any]:
    """The progress of each trigger."""
    rows = session.readStream.schema(_SCHEMA).option("maxFilesPerTrigger", 1).parquet(str(folder / "in"))
    answers = advance(rows, model(), key="key", inputs="x", order="n", shards=shards)
    writer = answers.writeStream.format("parquet").option("path", str(folder / "out"))
    query = writer.option("checkpointLocation", str(folder / "checkpoint")).trigger(availableNow=True).start()
    query.awaitTermination()
    return [progress for progress in query.recentProgress if progress.numInputRows]


def through_a_pool(folder: Path, n_keys: int) -> list[float]:
    """Seconds for each file: read, in ticks through a pool, written."""
    pool = StreamPool(model(), n_keys)
    slots, seconds = pool.open_many(n_keys), []
    (folder / "pool").mkdir()
    for path in sorted((folder / "in").glob("*.parquet")):
        began = time.perf_counter()
        table = parquet.read_table(path, use_threads=False)
        keys, orders, x = (table.column(name).to_numpy() for name in ("key", "n", "x"))
        nothing = np.zeros(len(keys), np.uint8)
        rows = Rows(list(range(n_keys)), keys, orders, x[:, None], nothing.astype(bool), nothing)
        y = np.empty((len(keys), 1), np.float32)
        for tick in Ticks(rows, np.arange(len(keys))):
            y[tick] = pool.step(slots[keys[tick]], rows.x[tick])
        parquet.write_table(pa.table({"key": keys, "n": orders, "y": y[:, 0]}), folder / "pool" / path.name)
        seconds.append(time.perf_counter() - began)
    return seconds


def measure(session: Any, n_events: int, n_keys: int, shards: int, n_batches: int) -> list[str]:
    """A line of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "in", _WARM_UP + n_batches, n_events, n_keys)
        progress = through_spark(session, folder, shards)[_WARM_UP:]
        alone = n_events / float(np.min(through_a_pool(folder, n_keys)[1:]))
        checkpoint = sum(path.stat().st_size for path in (folder / "checkpoint" / "state").rglob("*.changelog"))

    def median(part: str) -> float:
        return float(np.median([of_trigger.durationMs.get(part, 0) for of_trigger in progress]))

    whole = [of_trigger.durationMs["triggerExecution"] for of_trigger in progress]
    best = 1000 * n_events / min(whole)
    rates = f"{1000 * n_events / float(np.median(whole)):,.0f}", f"{best:,.0f}", f"{alone:,.0f}", f"{100 * best / alone:.0f}"
    parts = float(np.median(whole)), median("addBatch"), median("queryPlanning"), median("walCommit") + median("commitOffsets")
    written = checkpoint / ((_WARM_UP + n_batches) * n_events)
    return [f"{n_events:,}", *rates, *(f"{part:.0f}" for part in parts), f"{written:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triggers", default="1000,10000,100000,1000000")
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--file-manager", choices=list(_FILE_MANAGERS_OF), default="system")
    args = parser.parse_args()
    settings = SETTINGS | {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.streaming.checkpointFileManagerClass": _FILE_MANAGERS_OF[args.file_manager],
    }
    session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    triggers = [int(number) for number in args.triggers.split(",")]
    rows = [measure(session, n_events, args.keys, args.shards, args.batches) for n_events in triggers]
    session.stop()
    Console(width=200).print(plain_table(COLUMNS, rows, right=COLUMNS))


if __name__ == "__main__":
    main()
