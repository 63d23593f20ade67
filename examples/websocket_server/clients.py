"""Many clients at once: how long does an answer take?

    python clients.py [--clients 1000] [--rate 10] [--seconds 20] [batched] [durable] ['on disk'] [threads]

Starts each server in turn, in a process of its own, and connects the clients to it over loopback. Each sends inputs at the
given rate, beginning at a random moment of its period. A time is from the moment at which an input was due to its answer, so
what waits for a late answer counts too. Prints a table.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np
from websockets.asyncio.client import connect

HERE = Path(__file__).parent
INPUTS = 12  # of the host load's models
WARM_UP = 2.0  # seconds that do not count
AT_ONCE = 50  # connections that are opened at the same time
SERVERS = {
    "batched": ["server.py", "--store", "states.db"],
    "durable": ["server.py", "--store", "states.db", "--durable"],
    "on disk": ["server.py", "--store", "states.db", "--durable", "--sync"],
    "threads": ["threads.py"],
}


@contextmanager
def serving(name: str) -> Iterator[str]:
    """A server in a process of its own; its address."""
    with tempfile.TemporaryDirectory() as folder:
        script, *arguments = SERVERS[name]
        command = [sys.executable, str(HERE / script), *arguments, "--port", "0"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                yield server.stdout.readline().split()[-1].removesuffix("/KEY")
            finally:
                server.terminate()


async def client(address: str, key: int, start: asyncio.Event, gate: asyncio.Semaphore, rate: float, n: int) -> list[float]:
    """The times of the answers to n inputs of one client, in seconds."""
    rng = np.random.default_rng(key)
    xs = rng.normal(size=(n, INPUTS)).astype("<f4")
    async with gate:
        connection = await connect(f"{address}/client-{key}", compression=None, ping_interval=None, open_timeout=60)
    async with connection:
        await start.wait()
        first, times = perf_counter() + rng.uniform(0, 1 / rate), []
        for index, x in enumerate(xs):
            due = first + index / rate
            await asyncio.sleep(due - perf_counter())
            await connection.send(x.tobytes())
            reply = await connection.recv()
            times.append(perf_counter() - due)
            if isinstance(reply, str):
                raise RuntimeError(reply)
        return times[int(WARM_UP * rate) :]


async def measure(address: str, n_clients: int, rate: float, seconds: float) -> Sequence[float]:
    """The times of all answers, in seconds."""
    start, gate = asyncio.Event(), asyncio.Semaphore(AT_ONCE)
    n = int((WARM_UP + seconds) * rate)
    clients = [asyncio.create_task(client(address, key, start, gate, rate, n)) for key in range(n_clients)]
    while any(not task.done() for task in clients) and gate.locked():
        await asyncio.sleep(0.1)
    start.set()
    return np.concatenate(await asyncio.gather(*clients))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", help=f"which servers: {', '.join(SERVERS)}; none: all")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=10, help="inputs a second of a client")
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    if unknown := set(args.servers) - set(SERVERS):
        parser.error(f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(SERVERS)}")
    print(f"{args.clients} clients, {args.rate:g} inputs a second each, {args.seconds:g} seconds\n")
    print(f"{'server':10} {'answers':>9} {'p50 ms':>9} {'p99 ms':>9} {'p99.9 ms':>9} {'worst ms':>9}")
    for name in args.servers or SERVERS:
        with serving(name) as address:
            times = 1e3 * np.asarray(asyncio.run(measure(address, args.clients, args.rate, args.seconds)))
        shown = [f"{value:9.2f}" for value in np.percentile(times, [50, 99, 99.9, 100])]
        print(f"{name:10} {len(times):9} {' '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
