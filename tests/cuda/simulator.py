"""Numba's simulator with coroutines for the threads of a block, instead of Python threads that wait for each other.

It is about ten times as fast, and stricter: each thread runs until the next barrier before another thread begins, in an order
that is random after every barrier. So a missing barrier shows: a value is not written yet, or already overwritten.
"""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
from greenlet import getcurrent, greenlet
from numba.cuda.simulator import kernel, kernelapi


class _Thread(greenlet):
    """A thread of a block, with the attributes that the simulator reads from threading.current_thread()."""

    def __init__(self, run: Any, manager: greenlet, block: Any, index: tuple[int, ...], block_index: tuple[int, ...]) -> None:
        super().__init__(run, manager)
        self.threadIdx, self.blockIdx = kernelapi.Dim3(*index), kernelapi.Dim3(*block_index)
        self.thread_id = index[0] + block[0] * (index[1] + block[1] * index[2])

    def syncthreads(self) -> None:
        """Wait for the other threads of the block."""
        self.parent.switch()


class _Block(kernel.BlockManager):  # type: ignore[misc]
    """A block of threads, which run one after the other, from barrier to barrier."""

    _order = np.random.default_rng(0)

    def run(self, grid_point: tuple[int, ...], *args: Any) -> None:
        """Run all threads to their ends, from barrier to barrier."""

        def whole() -> None:
            self._f(*args)

        indices = np.ndindex(*self._block_dim)
        threads = [_Thread(whole, getcurrent(), self._block_dim, index, grid_point) for index in indices]
        while threads:
            for chosen in self._order.permutation(len(threads)):
                threads[chosen].switch()
            left = [thread for thread in threads if not thread.dead]
            assert len(left) in (0, len(threads)), "some threads wait at a barrier that others never reach"
            threads = left


def use_coroutines() -> None:
    """Make the simulator of this process run the threads of a block as coroutines."""
    kernel.BlockManager = _Block
    kernelapi.threading = SimpleNamespace(current_thread=getcurrent, Lock=threading.Lock)
