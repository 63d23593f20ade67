"""Many keys through a small pool with a store: memory stays flat, and every stream has the bits that it has alone.

    python -m benchmarks.many_keys [--keys 10000000] [--capacity 100000] [--folder FOLDER]

Each tick begins as many new streams as fit, with keys in random order. It also steps some streams of a sample of a thousand,
which were evicted long before, and compares each with a `Stream` of its own. The store takes about 250 bytes per key in the
folder, which is a temporary one by default.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.case import Case
from streamrnn import StateStore, Stream, StreamPool

CASE = Case("lstm", 1, 16)
N_SAMPLES, N_BACK = 1000, 8
TICK = 4096  # keys of a tick, if the pool has room for them
WARM = 10  # memory is measured after so many times the capacity of the pool


class Found(NamedTuple):
    """The results of a run, in bytes and seconds."""

    seconds: float
    resident: int  # memory of the process after the warm-up
    least: int  # the least of it from then on
    most: int  # and the most
    file: int  # of the store
    n_compared: int  # steps of sampled streams
    n_evicted: int  # sampled streams that had to be brought back
    n_different: int

    def __str__(self) -> str:
        resident, least, most, file = (value / 2**20 for value in (self.resident, self.least, self.most, self.file))
        return (
            f"{self.seconds:.0f} s; resident {resident:.1f} MiB after warm-up, {least:.1f} to {most:.1f} from then on; "
            f"store {file:.0f} MiB; {self.n_compared} steps of {N_SAMPLES} sampled streams compared, "
            f"{self.n_evicted} of them back from the store, {self.n_different} different"
        )


def resident() -> int:
    """Bytes of this process that are in memory. Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def key_of(number: int, n_keys: int) -> str:
    """The key of a stream. Consecutive numbers have keys that are not in order."""
    return f"sensor {number * 7_368_787 % n_keys:08d}"  # times a prime, so that no two keys are the same


def run(n_keys: int, capacity: int, folder: Path, n_samples: int = N_SAMPLES) -> Found:
    """Take `n_keys` keys through a pool of a capacity, with a store in a folder."""
    model, rng = CASE.model(), np.random.default_rng(0)
    alone = {key_of(number, n_keys): Stream(model) for number in np.linspace(0, n_keys - 1, n_samples).astype(int).tolist()}
    begun: list[str] = []
    tick = min(TICK, capacity) - N_BACK
    n_compared = n_evicted = n_different = after_warm_up = 0
    least, most = sys.maxsize, 0
    path = folder / "states"
    with StateStore(path) as store:
        pool = StreamPool(model, capacity, store)
        begin = time.perf_counter()
        for first in range(0, n_keys, tick):
            new = [key_of(number, n_keys) for number in range(first, min(first + tick, n_keys))]
            back = [begun[index] for index in set(rng.integers(0, len(begun), N_BACK).tolist())] if begun else []
            n_evicted += sum(key not in pool.keys for key in back)
            x = rng.normal(size=(len(new) + len(back), CASE.inputs)).astype(np.float32)
            y = pool.step(pool.open_keys(new + back), x)
            for index, key in enumerate(new + back):
                if key in alone:
                    n_compared += 1
                    n_different += y[index].tobytes() != alone[key].step(x[index]).tobytes()
            begun += [key for key in new if key in alone]
            if first >= WARM * capacity:
                after_warm_up = after_warm_up or resident()
                least, most = min(least, resident()), max(most, resident())
            if first // tick % 250 == 0:
                print(f"{first} keys, {time.perf_counter() - begin:.0f} s, {resident() / 2**20:.1f} MiB", file=sys.stderr)
        pool.flush()
        least, most = min(least, resident()), max(most, resident())
        seconds = time.perf_counter() - begin
        assert len(store) == n_keys
        saved = store.get(alone)
        n_different += sum(saved[key] != stream.snapshot() for key, stream in alone.items())
    return Found(seconds, after_warm_up, least, most, path.stat().st_size, n_compared, n_evicted, n_different)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--capacity", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        print(f"{CASE}, {args.keys} keys through {args.capacity} slots: {run(args.keys, args.capacity, Path(folder))}")


if __name__ == "__main__":
    main()
