"""Segments of speech from probabilities, one at a time: with a lower bound for the end, and short pauses bridged."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

BEGINS, ENDS = 0.5, 0.35  # the probability at which speech begins, and below which it may end
PAUSE = 0.1  # seconds: a shorter pause ends no segment


class Change(NamedTuple):
    """Speech begins or ends.

    begins   whether it begins
    seconds  when, since the start of the signal
    """

    begins: bool
    seconds: float


def changes(probabilities: Iterable[float], step: float) -> Iterator[Change]:
    """Each change, as soon as it is known. Speech that goes on at the end of the signal ends there.

    probabilities  of speech in each step
    step           seconds of a step
    """
    speaking, n_steps, n_quiet = False, 0, 0
    for n_steps, probability in enumerate(probabilities, 1):
        n_quiet = 0 if probability >= BEGINS else n_quiet + (n_quiet > 0 or probability < ENDS)
        if not speaking and probability >= BEGINS:
            speaking = True
            yield Change(True, (n_steps - 1) * step)
        elif speaking and n_quiet >= math.ceil(round(PAUSE / step, 6)):
            speaking = False
            yield Change(False, (n_steps - n_quiet) * step)
    if speaking:
        yield Change(False, (n_steps - n_quiet) * step)
