"""Entry locks: one caller at a time in a stream or a pool. Python and machine code use the same lock.

Callers enter and leave with `with`. Ctrl-C may raise between any two calls of Python functions: after an `__enter__` that has
finished, or before an `__exit__` that has not begun, and the lock would stay taken. So both are machine code, which `with`
calls without looking for signals.
"""

import ctypes
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Final, cast

import numpy as np

from streamrnn.code_cache import address_of
from streamrnn.door.builtin import Method, layout_is_known, python_function
from streamrnn.door.machine.layout import (
    LOCK_BUSY,
    LOCK_BYTES,
    LOCK_NEW_REFERENCE,
    LOCK_NONE,
    LOCK_REFUSE,
    LOCK_VECTORCALL,
)
from streamrnn.target.cpu import driver_width

EntryLock = AbstractContextManager[None]


class PlainEntryLock:
    """An entry lock in Python, for an interpreter whose objects have another memory layout."""

    def __init__(self, refuse: Callable[[], object]) -> None:
        self._refuse, self._lock, self._busy = refuse, threading.Lock(), np.zeros(1, np.int64)
        self.busy_address = self._busy.ctypes.data

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._refuse()
        self._busy[0] = 1

    def __exit__(self, *_: object) -> None:
        self._busy[0] = 0
        self._lock.release()


def entry_lock(refuse: Callable[[], object]) -> EntryLock:
    """A new lock, free. `refuse`, a function of a module, raises the error for a caller who finds another one in."""
    if not layout_is_known():
        return PlainEntryLock(refuse)
    lock = _type_and_methods()[0]()
    words = {
        LOCK_REFUSE: id(refuse),
        LOCK_VECTORCALL: python_function("PyObject_Vectorcall"),
        LOCK_NONE: id(None),
        LOCK_NEW_REFERENCE: python_function("Py_IncRef"),
    }
    for offset, value in words.items():
        ctypes.c_int64.from_address(id(lock) + offset).value = value
    return cast(EntryLock, lock)


def busy_address(lock: EntryLock) -> int:
    """Address of a flag that is not 0 while a caller is in. Valid as long as the lock lives."""
    return lock.busy_address if isinstance(lock, PlainEntryLock) else id(lock) + LOCK_BUSY


class _TypeSlot(ctypes.Structure):
    """PyType_Slot."""

    _fields_ = (("slot", ctypes.c_int), ("value", ctypes.c_void_p))


class _TypeSpec(ctypes.Structure):
    """PyType_Spec."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_TypeSlot)),
    )


_METHODS: Final = 64  # Py_tp_methods
_NO_ARGUMENTS: Final = 0x4
_FASTCALL: Final = 0x80


@cache
def _type_and_methods() -> tuple[Any, Any]:
    """The type of entry locks, and its table of methods. The type points to the table, so both are kept for ever."""
    width = driver_width(np.float32)
    methods = (Method * 3)(
        Method(b"__enter__", address_of("door.machine.entry_lock.enter", width), _NO_ARGUMENTS, None),
        Method(b"__exit__", address_of("door.machine.entry_lock.leave", width), _FASTCALL, None),
    )
    slots = (_TypeSlot * 2)(_TypeSlot(_METHODS, ctypes.addressof(methods)))
    make = ctypes.pythonapi.PyType_FromSpec
    make.restype, make.argtypes = ctypes.py_object, (ctypes.POINTER(_TypeSpec),)
    return make(_TypeSpec(b"streamrnn.door.entry_lock.EntryLock", LOCK_BYTES, 0, 0, slots)), methods
