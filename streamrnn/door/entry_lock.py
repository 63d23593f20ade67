"""Gates: who is in a stream or a pool. Python and machine code go in by the same one.

A gate is entered and left by `with`. Ctrl-C raises between any two calls of Python functions, behind an `__enter__` that has
done its work and before an `__exit__` that has not. So these are machine code, which `with` calls without looking for signals:
who was in when Ctrl-C came is out again.
"""

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from streamrnn.code_cache import address_of
from streamrnn.door.builtin import Method, layout_is_known, python_function
from streamrnn.door.machine.layout import (
    GATE_BUSY,
    GATE_BYTES,
    GATE_NEW_REFERENCE,
    GATE_NONE,
    GATE_REFUSE,
    GATE_VECTORCALL,
)
from streamrnn.target.cpu import driver_width


class PlainEntryLock:
    """A gate in Python, where the interpreter's objects are not laid out as machine code expects."""

    def __init__(self, refuse: Callable[[], object]) -> None:
        self._refuse, self._lock, self._busy = refuse, threading.Lock(), np.zeros(1, np.int64)
        self.place = self._busy.ctypes.data

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._refuse()
        self._busy[0] = 1

    def __exit__(self, *_: object) -> None:
        self._busy[0] = 0
        self._lock.release()


def gate(refuse: Callable[[], object]) -> Any:
    """A new gate, free. `refuse`, a function of a module, raises what one who finds another in is to get."""
    if not layout_is_known():
        return PlainEntryLock(refuse)
    made = _type_and_methods()[0]()
    words = {
        GATE_REFUSE: id(refuse),
        GATE_VECTORCALL: python_function("PyObject_Vectorcall"),
        GATE_NONE: id(None),
        GATE_NEW_REFERENCE: python_function("Py_IncRef"),
    }
    for place, value in words.items():
        ctypes.c_int64.from_address(id(made) + place).value = value
    return made


def place_of(gate: Any) -> int:
    """The address of what is not 0 while a caller is in. Valid as long as the gate lives."""
    return gate.place if isinstance(gate, PlainEntryLock) else id(gate) + GATE_BUSY


class _Slot(ctypes.Structure):
    """PyType_Slot."""

    _fields_ = (("slot", ctypes.c_int), ("value", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    """PyType_Spec."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    )


_METHODS: Final = 64  # Py_tp_methods
_NO_ARGUMENTS: Final = 0x4
_FASTCALL: Final = 0x80


@cache
def _type_and_methods() -> tuple[Any, Any]:
    """The type of gates, and the table of its methods, which it points to: both for good."""
    width = driver_width(np.float32)
    methods = (Method * 3)(
        Method(b"__enter__", address_of("door.machine.entry_lock.enter", width), _NO_ARGUMENTS, None),
        Method(b"__exit__", address_of("door.machine.entry_lock.leave", width), _FASTCALL, None),
    )
    slots = (_Slot * 2)(_Slot(_METHODS, ctypes.addressof(methods)))
    make = ctypes.pythonapi.PyType_FromSpec
    make.restype, make.argtypes = ctypes.py_object, (ctypes.POINTER(_Spec),)
    return make(_Spec(b"streamrnn.door.entry_lock.Gate", GATE_BYTES, 0, 0, slots)), methods
