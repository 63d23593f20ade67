"""What a pool needs of its memory and its door. The CPU and the GPU have one of each."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamrnn.door.entry_lock import EntryLock
from streamrnn.pool.slot_arguments import Slots
from streamrnn.target.packing import Array


class Room(Protocol):
    """What grows with a pool."""

    @property
    def marks(self) -> NDArray[np.int64]:
        """(n_rows,), in host memory: OPEN or CLOSED for each slot."""


class Memory(Protocol):
    """The states of a pool's streams. A stream's slot is the index of its row."""

    @property
    def room(self) -> Room:
        """The present room. `grow` replaces it as a whole."""

    @property
    def n_values(self) -> int:
        """Values of one stream's state."""

    def grow(self, n_rows: int, /) -> None:
        """Have this many rows. Open streams keep their slots and states. Raises MemoryError."""

    def begin(self, slots: Slots | int, /) -> None:
        """Set the states of some slots, or of one, to the initial state."""

    def read(self, slots: Slots, /) -> Array:
        """The states of some slots, (n, n_values), in the order of a snapshot."""

    def write(self, slots: Slots, states: Array, /) -> None:
        """Set the states of some slots, (n, n_values)."""


class Door(Protocol):
    """The way into a memory, for one caller at a time, who is inside `with door.entry_lock`.

    before_use  called with a call's slots before they advance, by the caller who is in
    """

    before_use: Callable[[Slots], None]

    @property
    def entry_lock(self) -> EntryLock:
        """The lock."""

    def step(self, slots: Any, X: Any, out: Any = None, /) -> Any:
        """One step, as `StreamPool.step` describes it."""

    def process(self, slots: Any, X: Any, /) -> Any:
        """Many steps, as `StreamPool.process` describes it."""


def no_preparation(slots: Slots) -> None:
    """The `before_use` of a pool without a store: nothing to do."""
