"""The load roofline: how fast this core can read the bytes of a step at the moment of the measurement.

Which way of reading is the fastest depends on the cache that holds the bytes. So there are several; the fastest counts.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from benchmarks.case import Case
from benchmarks.contender import Contender
from streamrnn.simd.memory import load, load_tuple, store
from streamrnn.simd.multiply import multiply_panel

_BLOCK = 512  # bytes that a reader loads at a time


def readers() -> dict[str, Callable[[Case], Contender]]:
    """The ways of reading the bytes of a case, by name."""
    return {f"read: {name}": _contender(name) for name in _WAYS}


def _contender(name: str) -> Callable[[Case], Contender]:
    def contender(case: Case) -> Contender:
        blocks = -(-case.weight_bytes // _BLOCK)
        kept = np.full(blocks * _BLOCK // 4 + 16, 1e-3, np.float32)  # not zeros: unwritten pages would all be the same page
        begin = kept.ctypes.data + -kept.ctypes.data % 64
        room = np.zeros(1024, np.float32)
        n_times = case.n_looped  # a sample as long as that of the loop: a shorter one finds quieter moments
        read = _WAYS[name]()

        def run() -> None:
            read(begin, blocks, n_times, room.ctypes.data)

        vars(run)["held"] = kept
        return Contender(run, n_times * blocks * _BLOCK / case.weight_bytes)

    return contender


@cache
def _sums(lanes: int) -> Any:
    """Read with eight sums: so many loads are in flight at once, and no addition waits for another."""
    step = lanes * 4

    @njit(error_model="numpy")
    def read(begin, blocks, n_times, room):
        a = b = c = d = e = f = g = h = load(begin, np.float32, lanes)
        for _ in range(n_times):
            row, end = begin, begin + blocks * _BLOCK
            while row < end:
                a, b = a + load(row, np.float32, lanes), b + load(row + step, np.float32, lanes)
                c, d = c + load(row + 2 * step, np.float32, lanes), d + load(row + 3 * step, np.float32, lanes)
                e, f = e + load(row + 4 * step, np.float32, lanes), f + load(row + 5 * step, np.float32, lanes)
                g, h = g + load(row + 6 * step, np.float32, lanes), h + load(row + 7 * step, np.float32, lanes)
                row += 8 * step
        store(room, a + b + c + d + e + f + g + h)

    return read


@cache
def _panel(ahead: int) -> Any:
    """Read as the kernels do: the rows of one long panel, each times an input."""

    @njit(error_model="numpy")
    def read(begin, blocks, n_times, room):
        sums = load_tuple(begin, np.float32, 16, 8)
        for _ in range(n_times):
            row, left = begin, blocks
            while left > 0:
                count = min(left, 256)
                sums = multiply_panel(sums, row, room + 64, count, ahead)
                row += count * _BLOCK
                left -= count
        total = sums[0]
        for index in range(1, 8):
            total = total + sums[index]
        store(room, total)

    return read


_WAYS: dict[str, Callable[[], Any]] = {
    "16 lanes": lambda: _sums(16),
    "8 lanes": lambda: _sums(8),
    "as a panel": lambda: _panel(0),
    "as a panel, ahead": lambda: _panel(2048),
}
