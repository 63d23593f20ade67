"""The compiled door of a pool: `step` as a builtin function that reads the array objects itself.

As that of a stream (compiled.py), it answers what nearly every call brings, slots and inputs as arrays of the usual types, and
passes everything else on to the plain door as it came. Results are new arrays, which NumPy makes.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from streamrnn.door.builtin import builtin, may_be_compiled, python_function
from streamrnn.door.entry_lock import place_of
from streamrnn.door.machine.layout import (
    DRIVER,
    DRIVER_OF_SHARED,
    DROPPED,
    EMPTY,
    INTEGERS,
    LET_GO,
    MOST_ALONE,
    MOST_HELD,
    NEW_REFERENCE,
    POOL,
    POOL_TABLE_FIELDS,
    TAKE_BACK,
)
from streamrnn.pool.plain_door import PoolDoor
from streamrnn.target.packing import Array

_DOC: Final = b"step($self, slots, X, out=None, /)\n--\n\nAdvance some streams by one step; see streamrnn.StreamPool.step."

#: The version of the functions that NumPy gives to extensions, and where PyArray_Empty is among them.
_INTERFACE: Final = 0x02000000
_EMPTY_PLACE: Final = 184

#: Bytes of weights, counted for each stream, up to which a tick keeps the GIL: some 5 µs, less than handing it over may take.
_HELD_BYTES = 2_000_000


def open_pool_compiled(door: PoolDoor) -> Callable[..., Array] | None:
    """The compiled `step` of a pool; None where there is to be none."""
    empty = _address_of_empty() if may_be_compiled() else None
    if empty is None:
        return None
    plan = door.memory.plan
    more = {
        POOL: door.memory.table_place,
        INTEGERS: id(np.dtype(np.int64)),
        MOST_ALONE: door.most_alone,
        MOST_HELD: _HELD_BYTES // max(1, plan.weight_bytes),
        NEW_REFERENCE: python_function("Py_IncRef"),
        DROPPED: python_function("Py_DecRef"),
        EMPTY: empty,
        LET_GO: python_function("PyEval_SaveThread"),
        TAKE_BACK: python_function("PyEval_RestoreThread"),
        DRIVER: plan.driver,
        DRIVER_OF_SHARED: door.driver_of_shared,
    }
    words = np.zeros(POOL_TABLE_FIELDS, np.int64)
    step = builtin("door.machine.pool.step", _DOC, plan, place_of(door.held), words, door.step, more)
    return step  # type: ignore[no-any-return]


@cache
def _address_of_empty() -> int | None:
    """Where PyArray_Empty is; None where it is not found, or does not do what it should."""
    try:
        from numpy._core._multiarray_umath import _ARRAY_API  # type: ignore[import-not-found]
    except ImportError:
        return None
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = ctypes.cast(pointer(_ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    if ctypes.CFUNCTYPE(ctypes.c_uint)(table[0] or 0)() != _INTERFACE:
        return None
    address = table[_EMPTY_PLACE]
    return address if address and _makes_arrays(address) else None


def _makes_arrays(address: int) -> bool:
    """Whether the function at an address makes an array of a shape and a dtype, which it takes over."""
    dtype, shape = np.dtype(np.float32), np.array([3, 5])
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(address)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(dtype))
    made: Any = make(2, shape.ctypes.data, id(dtype), 0)
    return type(made) is np.ndarray and made.shape == (3, 5) and made.dtype is dtype and made.flags.c_contiguous
