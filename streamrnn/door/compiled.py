"""The compiled door of a stream: `step` as a builtin function that reads the array object itself.

A METH_FASTCALL function, compiled by Numba, is bound to a table of addresses. It reads the header of the array that it gets
(PyArrayObject in numpy/ndarraytypes.h). In the usual call that is one vector of the model's dtype and size; then the function
runs the driver and returns an array. It passes every other call on to the plain door, unchanged.

Results come from a ring of arrays. An array is reused only while nothing but the ring refers to it and its header is
unchanged, so a result stays the caller's for good (the ownership law). When callers hold all arrays, the ring is replaced.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamrnn.code_cache import Function
from streamrnn.door.builtin import builtin, data_of, may_be_compiled
from streamrnn.door.entry_lock import busy_address, entry_lock, functions_of_locks
from streamrnn.door.machine.layout import PLAN, RING, RING_SIZE
from streamrnn.door.plain import PlainDoor, refuse
from streamrnn.errors import StreamBusyError
from streamrnn.plan import Plan
from streamrnn.target.cpu import driver_width
from streamrnn.target.packing import Array, DType
from streamrnn.workspace import Workspace

_DOC: Final = b"step($self, x, out=None, /)\n--\n\nAdvance by one step; see streamrnn.Stream.step."


def functions_of_stream(plan: Plan) -> list[Function]:
    """The compiled functions of a stream."""
    return [*plan.functions, *functions_of_locks(), *([_machine(plan)] if may_be_compiled() else [])]


def _machine(plan: Plan) -> Function:
    return Function("door.machine.stream.step", driver_width(plan.dtype))


def open_compiled(workspace: Workspace, plain: PlainDoor) -> Callable[..., Array] | None:
    """The compiled `step` of a stream, or None where compiled doors are not used."""
    if not may_be_compiled():
        return None
    words = np.zeros(RING + 2 * RING_SIZE, np.int64)
    ring = _Ring(words[RING:], workspace.plan.output_size, workspace.plan.dtype)

    def unusual(*args: Any, **kwargs: Any) -> Array:
        result = plain.step(*args, **kwargs)
        ring.renew()
        return result

    busy, more = busy_address(plain.entry_lock), {PLAN: workspace.address}
    step = builtin(_machine(workspace.plan), _DOC, workspace.plan, busy, words, unusual, more)
    return step  # type: ignore[no-any-return]


class _Ring:
    """The arrays that `step` returns, one after the other. `words` has (object, data) of each, for the compiled code."""

    def __init__(self, words: NDArray[np.int64], size: int, dtype: DType) -> None:
        self._words, self._size, self._dtype = words, size, dtype
        self._arrays: list[Array] = []
        self._renewing = entry_lock(refuse)
        self.renew()

    def renew(self) -> None:
        """Replace the arrays if none of them can be reused, unless another call is doing that."""
        try:
            with self._renewing:
                if not self._words[0] or not any(self._free(index) for index in range(RING_SIZE)):
                    self._replace()
        except StreamBusyError:
            pass

    def _replace(self) -> None:
        # Another thread may step, or Ctrl-C may come, between any two lines: what `words` point to must always be alive.
        self._words[0::2] = 0
        self._arrays = [np.zeros(self._size, self._dtype) for _ in range(RING_SIZE)]
        self._words[1::2] = [data_of(array) for array in self._arrays]
        self._words[0::2] = [id(array) for array in self._arrays]

    def _free(self, index: int) -> bool:
        """Whether only the ring refers to an array (the list and this call make two references), with its shape unchanged."""
        return sys.getrefcount(self._arrays[index]) == 2 and self._arrays[index].shape == (self._size,)
