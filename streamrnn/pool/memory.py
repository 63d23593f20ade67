"""`PoolMemory`: the states of many streams of one model, a row each, and the table that leads a pool's driver through them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.plan import PoolPlan, aligned, fill_record, places_read
from streamrnn.target.cpu import driver_width
from streamrnn.target.packing import Array, Op
from streamrnn.target.record import (
    CHOSEN,
    MARKS,
    N_INPUTS,
    N_OPS,
    N_PLACES,
    PAGE_BYTES,
    PAGES,
    POOL_HEADER_FIELDS,
    READS,
    READY,
    RECORD_FIELDS,
    ROWS,
    SCRATCH,
    SLOTS,
    SPARE,
    STATE,
    STATE_BLOCK,
    STATE_BYTES,
    TABLE,
    TILE,
    TILE_ROWS,
    WORKERS,
)

#: Streams whose sums a kernel holds at once, at most (streamrnn/kernels/pool/panel.py).
_MOST_AT_ONCE = 8


class Room(NamedTuple):
    """What grows with a pool, and the table that points to it: replaced as one, so that Ctrl-C never leaves a part of it.

    states   (2, n_places, any), two pages with a row for each stream
    pages    (n_places,), on which of them its present is
    marks    (n_places,), whether it is open
    chosen   (n_places,), for the numbers of a call's streams
    tables   (n_threads, any), one for each thread (streamrnn/target/record.py)
    addresses  of the tables
    """

    states: Array
    pages: NDArray[np.int64]
    marks: NDArray[np.int64]
    chosen: NDArray[np.int64]
    tables: NDArray[np.int64]
    addresses: list[int]


class Bench:
    """What a thread works with while it takes streams of a pool through the ops: nothing that outlasts a call."""

    def __init__(self, plan: PoolPlan, row_size: int) -> None:
        ops = list(zip(plan.ops, plan.strides, strict=True))
        self.scratch = [aligned(plan.tile * stride * _n_scratch(op), plan.dtype) for op, stride in ops]
        self.ready = [aligned(_ready_size(plan, index), plan.dtype) for index in range(len(plan.ops))]
        self.tile_rows = np.zeros(4 * plan.tile, np.int64)
        self.spare = aligned(plan.tile * row_size, plan.dtype)
        self._between = [aligned(plan.tile * op.output_size, plan.dtype) for op in plan.ops[:-1]]
        self.slots = np.array([0, 0, *(buffer.ctypes.data for buffer in self._between)], np.int64)
        self.reads = list(places_read(plan, self.slots))


class PoolMemory:
    """The memory of a pool.

    `plan` is kept, since tables point into its arrays. `room` is the one to use now; at the address `table_place` is that of
    its first table, for machine code, or 0 where the room has just changed. `workers` is for the address of a workers's record.
    """

    def __init__(self, plan: PoolPlan, n_places: int, n_threads: int = 1) -> None:
        self.plan = plan
        self._row = self._row_size(plan)
        places = [place for at, initial in self._vectors() for place in range(at, at + initial.size)]
        self._places = np.array(places, np.int64)  # of the state vectors in a row, in the order of a snapshot
        self._initial = np.zeros(self._row, plan.dtype)  # the row of a new stream
        for at, initial in self._vectors():
            self._initial[at : at + initial.size] = initial
        self._benches = [Bench(plan, self._row) for _ in range(n_threads)]
        self._tables = [np.array(op.table, np.int64) for op in plan.ops]
        self._first_table, self.workers = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.table_place, self.workers_address = self._first_table.ctypes.data, self.workers.ctypes.data
        self.room = self._room_for(n_places)
        self.ready_room()

    def grow(self, n_places: int) -> None:
        """Have room for so many streams. Those that are there keep their numbers and their states."""
        room, n_now = self._room_for(n_places), len(self.room.marks)
        room.states[:, :n_now], room.pages[:n_now], room.marks[:n_now] = self.room.states, self.room.pages, self.room.marks
        self._first_table[0] = 0  # Ctrl-C may come between any two lines
        self.room = room
        self.ready_room()

    def ready_room(self) -> Room:
        """The room, which machine code finds too. For the holder of the pool."""
        self._first_table[0] = self.room.addresses[0]
        return self.room

    @property
    def n_values(self) -> int:
        """Values of a stream's state."""
        return self._places.size

    def begin(self, numbers: NDArray[np.int64]) -> None:
        """Give streams the initial state."""
        self._set_rows(numbers, self._initial)

    def read(self, numbers: NDArray[np.int64]) -> Array:
        """The states of streams, (n, n_values), in the order of a snapshot."""
        return self._rows(numbers)[:, self._places]

    def write(self, numbers: NDArray[np.int64], states: Array) -> None:
        """Put states, (n, n_values), in place of streams'."""
        rows = np.tile(self._initial, (len(numbers), 1))
        rows[:, self._places] = states
        self._set_rows(numbers, rows)

    def _room_for(self, n_places: int) -> Room:
        states = aligned(2 * n_places * self._row, self.plan.dtype).reshape(2, n_places, self._row)
        pages, marks, chosen = (np.zeros(n_places, np.int64) for _ in range(3))
        tables = np.zeros((len(self._benches), POOL_HEADER_FIELDS + RECORD_FIELDS * len(self.plan.ops)), np.int64)
        for table, bench in zip(tables, self._benches, strict=True):
            header = {
                N_OPS: len(self.plan.ops),
                TILE: self.plan.tile,
                SLOTS: bench.slots.ctypes.data,
                STATE_BLOCK: states.ctypes.data,
                STATE_BYTES: states.strides[1],
                N_INPUTS: self.plan.input_size,
                CHOSEN: chosen.ctypes.data,
                N_PLACES: n_places,
                MARKS: marks.ctypes.data,
                TILE_ROWS: bench.tile_rows.ctypes.data,
                PAGES: pages.ctypes.data,
                PAGE_BYTES: states.strides[0],
                SPARE: bench.spare.ctypes.data,
                WORKERS: self.workers_address,
            }
            for position, value in header.items():
                table[position] = value
            self._fill_records(table[POOL_HEADER_FIELDS:].reshape(-1, RECORD_FIELDS), bench)
        return Room(states, pages, marks, chosen, tables, [table.ctypes.data for table in tables])

    @contextmanager
    def unchanged_by_errors(self, chosen: NDArray[np.int64]) -> Iterator[None]:
        """Put the states of the chosen streams back where what follows raises, be it Ctrl-C."""
        before = self._rows(chosen)
        try:
            yield
        except BaseException:
            self._set_rows(chosen, before)
            raise

    def _rows(self, numbers: NDArray[np.int64]) -> Array:
        return self.room.states[self.room.pages[numbers], numbers]

    def _set_rows(self, numbers: NDArray[np.int64], rows: Array) -> None:
        self.room.states[self.room.pages[numbers], numbers] = rows

    def _ops(self) -> Iterator[tuple[Op, int]]:
        return zip(self.plan.ops, self.plan.strides, strict=True)

    def _vectors(self) -> Iterator[tuple[int, Array]]:
        """Where each state vector begins in a row, and its initial values, in the order of a snapshot."""
        at = 0
        for op, stride in self._ops():
            for initial in op.state.values():
                yield at, initial
                at += stride

    def _row_size(self, plan: PoolPlan) -> int:
        """Values of a row: an odd number of cache lines, so that the rows of several streams do not compete for one set."""
        line = driver_width(plan.dtype).lanes
        lines = sum(stride * len(op.state) for op, stride in self._ops()) // line
        return (lines | 1) * line

    def _fill_records(self, records: NDArray[np.int64], bench: Bench) -> None:
        state, itemsize = 0, np.dtype(self.plan.dtype).itemsize
        for index, (op, stride) in enumerate(self._ops()):
            memory = {
                STATE: state,
                SCRATCH: bench.scratch[index].ctypes.data,
                TABLE: self._tables[index].ctypes.data,
                READS: bench.reads[index].ctypes.data,
                READY: bench.ready[index].ctypes.data if bench.ready[index].size else 0,
                ROWS: bench.tile_rows.ctypes.data,
            }
            fill_record(records[index], self.plan, index, memory)
            state += stride * len(op.state) * itemsize


def _n_scratch(op: Op) -> int:
    """Scratch vectors of an op for each stream of a tile: a convolution needs one more than for a single stream."""
    return op.scratch + 1 if op.state else op.scratch


def _ready_size(plan: PoolPlan, index: int) -> int:
    """Values of room for sums: of a tile's inputs, or, where there is a state, of what a kernel does at once."""
    op, width = plan.ops[index], plan.widths[index]
    return _MOST_AT_ONCE * (op.gates + 1) * width.units if op.state else plan.ready_sizes[index]
