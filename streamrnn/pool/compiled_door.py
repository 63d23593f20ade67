"""The compiled door of a pool: `step` as a builtin function that reads the array objects itself.

Like a stream's (streamrnn/door/compiled.py), it answers the usual call, slots and inputs as arrays of the usual dtypes, and
passes every other call on to the plain door, unchanged. Results are new arrays, which NumPy makes.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from streamrnn.code_cache import Function
from streamrnn.door.builtin import builtin, may_be_compiled, python_function
from streamrnn.door.entry_lock import busy_address, functions_of_locks
from streamrnn.door.machine.layout import (
    DRIVER,
    DROP_REFERENCE,
    MAX_UNSHARED,
    MAX_WITH_GIL,
    NEW_ARRAY,
    NEW_REFERENCE,
    POOL,
    POOL_TABLE_FIELDS,
    RELEASE_GIL,
    SHARED_DRIVER,
    SLOT_DTYPE,
    TAKE_GIL,
)
from streamrnn.plan import Plan
from streamrnn.pool.plain_door import PoolDoor
from streamrnn.pool.worker_threads import functions_of_workers
from streamrnn.target.cpu import driver_width
from streamrnn.target.packing import Array

_DOC: Final = b"step($self, slots, X, out=None, /)\n--\n\nAdvance some streams by one step; see streamrnn.StreamPool.step."

#: NumPy's C interface: the version that is known here, and the position of PyArray_Empty in its table of functions.
_INTERFACE: Final = 0x02000000
_EMPTY_POSITION: Final = 184

#: A tick that reads no more than these bytes of weights, counted for each stream, keeps the GIL. It takes some 5 µs; giving the
#: GIL away can take longer.
_WITH_GIL_BYTES = 2_000_000


def functions_of_pool(plan: Plan, threads: int = 1) -> list[Function]:
    """The compiled functions of a pool."""
    doors = [_machine(plan)] if _empty(plan) is not None else []
    return [*plan.functions, *functions_of_locks(), *doors, *(functions_of_workers(plan) if threads > 1 else [])]


def _machine(plan: Plan) -> Function:
    return Function("door.machine.pool.step", driver_width(plan.dtype))


def _empty(plan: Plan) -> int | None:
    """Address of PyArray_Empty, or None where the compiled door is not used."""
    return _address_of_empty() if may_be_compiled() and plan.stride == 1 else None


def open_pool_compiled(door: PoolDoor) -> Callable[..., Array] | None:
    """The compiled `step` of a pool, or None where compiled doors are not used, or a step takes several rows."""
    plan = door.memory.plan
    empty = _empty(plan)
    if empty is None:
        return None
    more = {
        POOL: door.memory.table_place,
        SLOT_DTYPE: id(np.dtype(np.int64)),
        MAX_UNSHARED: door.max_unshared,
        MAX_WITH_GIL: _WITH_GIL_BYTES // max(1, plan.weight_bytes),
        NEW_REFERENCE: python_function("Py_IncRef"),
        DROP_REFERENCE: python_function("Py_DecRef"),
        NEW_ARRAY: empty,
        RELEASE_GIL: python_function("PyEval_SaveThread"),
        TAKE_GIL: python_function("PyEval_RestoreThread"),
        DRIVER: plan.driver,
        SHARED_DRIVER: door.shared_driver,
    }
    words = np.zeros(POOL_TABLE_FIELDS, np.int64)
    step = builtin(_machine(plan), _DOC, plan, busy_address(door.entry_lock), words, door.step, more)
    return step  # type: ignore[no-any-return]


@cache
def _address_of_empty() -> int | None:
    """Address of PyArray_Empty; None if it is not found, or does not do what it should."""
    try:
        from numpy._core._multiarray_umath import _ARRAY_API  # type: ignore[import-not-found]
    except ImportError:
        return None
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = ctypes.cast(pointer(_ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    if ctypes.CFUNCTYPE(ctypes.c_uint)(table[0] or 0)() != _INTERFACE:
        return None
    address = table[_EMPTY_POSITION]
    return address if address and _makes_arrays(address) else None


def _makes_arrays(address: int) -> bool:
    """Whether the function at an address makes an array, and takes over the reference to its dtype. Tried on one."""
    dtype, shape = np.dtype(np.float32), np.array([3, 5])
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(dtype))
    made: Any = make(2, shape.ctypes.data, id(dtype), 0)
    return type(made) is np.ndarray and made.shape == (3, 5) and made.dtype is dtype and made.flags.c_contiguous
