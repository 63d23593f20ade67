"""What a call costs beside the step itself: `step` in the ways in which it is called, by keys, and streams that come and go.

    python -m benchmarks.door [HIDDEN ...]

An LSTM with one input, and one with eight. All ways take turns; the least time of each is printed, in ns a call, or a stream.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.case import Case
from benchmarks.contender import Contender
from benchmarks.turns import take_turns
from streamrnn import StateStore, Stream, StreamPool
from streamrnn.command.measuring.machine import cpu_name

_N_CALLS, _N_ROUNDS, _N_STREAMS = 2000, 60, 1000


def steps(case: Case) -> dict[str, Contender]:
    """The ways to call `step`."""
    rows = case.signal(_N_CALLS)
    out, wide = np.zeros(case.hidden, np.float32), np.repeat(rows, 2, axis=1)
    given = {
        "float32 array": list(rows),
        "float64 array": list(rows.astype(np.float64)),
        "strided row": [row[::2] for row in wide],
        "list": rows.tolist(),
        "tuple": [tuple(row) for row in rows.tolist()],
    }
    if case.inputs == 1:
        given |= {
            "float": rows[:, 0].tolist(),
            "np.float32": list(rows[:, 0]),
            "np.float64": list(rows[:, 0].astype(np.float64)),
        }
    ways = {name: _dropped(Stream(case.model()).step, xs) for name, xs in given.items()}
    into, kept = Stream(case.model()).step, Stream(case.model()).step
    ways["float32 array, out="] = Contender(lambda: [into(x, out) for x in given["float32 array"]], _N_CALLS)
    ways["float32 array, kept"] = Contender(lambda: [kept(x) for x in given["float32 array"]], _N_CALLS)
    return ways


def _dropped(step: Callable[[object], object], xs: Sequence[object]) -> Contender:
    def run() -> None:
        for x in xs:
            step(x)

    return Contender(run, _N_CALLS)


def streams(case: Case) -> dict[str, Contender]:
    """Streams of a pool that are opened and closed."""
    one, many = StreamPool(case.model(), _N_STREAMS), StreamPool(case.model(), _N_STREAMS)

    def one_by_one() -> None:
        for slot in [one.open() for _ in range(_N_STREAMS)]:
            one.close(slot)

    def at_once() -> None:
        many.close(many.open_many(_N_STREAMS))

    ways = {"open and close": Contender(one_by_one, _N_STREAMS)}
    if hasattr(many, "open_many"):
        ways["open_many and close"] = Contender(at_once, _N_STREAMS)
    return ways


def ticks(case: Case, folder: str) -> dict[str, Contender]:
    """Ticks of a pool, by slots and by keys, without a store and with one, whose file is in `folder`."""
    rows = case.signal(_N_STREAMS)
    keys = [f"key {index}" for index in range(_N_STREAMS)]
    inputs = dict(zip(keys, rows, strict=True))
    ways = {}
    for name, store in (("", None), (", store", StateStore(Path(folder, str(case))))):
        pool = StreamPool(case.model(), _N_STREAMS, store)
        slots = pool.open_keys(keys)
        ways[f"tick of 1000{name}"] = Contender(partial(pool.step, slots, rows), _N_STREAMS)
        ways[f"step_keys of 1000{name}"] = Contender(partial(pool.step_keys, inputs), _N_STREAMS)
    return ways


def main(hidden: list[int]) -> None:
    print(cpu_name())
    for case in [Case("lstm", inputs, units) for units in hidden for inputs in (1, 8)]:
        with TemporaryDirectory() as folder:
            times = take_turns(steps(case) | streams(case) | ticks(case, folder), _N_ROUNDS, str(case))
        usual = min(times["float32 array"])
        for name, seconds in times.items():
            print(f"  {name:24}{min(seconds) * 1e9:8.0f} ns{(min(seconds) - usual) * 1e9:+9.0f}", flush=True)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [8, 20])
