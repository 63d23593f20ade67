"""Entry locks: one caller at a time in a stream or a pool. Python and machine code use the same lock.

Callers enter and leave with `with`. Ctrl-C may raise between any two calls of Python functions: after an `__enter__` that has
finished, or before an `__exit__` that has not begun, and the lock would stay taken. So both are machine code, which `with`
calls without looking for signals.

A fork copies locks, but only the thread that forks: in the child nobody releases a lock that another thread had taken, and
what it protects may be half changed. There such a lock refuses every caller, and says so.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Final, cast
from weakref import WeakSet

import numpy as np

from streamrnn.code_cache import Function, address_of
from streamrnn.door.builtin import Method, layout_is_known, python_function
from streamrnn.door.machine.layout import (
    LOCK_BUSY,
    LOCK_BYTES,
    LOCK_NEW_REFERENCE,
    LOCK_NONE,
    LOCK_REFUSE,
    LOCK_VECTORCALL,
)
from streamrnn.errors import StreamBusyError
from streamrnn.target.cpu import driver_width

EntryLock = AbstractContextManager[None]

_locks: "WeakSet[Any]" = WeakSet()


class PlainEntryLock:
    """An entry lock for an interpreter whose objects have another memory layout.

    `with` looks up both methods first, and then calls those of `threading.Lock`, which are of C. So Ctrl-C comes before the
    lock is taken or after it is released. A caller who finds it free and then taken waits.
    """

    def __init__(self, refuse: Callable[[], object]) -> None:
        self.refuse, self._lock = refuse, threading.Lock()

    @property
    def busy(self) -> bool:
        """Whether a caller is in."""
        return self._lock.locked()

    @property
    def __enter__(self) -> Any:
        if self.busy:
            self.refuse()
        return self._lock.__enter__

    @property
    def __exit__(self) -> Any:
        return self._lock.__exit__


def entry_lock(refuse: Callable[[], object]) -> EntryLock:
    """A new lock, free. `refuse`, a function of a module, raises the error for a caller who finds another one in."""
    lock = _machine_lock(refuse) if layout_is_known() else PlainEntryLock(refuse)
    _locks.add(lock)
    return cast(EntryLock, lock)


def functions_of_locks() -> list[Function]:
    """The compiled functions of entry locks."""
    return [*_enter_and_leave()] if layout_is_known() else []


def _enter_and_leave() -> tuple[Function, Function]:
    width = driver_width(np.float32)
    return Function("door.machine.entry_lock.enter", width), Function("door.machine.entry_lock.leave", width)


def _machine_lock(refuse: Callable[[], object]) -> Any:
    lock = _type_and_methods()[0]()
    words = {
        LOCK_REFUSE: id(refuse),
        LOCK_VECTORCALL: python_function("PyObject_Vectorcall"),
        LOCK_NONE: id(None),
        LOCK_NEW_REFERENCE: python_function("Py_IncRef"),
    }
    for offset, value in words.items():
        ctypes.c_int64.from_address(id(lock) + offset).value = value
    return lock


def busy_address(lock: EntryLock) -> int:
    """Address of a flag that is not 0 while a caller is in. Valid as long as the lock, one in machine code, lives."""
    return id(lock) + LOCK_BUSY


def _refuse_after_fork() -> None:
    raise StreamBusyError(
        "another thread was in this stream or pool when the process forked, so its copy in this process may be half changed; "
        "make a new one here, or fork while no other thread uses it"
    )


def _refuse_what_was_busy() -> None:
    """In a fork: let the locks that were taken say why they stay so."""
    for lock in _locks:
        if isinstance(lock, PlainEntryLock):
            if lock.busy:
                lock.refuse = _refuse_after_fork
        elif ctypes.c_int64.from_address(busy_address(lock)).value:
            ctypes.c_int64.from_address(id(lock) + LOCK_REFUSE).value = id(_refuse_after_fork)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_refuse_what_was_busy)


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
_MAY_BE_BASE: Final = 1 << 10  # Py_TPFLAGS_BASETYPE
_NO_ARGUMENTS: Final = 0x4
_FASTCALL: Final = 0x80


@cache
def _type_and_methods() -> tuple[Any, Any]:
    """The type of entry locks, and its table of methods. The type points to the table, so both are kept for ever."""
    enter, leave = _enter_and_leave()
    methods = (Method * 3)(
        Method(b"__enter__", address_of(*enter), _NO_ARGUMENTS, None),
        Method(b"__exit__", address_of(*leave), _FASTCALL, None),
    )
    slots = (_TypeSlot * 2)(_TypeSlot(_METHODS, ctypes.addressof(methods)))
    make = ctypes.pythonapi.PyType_FromSpec
    make.restype, make.argtypes = ctypes.py_object, (ctypes.POINTER(_TypeSpec),)
    base = make(_TypeSpec(b"streamrnn.door.entry_lock.BaseEntryLock", LOCK_BYTES, 0, _MAY_BE_BASE, slots))
    return type("EntryLock", (base,), {"__slots__": ("__weakref__",)}), methods
