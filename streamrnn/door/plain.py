"""The plain door: takes whatever a caller may give, converts it or says what is wrong with it, and runs the driver."""

import ctypes
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.door.entry_lock import gate
from streamrnn.errors import InputError, NonFiniteInputError, NonFiniteStateError, StreamBusyError
from streamrnn.target.packing import Array
from streamrnn.target.record import INPUT_NOT_FINITE, NO_SUCH_ENTRY, STATE_NOT_FINITE
from streamrnn.workspace import Workspace

_ADDRESS = ctypes.c_int64
_KEEPS_GIL = ctypes.PYFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_int64)
_RELEASES_GIL = ctypes.CFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_int64)

#: Bytes that `process` moves before it looks for Ctrl-C: about 10 ms.
UNINTERRUPTED_BYTES = 100_000_000


class PlainDoor:
    """The way into one stream's memory, for one caller at a time, who holds it: `with door.held`.

    workspace  the stream's memory, of a plan with sizes I and O
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._table = workspace.address
        self._advance = _KEEPS_GIL(workspace.plan.driver)
        self._advance_without_gil = _RELEASES_GIL(workspace.plan.driver)
        self._dtype = np.dtype(workspace.plan.dtype)
        self._x = np.zeros(workspace.plan.input_size, self._dtype)
        self._y = np.zeros(workspace.plan.output_size, self._dtype)
        self._x_address, self._y_address = self._x.ctypes.data, self._y.ctypes.data
        self.held = gate(_refuse)
        self._n_uninterrupted = max(1, UNINTERRUPTED_BYTES // workspace.plan.step_bytes)

    def step(self, x: ArrayLike, out: Array | None = None) -> Array:
        """One step, as `Stream.step` describes it."""
        values = converted(row_of("step", x, self._x.size), self._dtype)
        if out is not None:
            self._check_out(out)
        with self.held:
            self._x[:] = values
            _explain(self._advance(self._table, self._x_address, self._y_address, 1), self._x)
            if out is None:
                return self._y.copy()
            out[:] = self._y
            return out

    def process(self, block: ArrayLike) -> Array:
        """Many steps, as `Stream.process` describes it."""
        array = block_of("process", block, self._x.size)
        try:
            x, y = np.ascontiguousarray(converted(array, self._dtype)), np.empty((len(array), self._y.size), self._dtype)
        except MemoryError:
            raise InputError(f"process: {len(array)} steps at once do not fit into memory; give them in chunks") from None
        with self.held, self._workspace.unchanged_by_errors():
            for begin in range(0, len(x), self._n_uninterrupted):
                now = slice(begin, begin + self._n_uninterrupted)
                rows, results = x[now], y[now]
                status = self._advance_without_gil(self._table, rows.ctypes.data, results.ctypes.data, len(rows))
                _explain(status, x)
        return y

    def _check_out(self, out: Any) -> None:
        size = self._y.size
        fits = type(out) is np.ndarray and out.dtype == self._dtype and out.shape == (size,)
        if not fits or not out.flags.writeable:
            raise InputError(f"step: out must be a writable {self._dtype} array of shape ({size},), not {described(out)}")


def _refuse() -> None:
    raise StreamBusyError("another thread is in this stream; give each thread its own, or take turns with a lock")


def row_of(call: str, x: ArrayLike, size: int) -> NDArray[Any]:
    """`x` as an array of shape (size,)."""
    array = numbers_of(call, x)
    if array.shape != (size,) and not (size == 1 and array.shape == ()):
        raise InputError(f"{call}: shape {array.shape} does not fit, expected ({size},); process takes many steps at once")
    return array.reshape(size)


def block_of(call: str, block: ArrayLike, size: int) -> NDArray[Any]:
    """`block` as an array of shape (n_steps, size)."""
    array = numbers_of(call, block)
    if array.ndim != 2 or array.shape[1] != size:
        raise InputError(f"{call}: shape {array.shape} does not fit, expected (n_steps, {size})")
    return array


def converted(array: NDArray[Any], dtype: np.dtype[Any]) -> Array:
    """The numbers in the model's type; those that it cannot hold become infinite, which is found later."""
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def rows_of(call: str, xs: Collection[ArrayLike], size: int) -> NDArray[Any]:
    """What `row_of` makes of each, in one array, (n, size)."""
    if set(map(type, xs)) <= {np.ndarray, list, tuple, float, int}:
        with suppress(ValueError):  # of different lengths: below is said which is wrong
            array = np.array(list(xs))
            if array.dtype.kind in "fiub" and array.shape in {(len(xs), size), (len(xs),) if size == 1 else None}:
                return array.reshape(len(xs), size)
    rows = [row_of(call, x, size) for x in xs]
    return np.stack(rows) if rows else np.zeros((0, size))


def numbers_of(call: str, value: ArrayLike) -> NDArray[Any]:
    """`value` as an array of real numbers, not converted yet. Raises InputError where it is something else."""
    if has_masked(value):
        raise InputError(f"{call}: the array has masked values; fill or drop them first")
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype} is not a real number")
        return array
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{call}: not an array of numbers ({error})") from None


def has_masked(value: Any) -> bool:
    """Whether a value is a masked array with masked values. NumPy brings in what it has for these where one is made."""
    masked_arrays = sys.modules.get("numpy.ma")
    return masked_arrays is not None and bool(masked_arrays.is_masked(value))


def described(value: Any) -> str:
    """What a value that was to be an array is instead."""
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    return f"{type(value).__name__} of {value.dtype}, shape {value.shape}{'' if value.flags.writeable else ', read-only'}"


def not_finite(x: Array, remedy: str) -> NonFiniteInputError:
    """The error for an input that is not finite: where, and what it is."""
    place = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
    return NonFiniteInputError(f"input{list(place)} is {x[place]}; {remedy}")


def _explain(status: int, x: Array) -> None:
    """Raise what the driver found."""
    if status == INPUT_NOT_FINITE:
        raise not_finite(x, "the state is as it was; leave the value out, or replace it by a number")
    if status == NO_SUCH_ENTRY:
        raise InputError(
            "an index is no whole number, or not one of the embedding's entries; the call is undone; give indices from 0 on"
        )
    if status == STATE_NOT_FINITE:
        raise NonFiniteStateError(
            f"the state left the range of {x.dtype}; the call is undone; the input is too large or the model diverges: "
            "scale the input, or reset the stream"
        )
