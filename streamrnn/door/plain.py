"""The plain door of a stream: it converts a caller's arrays, or says what is wrong with them, and runs the driver."""

import ctypes

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.door.arguments import block_of, check_out, converted, input_of, non_finite_input, own_copy
from streamrnn.door.builtin import data_reader
from streamrnn.door.entry_lock import entry_lock
from streamrnn.errors import InputError, NonFiniteStateError, StreamBusyError
from streamrnn.target.packing import Array
from streamrnn.target.record import INPUT_NOT_FINITE, NO_SUCH_ENTRY, STATE_NOT_FINITE
from streamrnn.workspace import Workspace

_ADDRESS = ctypes.c_int64
_KEEPS_GIL = ctypes.PYFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_int64)
_RELEASES_GIL = ctypes.CFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_int64)

#: Bytes that `process` moves before it looks for Ctrl-C: about 10 ms, but whole tiles, in which the steps share loaded weights.
UNINTERRUPTED_BYTES = 100_000_000


class PlainDoor:
    """The way into one stream's memory, for one caller at a time, who is inside `with door.entry_lock`.

    workspace  the stream's memory, of a plan with sizes I and O
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._table = workspace.address
        self._advance = _KEEPS_GIL(workspace.plan.driver)
        self._advance_without_gil = _RELEASES_GIL(workspace.plan.driver)
        self._dtype = np.dtype(workspace.plan.dtype)
        self._stride, self._x = workspace.plan.stride, np.zeros(workspace.plan.step_shape, self._dtype)
        self._y = np.zeros(workspace.plan.output_size, self._dtype)
        self._x_address, self._y_address = self._x.ctypes.data, self._y.ctypes.data
        self.entry_lock = entry_lock(refuse)
        tile = workspace.plan.tile
        self._n_uninterrupted = tile * max(1, UNINTERRUPTED_BYTES // (tile * workspace.plan.step_bytes))

    def step(self, x: ArrayLike, out: Array | None = None) -> Array:
        """One step, as `Stream.step` describes it."""
        values = converted(input_of("step", x, self._x.shape), self._dtype)
        if out is not None:
            check_out(out, (self._y.size,), self._dtype)
        with self.entry_lock:
            self._x[:] = values
            _raise_for(self._advance(self._table, self._x_address, self._y_address, 1), self._x)
            if out is None:
                return self._y.copy()
            out[:] = self._y
            return out

    def process(self, block: ArrayLike, out: Array | None = None) -> Array:
        """Many steps, as `Stream.process` describes it."""
        array = block_of("process", block, self._x.shape[-1], self._stride)
        shape = len(array) // self._stride, self._y.size
        if out is not None:
            check_out(out, shape, self._dtype, call="process")
        direct = out is not None and out.flags.carray and not np.may_share_memory(out, array)
        try:
            y = out if out is not None and direct else np.empty(shape, self._dtype)
        except MemoryError:
            raise InputError(f"process: {len(array)} rows at once do not fit into memory; give them in chunks") from None
        state, data_of = self._workspace.state, data_reader()
        with self.entry_lock:
            before = state.copy()
            try:
                for begin in range(0, len(y), self._n_uninterrupted):
                    end = begin + self._n_uninterrupted
                    x, results = own_copy(array[begin * self._stride : end * self._stride], self._dtype), y[begin:end]
                    status = self._advance_without_gil(self._table, data_of(x), data_of(results), len(results))
                    _raise_for(status, x, begin * self._stride)
            except BaseException:
                state[:] = before  # a single assignment without a call: another Ctrl-C cannot come before it is done
                raise
        if out is None or direct:
            return y
        out[:] = y
        return out


def refuse() -> None:
    """Raise the error for a caller who finds another one in the stream."""
    raise StreamBusyError("another thread is in this stream; give each thread its own, or take turns with a lock")


def _raise_for(status: int, x: Array, begin: int = 0) -> None:
    """Raise the error that a driver's status stands for. x begins at index `begin` of the caller's array."""
    if status == INPUT_NOT_FINITE:
        raise non_finite_input(x, "the state is unchanged; leave the value out, or replace it with a number", begin)
    if status == NO_SUCH_ENTRY:
        raise InputError(
            "an index is not a whole number, or not an entry of the embedding; the call is undone; give indices from 0 on"
        )
    if status == STATE_NOT_FINITE:
        raise NonFiniteStateError(
            f"the state left the range of {x.dtype}; the call is undone; the input is too large or the model diverges: "
            "scale the input, or reset the stream"
        )
