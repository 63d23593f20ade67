"""streamrnn: step from Python, the same step in a compiled loop, a chunk."""

from functools import cache

from benchmarks.case import Case
from benchmarks.contender import Contender
from streamrnn import Model, Stream
from streamrnn.command.measuring.loop import N_ROWS, steps_in_a_loop


@cache
def _stream(model: Model) -> Stream:
    """One stream for both, so that they work on the same memory."""
    return Stream(model)


def step(case: Case, model: Model) -> Contender:
    """`step`, from a loop of Python's."""
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
