"""`Gate`: who is in a pool. Python enters through it, and so does machine code (machine/pool.py)."""

import ctypes

import numpy as np

from streamrnn.host import driver_width
from streamrnn.store import address_of

_ADDRESS = ctypes.c_int64
_ENTER = ctypes.PYFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS)


class Gate:
    """Lets one caller in at a time. `place` is the address of what is not 0 while one is in."""

    def __init__(self) -> None:
        self._busy = np.zeros(1, np.int64)
        self._enter = _ENTER(address_of("door.machine.pool.enter", driver_width(np.float32)))
        self.place = self._busy.ctypes.data

    def enter(self) -> bool:
        """Go in, unless another is in."""
        return not self._enter(self.place, 0, 0, 0)

    def leave(self) -> None:
        """Go out. For the one who is in."""
        self._busy[0] = 0
