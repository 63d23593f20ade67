"""Numba's simulator with coroutines for the threads of a block, in place of threads of Python that wait for each other.

Some ten times as fast, and stricter: every thread runs as far as it can before the next one begins, in an order that is drawn
anew after every barrier, so that one that is missing is found by what was not written yet, or has been written over.
"""

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
from greenlet import getcurrent, greenlet
from numba.cuda.simulator import kernel, kernelapi


class _Thread(greenlet):
    """A thread of a block: what the simulator asks of threading.current_thread()."""

    def __init__(self, run: Any, manager: greenlet, block: Any, place: tuple[int, ...], block_at: tuple[int, ...]) -> None:
        super().__init__(run, manager)
        self.threadIdx, self.blockIdx = kernelapi.Dim3(*place), kernelapi.Dim3(*block_at)
        self.thread_id = place[0] + block[0] * (place[1] + block[1] * place[2])

    def syncthreads(self) -> None:
        """Wait for the other threads of the block."""
        self.parent.switch()


class _Block(kernel.BlockManager):  # type: ignore[misc]
    """A block of threads, which take turns."""

    _order = np.random.default_rng(0)

    def run(self, grid_point: tuple[int, ...], *args: Any) -> None:
        """Run all threads to their ends, from barrier to barrier."""

        def whole() -> None:
            self._f(*args)

        places = np.ndindex(*self._block_dim)
        threads = [_Thread(whole, getcurrent(), self._block_dim, place, grid_point) for place in places]
        while threads:
            for index in self._order.permutation(len(threads)):
                threads[index].switch()
            left = [thread for thread in threads if not thread.dead]
            assert len(left) in (0, len(threads)), "some threads wait at a barrier that others never reach"
            threads = left


def take_turns() -> None:
    """Have the simulator of this process run threads in turn."""
    kernel.BlockManager = _Block
    kernelapi.threading = SimpleNamespace(current_thread=getcurrent, Lock=threading.Lock)
