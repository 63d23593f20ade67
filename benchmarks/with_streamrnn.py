"""streamrnn: a step from Python, the same step in a compiled loop, a chunk; for many streams, a pool and a loop of streams."""

from functools import cache

import numpy as np

from benchmarks.case import Case
from benchmarks.contender import Contender
from benchmarks.crowd import Crowd
from streamrnn import Model, Stream, StreamPool
from streamrnn.command.measuring.loop import N_ROWS, steps_in_a_loop


@cache
def _stream(model: Model) -> Stream:
    """One stream for `step` and `loop`, so that both work on the same memory."""
    return Stream(model)


def step(case: Case, model: Model) -> Contender:
    """`step` in a loop of Python."""
    stream = _stream(model)
    rows = list(case.signal(N_ROWS)) * (case.n_calls // N_ROWS)
    advance = stream.step

    def run() -> object:
        for x in rows:
            y = advance(x)
        return y

    return Contender(run, case.n_calls)


def loop(case: Case, model: Model) -> Contender:
    """The step in a compiled loop."""
    stream = _stream(model)
    stream.reset()
    return Contender(steps_in_a_loop(stream, case.signal(N_ROWS), case.n_looped), case.n_looped)


def chunk(case: Case, model: Model, n_steps: int) -> Contender:
    """`process`."""
    stream, x = Stream(model), case.signal(n_steps)
    return Contender(lambda: stream.process(x)[-1], n_steps)


def pool(crowd: Crowd, model: Model, threads: int = 1) -> Contender:
    """A tick of all streams of a pool."""
    x, streams = crowd.inputs(), StreamPool(model, crowd.n_streams, threads=threads)
    y = np.zeros((crowd.n_streams, crowd.case.hidden), np.float32)
    slots = np.array([streams.open() for _ in range(crowd.n_streams)])

    def run() -> object:
        for _ in range(crowd.n_ticks):
            streams.step(slots, x, y)
        return y

    return Contender(run, crowd.n_ticks * crowd.n_streams)


def pool_on_two_threads(crowd: Crowd, model: Model) -> Contender:
    """The same with two threads, where the pool uses both."""
    return pool(crowd, model, threads=2)


def third_of_pool(crowd: Crowd, model: Model) -> Contender:
    """A tick of a random third of the streams, another third each time."""
    n, rng, streams = max(1, crowd.n_streams // 3), np.random.default_rng(2), StreamPool(model, crowd.n_streams)
    slots = np.array([streams.open() for _ in range(crowd.n_streams)])
    x, y = crowd.inputs()[:n], np.zeros((n, crowd.case.hidden), np.float32)
    thirds = [rng.permutation(slots)[:n] for _ in range(3 * crowd.n_ticks)]

    def run() -> None:
        for third in thirds:
            streams.step(third, x, y)

    return Contender(run, len(thirds) * n)


def loop_of_streams(crowd: Crowd, model: Model) -> Contender:
    """A tick of as many single streams, one after the other."""
    rows, calls = list(crowd.inputs()), [Stream(model).step for _ in range(crowd.n_streams)]

    def run() -> object:
        for _ in range(crowd.n_ticks):
            y = [call(row) for call, row in zip(calls, rows, strict=True)]
        return np.stack(y)

    return Contender(run, crowd.n_ticks * crowd.n_streams)
