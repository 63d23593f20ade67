"""A fleet's load, one second ahead, on a Spark cluster whose parts are killed meanwhile: nothing is lost, nothing is doubled.

    python run.py            10 000 machines, 60 s; a master and two workers, which it starts and stops; some ten minutes
    python run.py --small    200 machines, 12 s, without a cluster: the driver is killed between two micro-batches

It needs `pip install 'streamrnn[spark]'` and Java 17. The results go to standard output, progress to standard error. The exit
code is 1 if a row is lost or doubled, or a bit of an output or a state is not that of a single `Stream`.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import fleet
import numpy as np
from cluster import Cluster
from job import MODEL
from numpy.typing import NDArray
from pyarrow import parquet

import streamrnn

HERE = Path(__file__).parent
PARTITIONS = 4
SECONDS_EACH = 5  # of a file, which is a micro-batch
_PATIENCE = 900


def expected(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[bytes]]:
    """What single streams give, one after the other: outputs (n_machines, n_seconds), and their last states."""
    model = streamrnn.load(MODEL)
    outputs, states = [], []
    for of_machine in x:
        stream = streamrnn.Stream(model)
        outputs.append(stream.process(of_machine)[:, 0])
        states.append(stream.snapshot())
    return np.array(outputs), states


def compared(folder: Path, truth: tuple[NDArray[np.float32], list[bytes]]) -> tuple[str, bool]:
    """What a query has left, compared with single streams: in words, and whether all is equal."""
    outputs, states = truth
    n_machines, n_seconds = outputs.shape
    answers = parquet.read_table(folder / "answers.parquet")
    machine = np.array([int(name.rpartition("-")[2]) for name in answers.column("machine").to_pylist()])
    second = answers.column("second").to_numpy()
    counts = np.bincount(machine * n_seconds + second, minlength=outputs.size)
    different = int((answers.column("change").to_numpy() != outputs[machine, second]).sum())
    found = parquet.read_table(folder / "states.parquet")
    of_key = dict(zip(found.column("key").to_pylist(), found.column("snapshot").to_pylist(), strict=True))
    wrong_states = sum(of_key.get(fleet.name(index)) != state for index, state in enumerate(states))
    lost, doubled = int((counts == 0).sum()), int((counts > 1).sum())
    words = f"{len(answers)} rows, {lost} lost, {doubled} doubled, {different} with other bits; "
    words += f"{len(of_key)} states, {wrong_states} with other bits"
    return words, not (lost or doubled or different or wrong_states or len(of_key) != n_machines)


def start(folder: Path, master: str) -> "subprocess.Popen[bytes]":
    """The query, in a process of its own."""
    with open(folder / "job.log", "ab") as log:
        command = [sys.executable, str(HERE / "job.py"), str(folder), master, str(PARTITIONS)]
        return subprocess.Popen(command, stdout=log, stderr=log)


def finish(job: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Wait until a query has ended."""
    if job.wait(_PATIENCE) != 0:
        sys.exit(f"run.py: the query failed; its log is\n{(folder / 'job.log').read_text()[-3000:]}")


def wait_for_commits(job: "subprocess.Popen[bytes]", folder: Path, n: int) -> None:
    """Wait until a query has committed some micro-batches."""
    end = time.monotonic() + _PATIENCE
    while sum(path.name.isdigit() for path in (folder / "checkpoint" / "commits").glob("*")) < n:
        if job.poll() is not None or time.monotonic() > end:
            finish(job, folder)
            sys.exit("run.py: the query ended before it could be killed; give it more files")
        time.sleep(0.05)


def undisturbed(folder: Path) -> None:
    """On a cluster."""
    with Cluster(folder / "cluster") as cluster:
        finish(start(folder, cluster.master), folder)


def losing_a_worker(folder: Path) -> None:
    """On a cluster; `kill -9` of a worker and its executor after three micro-batches."""
    with Cluster(folder / "cluster") as cluster:
        job = start(folder, cluster.master)
        wait_for_commits(job, folder, 3)
        say(f"  kill -9 of {cluster.kill_a_worker()} processes")
        finish(job, folder)


def losing_the_driver(folder: Path) -> None:
    """On one core; `kill -9` of the driver after two micro-batches; then on two cores."""
    job = start(folder, "local[1]")
    wait_for_commits(job, folder, 2)
    job.send_signal(signal.SIGKILL)  # its Java process ends with it
    job.wait()
    say("  kill -9 of the driver")
    finish(start(folder, "local[2]"), folder)


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--seconds", type=int, default=60, help="of each machine (default: 60)")
    parser.add_argument("--small", action="store_true", help="200 machines, 12 s, no cluster")
    args = parser.parse_args()
    n_machines, n_seconds, each = (200, 12, 2) if args.small else (args.machines, args.seconds, SECONDS_EACH)
    trials: list[Callable[[Path], None]] = [losing_the_driver]
    if not args.small:
        trials = [undisturbed, losing_a_worker, losing_the_driver]
    x = fleet.metrics(n_machines, n_seconds)
    truth = expected(x)
    streamrnn.StreamPool(streamrnn.load(MODEL))  # compiled once here, and not in each worker
    all_equal = True
    for trial in trials:
        with tempfile.TemporaryDirectory(prefix="spark_fleet-") as name:
            folder, began = Path(name), time.monotonic()
            n_files = fleet.write(folder / "in", x, each)
            say(f"{trial.__name__}: {n_machines} machines, {n_seconds} s, {n_files} micro-batches")
            trial(folder)
            words, equal = compared(folder, truth)
            all_equal &= equal
            print(f"{trial.__name__.replace('_', ' ')}: {words} ({time.monotonic() - began:.0f} s)", flush=True)
    print("every row once, every bit that of a single Stream" if all_equal else "NOT EQUAL")
    sys.exit(not all_equal)


if __name__ == "__main__":
    main()
