"""What the compiled doors share: builtin functions over machine code, each bound to a table of addresses."""

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamrnn.code_cache import Function, address_of
from streamrnn.door.machine.layout import (
    ARRAY_TYPE,
    BUSY,
    DATA,
    DIMENSIONS,
    DOUBLE_DTYPE,
    DOUBLE_TYPE,
    DROP_REFERENCE,
    DTYPE,
    FLAGS,
    FLOAT_TYPE,
    LIST_ITEMS,
    LIST_SIZE,
    LIST_TYPE,
    N_DIMENSIONS,
    N_INPUTS,
    N_OUTPUTS,
    NEW_ARRAY,
    NEW_REFERENCE,
    NUMBER,
    OUT,
    PLAIN_STEP,
    SINGLE_DTYPE,
    SINGLE_TYPE,
    STRIDE,
    STRIDES,
    TUPLE_ITEMS,
    TUPLE_SIZE,
    TUPLE_TYPE,
    TYPE,
    VALUE_DTYPE,
    VECTORCALL,
)
from streamrnn.plan import Plan

_FORCED = "STREAMRNN_DOOR"

#: NumPy's C interface: the version that is known here, and the position of PyArray_NewFromDescr in its table of functions.
_INTERFACE: Final = 0x02000000
_NEW_ARRAY_POSITION: Final = 94


class Method(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL_WITH_KEYWORDS: Final = 0x80 | 0x2


class _Table(np.ndarray[tuple[int], np.dtype[np.int64]]):
    """A table that also keeps the objects it points to: they live as long as the function."""

    kept: Any


def may_be_compiled() -> bool:
    """Whether compiled doors are used. The environment variable STREAMRNN_DOOR=plain turns them off."""
    return os.environ.get(_FORCED) != "plain" and layout_is_known() and _address_of_new_array() is not None


def builtin(
    machine: Function,
    doc: bytes,
    plan: Plan,
    busy: int,
    words: NDArray[np.int64],
    unusual: Any,
    more: Mapping[int, int],
    kept: Any = None,
) -> Any:
    """The builtin `step` of a plan.

    machine  the compiled function
    doc      docstring, in the format of a builtin
    busy     address of the entry lock's flag, not 0 while a caller is in
    words    the table to bind; it is filled with the entries of every door, and with `more`
    unusual  the function that answers every unusual call
    kept     what else must live as long as the builtin
    """
    entries = {
        ARRAY_TYPE: id(np.ndarray),
        VALUE_DTYPE: id(np.dtype(plan.dtype)),
        N_INPUTS: plan.input_size,
        N_OUTPUTS: plan.output_size,
        STRIDE: plan.stride,
        OUT: id(sys.intern("out")),
        PLAIN_STEP: id(unusual),
        VECTORCALL: python_function("PyObject_Vectorcall"),
        BUSY: busy,
        NEW_REFERENCE: python_function("Py_IncRef"),
        DROP_REFERENCE: python_function("Py_DecRef"),
        NEW_ARRAY: _address_of_new_array() or 0,
        LIST_TYPE: id(list),
        TUPLE_TYPE: id(tuple),
        FLOAT_TYPE: id(float),
        SINGLE_TYPE: id(np.float32),
        DOUBLE_TYPE: id(np.float64),
        SINGLE_DTYPE: id(np.dtype(np.float32)),
        DOUBLE_DTYPE: id(np.dtype(np.float64)),
    }
    for position, value in (entries | dict(more)).items():
        words[position] = value
    table = words.view(_Table)
    table.flags.writeable = False
    table.kept = unusual, kept
    create = ctypes.pythonapi.PyCFunction_NewEx
    create.restype, create.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return create(ctypes.addressof(_method(machine, doc)), table, None)


@cache
def _method(machine: Function, doc: bytes) -> Method:
    return Method(b"step", address_of(*machine), _FASTCALL_WITH_KEYWORDS, doc)


@cache
def python_function(name: str) -> int:
    """The address of a function of Python's C interface."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


@cache
def layout_is_known() -> bool:
    """Whether arrays, tuples and reference counts have the memory layout of machine/layout.py; tried on examples."""
    usual = platform.python_implementation() == "CPython" and sys.byteorder == "little" and ctypes.sizeof(ctypes.c_void_p) == 8
    if not usual or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    sample = np.zeros((3, 5), np.float32)
    names, listed = ("out", "x"), ["out", "x"]
    others = [sample] * 7
    counted = _half(id(sample))
    del others
    return (
        counted - _half(id(sample)) == 7
        and _word(id(sample) + TYPE) == id(np.ndarray)
        and _word(id(sample) + DATA) == data_of(sample)
        and _half(id(sample) + N_DIMENSIONS) == 2
        and _half(id(sample) + FLAGS) == sample.flags.num
        and _word(id(sample) + DTYPE) == id(np.dtype(np.float32))
        and _word(_word(id(sample) + DIMENSIONS)) == 3
        and _word(_word(id(sample) + DIMENSIONS) + 8) == 5
        and _word(id(sample) + STRIDES) == _word(id(sample) + DIMENSIONS) + 16
        and _word(_word(id(sample) + STRIDES)) == 20
        and _word(_word(id(sample) + STRIDES) + 8) == 4
        and _word(id(names) + TUPLE_SIZE) == 2
        and _word(id(names) + TUPLE_ITEMS) == id(names[0])
        and _word(id(listed) + LIST_SIZE) == 2
        and _word(_word(id(listed) + LIST_ITEMS) + 8) == id(listed[1])
        and all(_has_number(number, ctypes.c_double) for number in (0.3, np.float64(0.3)))
        and _has_number(np.float32(0.3), ctypes.c_float)
    )


def _has_number(number: Any, kind: Any) -> bool:
    return bool(kind.from_address(id(number) + NUMBER).value == number)


@cache
def _address_of_new_array() -> int | None:
    """Address of PyArray_NewFromDescr; None if it is not found, or does not do what it should."""
    try:
        from numpy._core._multiarray_umath import _ARRAY_API  # type: ignore[import-not-found]
    except ImportError:
        return None
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = ctypes.cast(pointer(_ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    if ctypes.CFUNCTYPE(ctypes.c_uint)(table[0] or 0)() != _INTERFACE:
        return None
    address = table[_NEW_ARRAY_POSITION]
    return address if address and _makes_arrays(address) else None


def _makes_arrays(address: int) -> bool:
    """Whether the function at an address makes an array, and takes over the reference to its dtype. Tried on one."""
    dtype, shape = np.dtype(np.float32), np.array([3, 5])
    make = ctypes.PYFUNCTYPE(ctypes.py_object, *[ctypes.c_int64] * 8)(address)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(dtype))
    made: Any = make(id(np.ndarray), id(dtype), 2, data_of(shape), 0, 0, 0, 0)
    is_usual = type(made) is np.ndarray and made.shape == (3, 5) and made.dtype is dtype
    return is_usual and made.flags.carray and made.flags.owndata


def data_reader() -> Callable[[NDArray[Any]], int]:
    """The function that gives the address of an array's data. It reads the array's header if possible: ten times as fast."""
    return _data_in_header if layout_is_known() else data_of


def _data_in_header(array: NDArray[Any]) -> int:
    return ctypes.c_int64.from_address(id(array) + DATA).value


def _word(address: int) -> int:
    return ctypes.c_int64.from_address(address).value


def _half(address: int) -> int:
    return ctypes.c_int32.from_address(address).value


def data_of(array: NDArray[Any]) -> int:
    """Address of an array's data. (`array.ctypes` would keep a reference to the array for a while.)"""
    return int(array.__array_interface__["data"][0])
