"""Damaged files of a store: each gives an error or the truth, soon.

    python -m tests.states.damage [N] [FIRST]

Tries N damages (10 000), from the seed FIRST (0) on. Exit code 1 if one gives something else.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from streamrnn import StateStore, StoreError, Stream
from tests.models import model

KINDS = "bit", "bit", "bit", "bits", "byte", "zeros", "cut", "swapped pages"
KEYS: list[Any] = [*(f"k{index:03d}" for index in range(100)), *range(60), *(b"b%d" % index for index in range(20))]
NOTE = "12345"
PAGE = 4096
LONGEST = 2.0  # seconds of all calls for one file


def make(path: Path) -> dict[Any, bytes]:
    """A store; what it holds."""
    stream = Stream(model("rnn-tanh", inputs=3, hidden=2))
    states = [stream.snapshot(), (stream.step([1, 2, 3]), stream.snapshot())[1]]
    with StateStore(path) as store:
        store.put({key: states[index % 2] for index, key in enumerate(KEYS)}, NOTE)
        return store.get(KEYS)


def damaged(good: bytes, seed: int) -> tuple[str, bytes]:
    """A kind of damage, and the damaged bytes."""
    rng = random.Random(seed)
    kind, data = rng.choice(KINDS), bytearray(good)
    at = rng.randrange(len(data))
    if kind == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "bits":
        for _ in range(rng.randrange(2, 30)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        data[at] = rng.randrange(256)
    elif kind == "zeros":
        n = rng.choice([16, 512, PAGE])
        begin = at // n * n
        data[begin : begin + n] = bytes(n)
    elif kind == "cut":
        data = data[: max(1, at)]  # an empty file is a new store
    else:
        one, other = (slice(PAGE * n, PAGE * (n + 1)) for n in rng.sample(range(len(data) // PAGE), 2))
        data[one], data[other] = data[other], data[one]
    return kind, bytes(data)


def lies(path: Path, truth: dict[Any, bytes]) -> list[str]:
    """What a store says that is not so."""
    found = []
    with StateStore(path, sync=False) as store:
        if store.note != NOTE:
            found.append(f"note {store.note!r}")
        for key in KEYS:
            try:
                if store.get([key]) != {key: truth[key]}:
                    found.append(f"state of {key!r}")
            except StoreError:
                pass
        if len(store) != len(KEYS) or set(store) != set(KEYS):
            found.append("keys")
        store.put({"new": truth[KEYS[0]]})
        if store.get(["new", KEYS[0]]) != {"new": truth[KEYS[0]], KEYS[0]: truth[KEYS[0]]}:
            found.append("what has been put")
    return found


def run(n: int, first: int, folder: Path) -> tuple[Counter[str], list[str], float]:
    """How often each thing happened; what went wrong; the longest time for a file, in seconds."""
    truth, counts, wrong, longest = make(folder / "good"), Counter[str](), [], 0.0
    good = (folder / "good").read_bytes()
    for seed in range(first, first + n):
        kind, data = damaged(good, seed)
        for path in folder.glob("damaged*"):
            path.unlink()
        (folder / "damaged").write_bytes(data)
        begin = time.perf_counter()
        try:
            found = lies(folder / "damaged", truth)
            counts["the truth, or errors for single keys"] += 1
            wrong += [f"seed {seed} ({kind}): {', '.join(found)}"] if found else []
        except StoreError:
            counts["an error"] += 1
        except Exception as error:
            wrong.append(f"seed {seed} ({kind}): {type(error).__name__} {error}")
        longest = max(longest, time.perf_counter() - begin)
    return counts, wrong, longest


def main() -> int:
    """The command line."""
    n, first = (*map(int, sys.argv[1:]), *(10_000, 0)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as folder:
        counts, wrong, longest = run(n, first, Path(folder))
    print(f"{n} damages: {dict(counts)}; {len(wrong)} wrong; the longest took {longest:.2f} s", *wrong, sep="\n")
    return 1 if wrong or longest > LONGEST else 0


if __name__ == "__main__":
    sys.exit(main())
