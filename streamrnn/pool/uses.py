"""`Uses`: which streams of a pool were named last, and which have changed since they were saved."""

import numpy as np
from numpy.typing import NDArray

from streamrnn.pool.slot_arguments import Slots


class Uses:
    """What a pool with a store knows of each slot. The compiled door writes it too, as `note` does.

    last_call  (capacity,), int64: the last call that named the slot's stream; calls are counted
    changed    (capacity,), bool: whether its state has changed since it was saved. Free slots count as changed: after an
               interrupted open an extra save is harmless, a missed one is not.
    """

    def __init__(self, capacity: int) -> None:
        self.n_calls: NDArray[np.int64] = np.zeros(1, np.int64)
        self.last_call: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self.changed: NDArray[np.bool_] = np.ones(capacity, bool)

    def begin_call(self) -> int:
        """The number of a call that begins."""
        self.n_calls[0] += 1
        return int(self.n_calls[0])

    def note(self, slots: Slots) -> None:
        """Note that a call is about to change some streams. `slots` may not have been checked yet."""
        slots = slots[(slots >= 0) & (slots < len(self.changed))]
        self.last_call[slots] = self.begin_call()
        self.changed[slots] = True
