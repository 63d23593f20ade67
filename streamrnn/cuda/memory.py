"""`DeviceMemory`: the states of many streams in the memory of the device, and how a call takes them through a plan."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamrnn.cuda.device import current_device, explained, room_for, uploaded
from streamrnn.cuda.kernels import record
from streamrnn.cuda.kernels.device import SIMULATED
from streamrnn.cuda.kernels.parts import Pass
from streamrnn.cuda.launch import chunk_kernel, gather_kernel, scatter_kernel, softmax_kernel, tick_kernel
from streamrnn.cuda.plan import DeviceOp, DevicePlan
from streamrnn.errors import DeviceError, InputError
from streamrnn.target.packing import Array
from streamrnn.target.record import DONE

#: Blocks of threads that copy, at most; the simulator runs them one after the other.
_MOST_BLOCKS = 2 if SIMULATED else 1024


class Room(NamedTuple):
    """What grows with a pool. Replaced as a whole, so that Ctrl-C never leaves half of it.

    states  (capacity, any), on the device, a row for each slot
    marks   (capacity,), on the host, OPEN or CLOSED
    """

    states: Any
    marks: NDArray[np.int64]


class DeviceMemory:
    """The memory of a pool. Raises MemoryError where the device has too little, DeviceError where the device fails."""

    def __init__(self, plan: DevicePlan, capacity: int) -> None:
        self.plan = plan
        self.n_values = plan.n_state
        self._device = current_device()
        with explained("cuda.StreamPool"):
            self.room = self._room_for(capacity)

    @contextmanager
    def in_use(self, call: str) -> Iterator[None]:
        """As `explained`. Also raises DeviceError where the current device is not that of the pool."""
        if (now := current_device()) != self._device:
            raise DeviceError(
                f"{call}: the pool is on CUDA device {self._device}, but the current one of this thread is {now}; use the pool "
                f"within `with numba.cuda.gpus[{self._device}]`"
            )
        with explained(call):
            yield

    @contextmanager
    def _copying(self, call: str, n: int) -> Iterator[None]:
        try:
            with self.in_use(call):
                yield
        except MemoryError:
            raise InputError(f"{call}: copies of {n} streams' states do not fit into the device's memory; pass fewer") from None

    def grow(self, capacity: int) -> None:
        """Make room for `capacity` streams. Open streams keep their slots and their states."""
        n_now = len(self.room.marks)
        with self.in_use("open"):
            room = self._room_for(capacity)
            room.states[:n_now].copy_to_device(self.room.states)
        room.marks[:n_now] = self.room.marks
        self.room = room

    def begin(self, slots: NDArray[np.int64] | int) -> None:
        """Set the states of streams, or of one, to the initial ones."""
        slots = np.atleast_1d(slots)
        self.write(slots, np.tile(self.plan.initial, (len(slots), 1)))

    def read(self, slots: NDArray[np.int64]) -> Array:
        """The states of streams, (n, n_values), in the order of a snapshot."""
        n, columns = len(slots), max(1, self.n_values)
        if not n:
            return np.zeros((0, self.n_values), self.plan.dtype)
        with self._copying("snapshot", n):
            rows, status = room_for((n, columns), self.plan.dtype), self._status_block(slots)
            self._gather(rows, status, n, rows, 0)
            return np.asarray(rows.copy_to_host())[:, : self.n_values]

    def write(self, slots: NDArray[np.int64], states: Array) -> None:
        """Replace the states of streams by `states`, (n, n_values), in the order of a snapshot."""
        n = len(slots)
        if n and self.n_values:
            with self._copying("restore", n):
                self._scatter(uploaded(states), self._status_block(slots), n)

    def _status_block(self, slots: NDArray[np.int64]) -> Any:
        """A new status block: the slots of a call, and room for what kernels find (streamrnn/cuda/kernels/record.py)."""
        return uploaded(np.concatenate([np.zeros(record.STREAMS + len(slots), np.int64), slots]))

    def advance(self, slots: NDArray[np.int64], x: Any, y: Any, n_steps: int, deliver: Callable[[], None]) -> NDArray[np.int64]:
        """Take streams through the plan. The call takes effect wholly or, if there is an error, not at all.

        x        (n * n_steps, input_size), on the device: all steps of the first stream, then all of the next
        y        (n * n_steps, output_size), on the device, for the outputs
        deliver  called if there is no error, before the states are written
        returns  the status block

        The states are written last: until then an error, or Ctrl-C, leaves them as they were.
        """
        status, n_streams = self._status_block(slots), len(slots)
        shape = n_streams, self.plan.row_size
        before, after, spare = (room_for(shape, self.plan.dtype) for _ in range(3))
        self._gather(before, status, n_streams, x, self.plan.input_size)
        for op in self.plan.ops:
            is_last = op is self.plan.ops[-1]
            target = y if is_last else room_for((n_streams * n_steps, op.op.output_size), self.plan.dtype)
            self._run(op, status, x, target, (before, after, spare), n_streams, n_steps)
            x = target
        found: NDArray[np.int64] = status.copy_to_host()
        if found[record.INPUT_STATUS] == found[record.STATUS] == DONE:
            deliver()
            self._scatter(after, status, n_streams)
        return found

    def _run(
        self, op: DeviceOp, status: Any, x: Any, y: Any, vectors: tuple[Any, Any, Any], n_streams: int, n_steps: int
    ) -> None:
        """Take all steps of a layer. `vectors` are three arrays of rows: states before the call, after it, and spare rows."""
        before, after, spare = vectors
        n_here = op.streams_of_chunk(n_streams) if op.n_state and n_steps > 1 else 0
        if not op.n_state:
            self._tick(op, status, x, y, before, after, n_streams * n_steps, 0, 1)
        elif n_here:
            arguments = x, before, after, y, n_steps, op.weights, op.chunk_record(n_here), n_streams, n_here, status
            kernel, blocks = chunk_kernel(op.recipe, op.tile), (-(-n_streams // n_here), 1)
            items = n_here // op.tile.at_once * max(op.panels(one) for one in op.recipe.passes)
            threads = op.tile.lanes, min(op.tile.rows, items)
            kernel(blocks, threads, *arguments, shared_bytes=op.chunk_bytes(n_here))
        else:
            for step in range(n_steps):
                then = after if (n_steps - step) % 2 else spare
                self._tick(op, status, x, y, before, then, n_streams, step, n_steps)
                before = then
        if op.recipe.distribution:
            rows = n_streams * n_steps
            softmax_kernel(self.plan.tile)(*self._grid_for(rows), y, 0, 1, op.op.output_size, rows)

    def _tick(
        self, op: DeviceOp, status: Any, x: Any, y: Any, before: Any, after: Any, n_rows: int, at: int, stride: int
    ) -> None:
        """Take a step of a layer: all its passes, for the rows at, at + stride and so on of x and y."""
        tile = op.tile
        rows = min(tile.rows, -(-n_rows // tile.at_once))
        for index, one in enumerate(op.recipe.passes):
            fields = record.PASSES + record.PASS_FIELDS * index
            arguments = x, at, stride, before, after, y, at, stride, op.weights, op.record, fields, n_rows, status
            tick_kernel(one, tile)(self._grid(op, one, n_rows, rows), (tile.lanes, rows), *arguments)

    def _grid(self, op: DeviceOp, one: Pass, n_rows: int, rows: int) -> tuple[int, int]:
        return -(-n_rows // (rows * op.tile.at_once)), op.panels(one)

    def _gather(self, rows: Any, status: Any, n: int, x: Any, n_inputs: int) -> None:
        """Copy the states of a call's streams to the first columns of `rows`, and check the inputs."""
        dimensions = self._grid_for(max(n * self.n_values, x.shape[0] * n_inputs))
        gather_kernel(self.plan.tile)(*dimensions, self.room.states, rows, status, n, self.n_values, x, n_inputs)

    def _scatter(self, rows: Any, status: Any, n: int) -> None:
        """Copy the states of a call's streams back."""
        arguments = self.room.states, rows, status, n, self.n_values
        scatter_kernel(self.plan.tile)(*self._grid_for(n * self.n_values), *arguments)

    def _grid_for(self, count: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Grid and block dimensions for `count` independent values."""
        tile = self.plan.tile
        threads = tile.lanes * tile.rows
        return (max(1, min(_MOST_BLOCKS, -(-count // threads))), 1), (threads, 1)

    def _room_for(self, capacity: int) -> Room:
        states = room_for((capacity, max(1, self.n_values)), self.plan.dtype)
        return Room(states, np.zeros(capacity, np.int64))
