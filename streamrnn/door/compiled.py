"""The compiled door of a stream: `step` as a builtin function that reads the caller's objects itself.

A METH_FASTCALL function, compiled by Numba, is bound to a table of addresses. In the usual call it gets one vector of the
model's dtype and size, reads its header (PyArrayObject in numpy/ndarraytypes.h), runs the driver and returns an array. It first
converts a vector of 32 or 64 bits with any stride, a float, or a list or tuple of floats. It passes every other call on to the
plain door, unchanged.

Results come from a ring of arrays. An array is reused only while nothing but the ring refers to it and its header is
unchanged, so a result stays the caller's for good (the ownership law). When callers hold all arrays, NumPy makes a new one,
which takes the place of the ring's first.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from streamrnn.code_cache import Function
from streamrnn.door.builtin import builtin, data_of, may_be_compiled
from streamrnn.door.entry_lock import busy_address, functions_of_locks
from streamrnn.door.machine.layout import (
    CONVERTED,
    PLAN,
    RING,
    RING_DATA,
    RING_SIZE,
    STREAM_TABLE_FIELDS,
)
from streamrnn.door.plain import PlainDoor
from streamrnn.plan import Plan
from streamrnn.target.cpu import driver_width
from streamrnn.target.packing import Array
from streamrnn.workspace import Workspace

_DOC: Final = b"step($self, x, out=None, /)\n--\n\nAdvance by one step; see streamrnn.Stream.step."


def functions_of_stream(plan: Plan) -> list[Function]:
    """The compiled functions of a stream."""
    return [*plan.functions, *functions_of_locks(), *([_machine(plan)] if may_be_compiled() else [])]


def _machine(plan: Plan) -> Function:
    return Function("door.machine.stream.step", driver_width(plan.dtype))


def open_compiled(workspace: Workspace, plain: PlainDoor) -> Callable[..., Array] | None:
    """The compiled `step` of a stream, or None where compiled doors are not used."""
    if not may_be_compiled():
        return None
    plan = workspace.plan
    arrays = [np.zeros(plan.output_size, plan.dtype) for _ in range(RING_SIZE)]
    ring, converted = np.empty(RING_SIZE, object), np.zeros(plan.input_size, plan.dtype)
    for index, array in enumerate(arrays):
        ring[index] = array  # it owns the reference; machine code replaces it
    more = {
        PLAN: workspace.address,
        CONVERTED: data_of(converted),
        RING: data_of(ring),
        **{RING_DATA + index: data_of(array) for index, array in enumerate(arrays)},
    }
    words, busy = np.zeros(STREAM_TABLE_FIELDS, np.int64), busy_address(plain.entry_lock)
    step = builtin(_machine(plan), _DOC, plan, busy, words, plain.step, more, (ring, converted))
    return step  # type: ignore[no-any-return]
