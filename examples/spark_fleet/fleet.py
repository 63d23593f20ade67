"""The metrics of a fleet, made of one machine's recorded trace: each machine has its own part of it, and noise of its own."""

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

HOST_LOAD = Path(__file__).parent.parent / "host_load"
sys.path.insert(0, str(HOST_LOAD))

from dataset import TRACE, dataset, read_trace  # noqa: E402
from features import NAMES  # noqa: E402

#: The columns of the inputs.
INPUTS = [f"x{index}" for index in range(len(NAMES))]

#: The columns of the files, in Spark's words.
COLUMNS = "machine string, second bigint, " + ", ".join(f"{name} float" for name in INPUTS)

_NOISE = 0.01


def metrics(n_machines: int, n_seconds: int) -> NDArray[np.float32]:
    """The features of each machine in each second, (n_machines, n_seconds, 12) float32."""
    trace = dataset(read_trace(TRACE)).x
    random = np.random.default_rng(0)
    begin = random.integers(0, len(trace) - n_seconds, n_machines)
    noise = random.normal(0, _NOISE, (n_machines, n_seconds, len(NAMES)))
    return (trace[begin[:, None] + np.arange(n_seconds)] + noise).astype(np.float32)


def name(machine: int) -> str:
    """The name of a machine, the key of its stream."""
    return f"machine-{machine:06}"


def write(folder: Path, x: NDArray[np.float32], seconds_each: int) -> int:
    """Write the metrics as Parquet files of some seconds each, rows in any order. Returns how many files there are."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(1)
    n_machines, n_seconds, _ = x.shape
    names = np.array([name(machine) for machine in range(n_machines)])
    begins = range(0, n_seconds, seconds_each)
    for number, begin in enumerate(begins):
        part = x[:, begin : begin + seconds_each]
        shuffled = random.permutation(part.shape[0] * part.shape[1])
        seconds = np.tile(np.arange(begin, begin + part.shape[1]), n_machines)[shuffled]
        columns = [pa.array(np.repeat(names, part.shape[1])[shuffled]), pa.array(seconds)]
        columns += [pa.array(column) for column in part.reshape(-1, len(INPUTS))[shuffled].T]
        path = folder / f"{number:03}.parquet"
        parquet.write_table(pa.table(columns, names=["machine", "second", *INPUTS]), path)
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))  # Spark takes the oldest file first
    return len(begins)
