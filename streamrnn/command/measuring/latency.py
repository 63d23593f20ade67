"""How long single calls take: raw times of each, which show the tail, and times of many at once, which show the rest."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]


@dataclass(frozen=True)
class Latency:
    """Percentiles of single calls, in nanoseconds. Each is a call that was made: nothing is interpolated."""

    p50: float
    p99: float
    p99_9: float
    max: float

    def to_json(self) -> dict[str, float]:
        """By name, in nanoseconds, to a tenth."""
        return {f"{name}_ns": round(value, 1) for name, value in asdict(self).items()}


def latency_of(times: Times) -> Latency:
    """Percentiles of times in nanoseconds."""
    return Latency(*(float(np.percentile(times, q, method="higher")) for q in (50, 99, 99.9, 100)))


def raw_times(call: Callable[[Any], object], arguments: Sequence[Any]) -> Times:
    """Nanoseconds of each of the calls, one per argument, with the clock's own."""
    clock = perf_counter_ns
    times = []
    for argument in arguments:
        begin = clock()
        call(argument)
        times.append(clock() - begin)
    return np.array(times, np.float64)


def clock_cost(n_looks: int = 10_000) -> float:
    """Nanoseconds that pass between two looks at the clock: part of every raw time."""
    clock = perf_counter_ns
    times = []
    for _ in range(n_looks):
        begin = clock()
        times.append(clock() - begin)
    return float(np.median(times))


def times_of(
    runs: Sequence[Callable[[], object]], begin: Callable[[], object] = lambda: None, n_rounds: int = 25
) -> list[float]:
    """Nanoseconds of each of the runs, the least of some rounds, in which they take turns; `begin` goes before each."""
    for run in runs:
        begin()
        run()
    best = [float("inf")] * len(runs)
    for _ in range(n_rounds):
        for index, run in enumerate(runs):
            begin()
            before = perf_counter_ns()
            run()
            best[index] = min(best[index], perf_counter_ns() - before)
    return best
