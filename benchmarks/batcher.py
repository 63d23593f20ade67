"""Steps a second from many asyncio tasks through one `Batcher`, each of which awaits its step before it asks for the next.

    python -m benchmarks.batcher [--tasks 1000] [--steps 100] [--rounds 7]

Beside it, in turns, the same tasks with the same futures and nothing behind them: what asyncio itself takes. The figure is that
of the best round, by the clock and by the CPU time of the process, which does not count what other programs take.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.case import Case
from streamrnn import StreamPool
from streamrnn.aio import Batcher

CASES = [Case("lstm", 1, 32), Case("gru", 16, 64)]

Step = Callable[[int, Any], Awaitable[Any]]


class Nothing:
    """A batcher that answers all who wait at once, with nothing."""

    def __init__(self, n_tasks: int) -> None:
        self._n_tasks = n_tasks
        self._waiting: list[asyncio.Future[None]] = []

    async def step(self, key: int, x: Any) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append(future)
        if len(self._waiting) == self._n_tasks:
            loop.call_soon(self._answer)
        await future

    def _answer(self) -> None:
        answered, self._waiting = self._waiting, []
        for future in answered:
            future.set_result(None)


async def steps_a_second(step: Step, xs: Any) -> tuple[float, float]:
    """Steps a second by the clock and by CPU time, of a task for each signal of xs, (n_tasks, n_steps, input_size)."""

    async def task(key: int) -> None:
        for x in xs[key]:
            await step(key, x)

    begin, begin_cpu = perf_counter(), process_time()
    await asyncio.gather(*map(task, range(len(xs))))
    n = xs.shape[0] * xs.shape[1]
    return n / (perf_counter() - begin), n / (process_time() - begin_cpu)


async def compare(case: Case, n_tasks: int, n_steps: int, n_rounds: int) -> dict[str, tuple[float, float]]:
    """The best of some rounds: name -> steps a second by the clock and by CPU time."""
    model = case.model()
    xs = np.random.default_rng(0).normal(size=(n_tasks, n_steps, model.input_size)).astype(np.float32)
    best = {"Batcher": (0.0, 0.0), "asyncio alone": (0.0, 0.0)}
    async with Batcher(StreamPool(model, n_tasks)) as batcher:
        for _ in range(n_rounds):
            for name, step in (("Batcher", batcher.step), ("asyncio alone", Nothing(n_tasks).step)):
                found = await steps_a_second(step, xs)
                best[name] = max(best[name][0], found[0]), max(best[name][1], found[1])
        print(batcher.metrics, file=sys.stderr)
    return best


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    for case in CASES:
        for name, (by_clock, by_cpu) in asyncio.run(compare(case, args.tasks, args.steps, args.rounds)).items():
            print(f"{case}, {args.tasks} tasks, {name}: {by_clock:,.0f} steps a second, {by_cpu:,.0f} by CPU time")


if __name__ == "__main__":
    main()
