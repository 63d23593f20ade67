"""The peak of this core: how many FMAs per second it can do at the moment of the measurement."""

import numpy as np
from numba import njit

from benchmarks.contender import Contender
from benchmarks.crowd import Crowd
from streamrnn.simd.arithmetic import fma
from streamrnn.simd.memory import load, store
from streamrnn.target.cpu import widest_vector

_LANES = widest_vector() // 4
_AT_ONCE = 12  # independent FMAs: more than a core has in flight, with two units of four or five cycles


def peak(crowd: Crowd) -> Contender:
    """As many operations as the matrices of a tick take, but on registers only."""
    n_ticks = crowd.n_ticks
    n_times = max(1, n_ticks * crowd.n_operations // (2 * _LANES * _AT_ONCE))
    memory = np.full(256, 1e-3, np.float32)

    def run() -> None:
        _multiply(memory.ctypes.data, n_times)

    return Contender(run, n_times * 2 * _LANES * _AT_ONCE * crowd.n_streams / crowd.n_operations)


@njit(error_model="numpy")
def _multiply(at, n_times):
    x, y = load(at, np.float32, _LANES), load(at + 4 * _LANES, np.float32, _LANES)
    a = b = c = d = e = f = g = h = i = j = k = m = x
    for _ in range(n_times):
        a, b, c, d = fma(x, y, a), fma(x, y, b), fma(x, y, c), fma(x, y, d)
        e, f, g, h = fma(x, y, e), fma(x, y, f), fma(x, y, g), fma(x, y, h)
        i, j, k, m = fma(x, y, i), fma(x, y, j), fma(x, y, k), fma(x, y, m)
    store(at + 8 * _LANES, a + b + c + d + e + f + g + h + i + j + k + m)
