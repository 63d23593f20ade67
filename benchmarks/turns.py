"""Contenders in turns: in one process, one after the other, again and again, so that all meet the machine in the same moods.

pytest-benchmark times one function per test, and so one contender at a time. Here all of a group are timed first, and each
test then has its contender's times played back by the clock that pytest-benchmark reads.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.contender import Contender

_SAMPLES = 3  # of a turn; a run before them fills the caches again

Times = Mapping[str, Sequence[float]]


def take_turns(contenders: Mapping[str, Contender], n_rounds: int, say: str) -> dict[str, list[float]]:
    """Seconds per step of each contender, one time for each of its runs."""
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
    """A contender whose first run has given what is expected after so many steps."""
    np.testing.assert_allclose(contender.run(), expected(int(contender.n_steps)), atol=1e-5)
    return contender


class Playback:
    """A clock that plays back durations: between every second pair of looks, one of them passes."""

    def __init__(self) -> None:
        self._now = 0.0
        self._passing: Iterator[float] = iter(())

    def __call__(self) -> float:
        self._now += next(self._passing)
        return self._now

    def report(self, benchmark: Any, durations: Sequence[float]) -> None:
        """Give them to pytest-benchmark, as the rounds of a benchmark whose timer this is."""
        self._now = 0.0
        self._passing = iter([part for duration in durations for part in (0.0, duration)])
        benchmark.pedantic(lambda: None, rounds=len(durations))


#: What the tests name as their timer.
PLAYBACK = Playback()
