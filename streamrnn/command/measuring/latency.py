"""Times of calls: of each single one, to see the slowest, and of many together, for precise means."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]


@dataclass(frozen=True)
class Latency:
    """Percentiles of single calls, in nanoseconds. Each is the time of one call; nothing is interpolated."""

    p50: float
    p99: float
    p99_9: float
    max: float

    def to_json(self) -> dict[str, float]:
        """By name, in nanoseconds, rounded to a tenth."""
        return {f"{name}_ns": round(value, 1) for name, value in asdict(self).items()}


def latency_of(times: Times) -> Latency:
    """The percentiles of times in nanoseconds."""
    return Latency(*(float(np.percentile(times, q, method="higher")) for q in (50, 99, 99.9, 100)))


def raw_times(call: Callable[[Any], object], arguments: Sequence[Any]) -> Times:
    """Nanoseconds of single calls, one for each argument. The time of reading the clock is included."""
    clock = perf_counter_ns
    times = []
    for argument in arguments:
        begin = clock()
        call(argument)
        times.append(clock() - begin)
    return np.array(times, np.float64)


def clock_cost(n_readings: int = 10_000) -> float:
    """Nanoseconds between two readings of the clock (the median). Each raw time includes them."""
    clock = perf_counter_ns
    times = []
    for _ in range(n_readings):
        begin = clock()
        times.append(clock() - begin)
    return float(np.median(times))


def times_of(
    runs: Sequence[Callable[[], object]], begin: Callable[[], object] = lambda: None, n_rounds: int = 25
) -> list[float]:
    """Nanoseconds of each run, the minimum of some rounds in which the runs alternate. `begin` is called before each run."""
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
