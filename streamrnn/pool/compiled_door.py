"""The compiled door of a pool: `step` as a builtin function that reads the array objects itself.

Like a stream's (streamrnn/door/compiled.py), it answers the usual call, slots and inputs as arrays of the usual dtypes, and
passes every other call on to the plain door, unchanged. Results are new arrays, which NumPy makes.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from streamrnn.code_cache import Function
from streamrnn.door.builtin import builtin, data_of, may_be_compiled, python_function
from streamrnn.door.entry_lock import busy_address, functions_of_locks
from streamrnn.door.machine.layout import (
    CHANGED,
    DRIVER,
    LAST_CALL,
    MAX_UNSHARED,
    MAX_WITH_GIL,
    N_CALLS,
    POOL,
    POOL_TABLE_FIELDS,
    RELEASE_GIL,
    SHARED_DRIVER,
    SLOT_DTYPE,
    TAKE_GIL,
)
from streamrnn.plan import Plan
from streamrnn.pool.key_rows import KeyRows, functions_of_key_rows
from streamrnn.pool.plain_door import PoolDoor
from streamrnn.pool.uses import Uses
from streamrnn.pool.worker_threads import functions_of_workers
from streamrnn.target.cpu import driver_width
from streamrnn.target.packing import Array

_DOC: Final = b"step($self, slots, X, out=None, /)\n--\n\nAdvance some streams by one step; see streamrnn.StreamPool.step."

#: A tick that reads no more than these bytes of weights, counted for each stream, keeps the GIL. It takes some 5 µs; giving the
#: GIL away can take longer.
_WITH_GIL_BYTES = 2_000_000


def functions_of_pool(plan: Plan, threads: int = 1) -> list[Function]:
    """The compiled functions of a pool."""
    doors = [_machine(plan), *functions_of_key_rows(plan)] if _is_compiled(plan) else []
    return [*plan.functions, *functions_of_locks(), *doors, *(functions_of_workers(plan) if threads > 1 else [])]


def _machine(plan: Plan) -> Function:
    return Function("door.machine.pool.step", driver_width(plan.dtype))


def _is_compiled(plan: Plan) -> bool:
    """Whether a pool has a compiled door."""
    return plan.stride == 1 and may_be_compiled()


def open_pool_compiled(door: PoolDoor, uses: Uses | None = None) -> tuple[Callable[..., Array], KeyRows] | None:
    """The compiled `step` of a pool, and what makes arrays for `step_keys`.

    uses  of a pool with a store: `step` notes there which streams it has changed

    None where compiled doors are not used, or a step takes several rows.
    """
    plan = door.memory.plan
    if not _is_compiled(plan):
        return None
    more = {
        POOL: door.memory.table_place,
        SLOT_DTYPE: id(np.dtype(np.int64)),
        MAX_UNSHARED: door.max_unshared,
        MAX_WITH_GIL: _WITH_GIL_BYTES // max(1, plan.weight_bytes),
        RELEASE_GIL: python_function("PyEval_SaveThread"),
        TAKE_GIL: python_function("PyEval_RestoreThread"),
        DRIVER: plan.driver,
        SHARED_DRIVER: door.shared_driver,
    }
    if uses:
        more |= {N_CALLS: data_of(uses.n_calls), LAST_CALL: data_of(uses.last_call), CHANGED: data_of(uses.changed)}
    words = np.zeros(POOL_TABLE_FIELDS, np.int64)
    step = builtin(_machine(plan), _DOC, plan, busy_address(door.entry_lock), words, door.step, more, uses)
    return step, KeyRows(plan, words)
