"""Contenders take turns: in one process, one after the other, again and again, so that all have the same conditions.

pytest-benchmark times one function per test, so one contender at a time. Here all contenders of a group are timed first. Each
test then plays back the times of its contender, with a clock that pytest-benchmark reads.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.contender import Contender

_SAMPLES = 3  # samples of a turn, after a run that fills the caches again

Times = Mapping[str, Sequence[float]]


def take_turns(contenders: Mapping[str, Contender], n_rounds: int, say: str) -> dict[str, list[float]]:
    """Time the contenders in turns. Returns the seconds per step of each, for every sample. Prints `say` at the beginning."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    print(say, file=sys.stderr, flush=True)
    for _ in range(n_rounds):
        for name, (run, n_steps) in contenders.items():
            run()
            for _ in range(_SAMPLES):
                begin = perf_counter_ns()
                run()
                times[name].append((perf_counter_ns() - begin) / n_steps / 1e9)
    return times


def checked(contender: Contender, expected: Callable[[int], Any]) -> Contender:
    """A contender, after a check of its first run. `expected(n_steps)` is what it must return."""
    np.testing.assert_allclose(contender.run(), expected(int(contender.n_steps)), atol=1e-5)
    return contender


class Playback:
    """A clock that plays back durations: one for every two readings."""

    def __init__(self) -> None:
        self._now = 0.0
        self._passing: Iterator[float] = iter(())

    def __call__(self) -> float:
        self._now += next(self._passing)
        return self._now

    def report(self, benchmark: Any, durations: Sequence[float]) -> None:
        """Report durations to pytest-benchmark, as the rounds of a benchmark whose timer is this clock."""
        self._now = 0.0
        self._passing = iter([part for duration in durations for part in (0.0, duration)])
        benchmark.pedantic(lambda: None, rounds=len(durations))


#: The timer of all benchmarks.
PLAYBACK = Playback()
