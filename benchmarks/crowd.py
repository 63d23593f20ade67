"""Many streams of a case, which take each step together."""

from typing import NamedTuple

import numpy as np

from benchmarks.case import SIZES, Array, Case, cases

#: Sizes for pools, unless --sizes names others.
_POOL_SIZES = "1x32,64x64,128x128"


class Crowd(NamedTuple):
    """A layer, and the number of its streams."""

    case: Case
    n_streams: int

    def __str__(self) -> str:
        return f"{self.case}, {self.n_streams} streams"

    @property
    def n_operations(self) -> int:
        """Multiplications and additions of the matrices in a tick."""
        case = self.case
        return 2 * self.n_streams * case.n_gates * case.hidden * (case.inputs + case.hidden)

    @property
    def n_ticks(self) -> int:
        """Ticks of a sample: one, or as many as take about a millisecond."""
        return max(1, min(200, 50_000_000 // self.n_operations))

    def inputs(self) -> Array:
        """The inputs of every tick, (n_streams, I)."""
        return np.random.default_rng(1).uniform(-1, 1, (self.n_streams, self.case.inputs)).astype(np.float32)


def crowds(kinds: str, sizes: str, streams: str) -> list[Crowd]:
    """All crowds of some kinds, sizes and numbers of streams, given as lists with commas."""
    chosen = cases(kinds, _POOL_SIZES if sizes == SIZES else sizes)
    return [Crowd(case, int(n_streams)) for case in chosen for n_streams in streams.split(",")]
