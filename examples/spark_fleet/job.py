"""The query, as a program: `python job.py FOLDER MASTER PARTITIONS`.

It takes the files in FOLDER/in that are new, one a micro-batch, and goes on where an earlier run stopped or was killed. Then it
leaves all answers in FOLDER/answers.parquet and all states in FOLDER/states.parquet, to be compared.
"""

import os
import sys
from pathlib import Path

os.environ["PYSPARK_PYTHON"] = sys.executable  # the driver's own worker heeds nothing else

from fleet import COLUMNS, INPUTS
from pyarrow import parquet
from pyspark.sql import SparkSession

import streamrnn
from streamrnn.spark import SETTINGS, advance, read_states

MODEL = Path(__file__).parent / "gru.safetensors"


def session_on(master: str, partitions: int) -> SparkSession:
    """A session with the settings that keeping states needs."""
    settings = SETTINGS | {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "800m",
        "spark.executor.memory": "700m",
        "spark.task.maxFailures": "8",
        "spark.sql.shuffle.partitions": str(partitions),
        "spark.executorEnv.PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    session = SparkSession.builder.master(master).appName("spark_fleet").config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def main() -> None:
    """Take what is new, and leave what there is."""
    folder, master, partitions = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    session = session_on(master, partitions)
    rows = session.readStream.schema(COLUMNS).option("maxFilesPerTrigger", 1).parquet(str(folder / "in"))
    model = streamrnn.load(MODEL)
    answers = advance(rows, model, key="machine", inputs=INPUTS, order="second", outputs="change", shards=8)
    writer = answers.writeStream.format("parquet").option("path", str(folder / "out"))
    query = writer.option("checkpointLocation", str(folder / "checkpoint")).trigger(availableNow=True).start()
    query.awaitTermination()
    for progress in query.recentProgress:
        milliseconds = progress.durationMs["triggerExecution"]
        print(f"micro-batch {progress.batchId}: {progress.numInputRows} rows, {milliseconds} ms", file=sys.stderr)
    parquet.write_table(session.read.parquet(str(folder / "out")).toArrow(), folder / "answers.parquet")
    parquet.write_table(read_states(session, str(folder / "checkpoint")).toArrow(), folder / "states.parquet")
    session.stop()


if __name__ == "__main__":
    main()
