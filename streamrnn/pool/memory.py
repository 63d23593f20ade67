"""`PoolMemory`: the states of many streams of one model, a row for each, and the tables that a pool's driver reads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.memory_layout import pool_layout, row_bytes, state_vectors
from streamrnn.plan import PoolPlan
from streamrnn.target.layout import aligned
from streamrnn.target.packing import Array
from streamrnn.target.record import CAPACITY, MARKS, PAGE_BYTES, PAGES, SLOTS, STATE_BLOCK, WORKERS


class Room(NamedTuple):
    """What grows with a pool, and the tables that point to it. Replaced as a whole, so that Ctrl-C never leaves half of it.

    states     (2, capacity, any), two pages with a row for each slot
    pages      (capacity,), the page that has a slot's current states, 0 or 1
    marks      (capacity,), OPEN or CLOSED
    slots      (capacity,), room for the slots of a call
    tables     (n_threads, any), one for each thread (streamrnn/target/record.py)
    addresses  of the tables
    """

    states: Array
    pages: NDArray[np.int64]
    marks: NDArray[np.int64]
    slots: NDArray[np.int64]
    tables: NDArray[np.int64]
    addresses: list[int]


class PoolMemory:
    """The memory of a pool.

    plan             the plan; kept, since the tables point into its arrays
    room             the current room
    table_place      an address at which machine code finds the address of the first table; 0 there: the room has just changed
    workers          (1,), the address of the record of the workers; `workers_address` is its own address
    """

    def __init__(self, plan: PoolPlan, capacity: int, n_threads: int = 1) -> None:
        self.plan = plan
        self._layout = pool_layout(plan)
        vectors = [vector for of_op in state_vectors(plan) for vector in of_op.values()]
        positions = [position for begin, initial in vectors for position in range(begin, begin + initial.size)]
        self._positions = np.array(positions, np.int64)  # indices in a row of the state values, in the order of a snapshot
        self._initial = np.zeros(row_bytes(plan) // np.dtype(plan.dtype).itemsize, plan.dtype)  # the row of a new stream
        for begin, initial in vectors:
            self._initial[begin : begin + initial.size] = initial
        self._working = [aligned(self._layout.sizes["working"], np.uint8) for _ in range(n_threads)]
        self._first_table, self.workers = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.table_place, self.workers_address = self._first_table.ctypes.data, self.workers.ctypes.data
        self.room = self._room_for(capacity)
        self.ready_room()

    def grow(self, capacity: int) -> None:
        """Make room for `capacity` streams. Open streams keep their slots and their states."""
        room, n_now = self._room_for(capacity), len(self.room.marks)
        room.states[:, :n_now], room.pages[:n_now], room.marks[:n_now] = self.room.states, self.room.pages, self.room.marks
        self._first_table[0] = 0  # Ctrl-C may come between any two lines
        self.room = room
        self.ready_room()

    def ready_room(self) -> Room:
        """The room, made known to machine code. For the thread that holds the pool."""
        self._first_table[0] = self.room.addresses[0]
        return self.room

    @property
    def n_values(self) -> int:
        """Values of the states of a stream."""
        return self._positions.size

    def begin(self, slots: NDArray[np.int64] | int) -> None:
        """Set the states of streams, or of one, to the initial ones."""
        self._set_rows(slots, self._initial)

    def read(self, slots: NDArray[np.int64]) -> Array:
        """The states of streams, (n, n_values), in the order of a snapshot."""
        return self._rows(slots)[:, self._positions]

    def write(self, slots: NDArray[np.int64], states: Array) -> None:
        """Replace the states of streams by `states`, (n, n_values), in the order of a snapshot."""
        rows = np.tile(self._initial, (len(slots), 1))
        rows[:, self._positions] = states
        self._set_rows(slots, rows)

    def _room_for(self, capacity: int) -> Room:
        row, n_words = self._initial.size, -(-len(self._layout.words) // 8) * 8  # whole cache lines
        states = aligned(2 * capacity * row, self.plan.dtype).reshape(2, capacity, row)
        pages, marks, slots = (np.zeros(capacity, np.int64) for _ in range(3))
        tables = aligned(len(self._working) * n_words, np.int64).reshape(len(self._working), n_words)
        header = {
            STATE_BLOCK: states.ctypes.data,
            SLOTS: slots.ctypes.data,
            CAPACITY: capacity,
            MARKS: marks.ctypes.data,
            PAGES: pages.ctypes.data,
            PAGE_BYTES: states.strides[0],
            WORKERS: self.workers_address,
        }
        for table, working in zip(tables, self._working, strict=True):
            self._layout.bind(table, self.plan.bases | {"working": working.ctypes.data})
            for position, value in header.items():
                table[position] = value
        return Room(states, pages, marks, slots, tables, [table.ctypes.data for table in tables])

    def _rows(self, slots: NDArray[np.int64]) -> Array:
        return self.room.states[self.room.pages[slots], slots]

    def _set_rows(self, slots: NDArray[np.int64] | int, rows: Array) -> None:
        self.room.states[self.room.pages[slots], slots] = rows
