"""The compiled door: `step` as a builtin function that reads the array object itself.

A function of type METH_FASTCALL, compiled by Numba, is bound to a table of addresses. It looks at the header of the array that
it is given (PyArrayObject in numpy/ndarraytypes.h), and where that is what nearly every call brings - one vector of the model's
type and size - runs the driver and returns an array. Everything else it passes on to the plain door as it came.

The result comes from a ring of arrays; one is reused only while nobody but the ring holds it and nobody has changed its header,
so that what `step` returned is its caller's for good (the ownership law). A ring that is held altogether is replaced.
"""

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamrnn.door.layout import (
    ARRAY_TYPE,
    DATA,
    DIMENSIONS,
    DTYPE,
    FLAGS,
    N_DIMENSIONS,
    N_INPUTS,
    N_OUTPUTS,
    NUMBERS,
    OUT,
    PLAIN,
    PLAN,
    RING,
    RING_SIZE,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TYPE,
    VECTORCALL,
)
from streamrnn.door.plain import PlainDoor
from streamrnn.host import driver_width
from streamrnn.packing import Array, DType
from streamrnn.plan import Workspace
from streamrnn.store import address_of

_FORCED = "STREAMRNN_DOOR"


class _Method(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL_WITH_KEYWORDS: Final = 0x80 | 0x2
_DOC: Final = b"step($self, x, out=None, /)\n--\n\nAdvance by one step; see streamrnn.Stream.step."


class _Table(np.ndarray[tuple[int], np.dtype[np.int64]]):
    """The table, and whatever it points to: while the function lives, so does all that it uses."""

    held: Any


def open_compiled(workspace: Workspace, plain: PlainDoor) -> Callable[..., Array] | None:
    """The compiled `step` of a stream; None where this interpreter's objects are not laid out as it expects.

    The environment variable STREAMRNN_DOOR=plain turns it off.
    """
    if os.environ.get(_FORCED) == "plain" or not layout_is_known():
        return None
    words = np.zeros(RING + 2 * RING_SIZE, np.int64)
    ring = _Ring(words[RING:], workspace.plan.output_size, workspace.plan.dtype)

    def unusual(*args: Any, **kwargs: Any) -> Array:
        result = plain.step(*args, **kwargs)
        ring.renew()
        return result

    entries = {
        PLAN: workspace.address,
        ARRAY_TYPE: id(np.ndarray),
        NUMBERS: id(np.dtype(workspace.plan.dtype)),
        N_INPUTS: workspace.plan.input_size,
        N_OUTPUTS: workspace.plan.output_size,
        OUT: id(sys.intern("out")),
        PLAIN: id(unusual),
        VECTORCALL: ctypes.cast(ctypes.pythonapi.PyObject_Vectorcall, ctypes.c_void_p).value or 0,
    }
    for position, value in entries.items():
        words[position] = value
    table = words.view(_Table)
    table.flags.writeable = False
    table.held = workspace, unusual
    return _builtin(table, workspace.plan.dtype)


class _Ring:
    """The arrays that `step` returns in turn. `words`: their (object, data), where the compiled code finds them."""

    def __init__(self, words: NDArray[np.int64], size: int, dtype: DType) -> None:
        self._words, self._size, self._dtype = words, size, dtype
        self._arrays: list[Array] = []
        self._renewing = threading.Lock()
        self.renew()

    def renew(self) -> None:
        """Put fresh arrays in, unless one of those that are in can still be handed out, or another thread is at it."""
        if self._renewing.acquire(blocking=False):
            try:
                if not self._words[0] or not any(self._free(index) for index in range(RING_SIZE)):
                    self._replace()
            finally:
                self._renewing.release()

    def _replace(self) -> None:
        """Between any two lines another thread may step, or Ctrl-C come: what `words` point to must be alive all the time."""
        self._words[0::2] = 0
        self._arrays = [np.zeros(self._size, self._dtype) for _ in range(RING_SIZE)]
        self._words[1::2] = [_data_of(array) for array in self._arrays]
        self._words[0::2] = [id(array) for array in self._arrays]

    def _free(self, index: int) -> bool:
        """Whether nobody else holds an array (the list and the call count), nor has given it another shape."""
        return sys.getrefcount(self._arrays[index]) == 2 and self._arrays[index].shape == (self._size,)


@cache
def layout_is_known() -> bool:
    """Whether arrays, tuples and reference counts lie in memory as this file says; tried out on some of them."""
    usual = platform.python_implementation() == "CPython" and sys.byteorder == "little" and ctypes.sizeof(ctypes.c_void_p) == 8
    if not usual or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    sample = np.zeros((3, 5), np.float32)
    names = ("out", "x")
    others = [sample] * 7
    counted = _half(id(sample))
    del others
    return (
        counted - _half(id(sample)) == 7
        and _word(id(sample) + TYPE) == id(np.ndarray)
        and _word(id(sample) + DATA) == _data_of(sample)
        and _half(id(sample) + N_DIMENSIONS) == 2
        and _half(id(sample) + FLAGS) == sample.flags.num
        and _word(id(sample) + DTYPE) == id(np.dtype(np.float32))
        and _word(_word(id(sample) + DIMENSIONS)) == 3
        and _word(_word(id(sample) + DIMENSIONS) + 8) == 5
        and _word(id(names) + TUPLE_SIZE) == 2
        and _word(id(names) + TUPLE_ITEMS) == id(names[0])
    )


def data_reader() -> Callable[[NDArray[Any]], int]:
    """What tells the address of an array's data: out of its header where that is known, which takes a tenth of the time."""
    return _data_in_header if layout_is_known() else _data_of


def _data_in_header(array: NDArray[Any]) -> int:
    return ctypes.c_int64.from_address(id(array) + DATA).value


def _word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


def _half(address: int) -> int:
    return ctypes.c_int32.from_address(address).value


def _data_of(array: NDArray[Any]) -> int:
    """Address of an array's data; `array.ctypes` would keep a reference to it for a while."""
    return int(array.__array_interface__["data"][0])


@cache
def _method(dtype: np.dtype[np.floating[Any]]) -> _Method:
    return _Method(b"step", address_of("door.machine.step", driver_width(dtype.type)), _FASTCALL_WITH_KEYWORDS, _DOC)


def _builtin(table: _Table, dtype: DType) -> Callable[..., Array]:
    create = ctypes.pythonapi.PyCFunction_NewEx
    create.restype, create.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return create(ctypes.addressof(_method(np.dtype(dtype))), table, None)  # type: ignore[no-any-return]
