"""`Workspace`: the memory of one stream, and the table that leads a driver through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from streamrnn.plan import Plan, aligned, fill_record, places_read
from streamrnn.target.packing import Array
from streamrnn.target.record import (
    BACKUP,
    HEADER_FIELDS,
    N_INPUTS,
    N_OPS,
    READS,
    READY,
    RECORD_FIELDS,
    SCRATCH,
    SLOTS,
    STATE,
    STATE_BLOCK,
    STATE_BYTES,
    TABLE,
    TILE,
)


class Workspace:
    """The memory of one stream, and the table (streamrnn/target/record.py) that leads a driver through it.

    `plan` is kept, since the table points into its arrays; `address` is the table's.
    `vectors[i][name]` is a view of the state vector `name` of layer i, (size,).
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        n_state = sum(stride * len(op.state) for op, stride in zip(plan.ops, plan.strides, strict=True))
        n_scratch = sum(stride * op.scratch for op, stride in zip(plan.ops, plan.strides, strict=True))
        self.state = aligned(n_state, plan.dtype)
        self._backup = aligned(n_state, plan.dtype)
        self._scratch = aligned(n_scratch, plan.dtype)
        self._between = [aligned(plan.tile * op.output_size, plan.dtype) for op in plan.ops[:-1]]
        self._ready = [aligned(size, plan.dtype) for size in plan.ready_sizes]
        self._slots = np.array([0, 0, *(buffer.ctypes.data for buffer in self._between)], np.int64)
        self._reads = list(places_read(plan, self._slots))
        self._tables = [np.array(op.table, np.int64) for op in plan.ops]
        self.vectors = self._views(plan)
        self._table = np.zeros(HEADER_FIELDS + RECORD_FIELDS * len(plan.ops), np.int64)
        self._fill_header(plan)
        self._fill_records(plan)
        self.address = int(self._table.ctypes.data)

    @contextmanager
    def unchanged_by_errors(self) -> Iterator[None]:
        """Put the state back where what follows raises, be it Ctrl-C."""
        before = self.state.copy()
        try:
            yield
        except BaseException:
            self.state[:] = before
            raise

    def _views(self, plan: Plan) -> list[dict[str, Array]]:
        views, at = [], 0
        for op, stride in zip(plan.ops, plan.strides, strict=True):
            names = {name: at + index * stride for index, name in enumerate(op.state)}
            views.append({name: self.state[begin : begin + op.state[name].size] for name, begin in names.items()})
            at += stride * len(op.state)
        return views

    def _fill_header(self, plan: Plan) -> None:
        header: dict[int, Any] = {
            N_OPS: len(plan.ops),
            TILE: plan.tile,
            SLOTS: self._slots.ctypes.data,
            STATE_BLOCK: self.state.ctypes.data,
            BACKUP: self._backup.ctypes.data,
            STATE_BYTES: self.state.nbytes,
            N_INPUTS: plan.input_size,
        }
        for position, value in header.items():
            self._table[position] = value

    def _fill_records(self, plan: Plan) -> None:
        records = self._table[HEADER_FIELDS:].reshape(len(plan.ops), RECORD_FIELDS)
        state, scratch, itemsize = self.state.ctypes.data, self._scratch.ctypes.data, self.state.itemsize
        for index, (op, stride) in enumerate(zip(plan.ops, plan.strides, strict=True)):
            memory = {
                STATE: state,
                SCRATCH: scratch,
                TABLE: self._tables[index].ctypes.data,
                READS: self._reads[index].ctypes.data,
                READY: self._ready[index].ctypes.data if self._ready[index].size else 0,
            }
            fill_record(records[index], plan, index, memory)
            state += stride * len(op.state) * itemsize
            scratch += stride * op.scratch * itemsize
