"""The compiled door: `step` as a builtin function that reads the array object itself.

A function of type METH_FASTCALL, compiled by Numba, is bound to a table of addresses. It looks at the header of the array that
it is given (PyArrayObject in numpy/ndarraytypes.h), and where that is what nearly every call brings - one vector of the model's
type and size - runs the driver and returns an array. Everything else it passes on to the plain door as it came.

The result comes from a ring of arrays; one is reused only while nobody but the ring holds it and nobody has changed its header,
so that what `step` returned is its caller's for good (the ownership law). A ring that is held altogether is replaced.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamrnn.door.builtin import builtin, data_of, may_be_compiled
from streamrnn.door.entry_lock import place_of
from streamrnn.door.machine.layout import PLAN, RING, RING_SIZE
from streamrnn.door.plain import PlainDoor
from streamrnn.target.packing import Array, DType
from streamrnn.workspace import Workspace

_DOC: Final = b"step($self, x, out=None, /)\n--\n\nAdvance by one step; see streamrnn.Stream.step."


def open_compiled(workspace: Workspace, plain: PlainDoor) -> Callable[..., Array] | None:
    """The compiled `step` of a stream; None where there is to be none."""
    if not may_be_compiled():
        return None
    words = np.zeros(RING + 2 * RING_SIZE, np.int64)
    ring = _Ring(words[RING:], workspace.plan.output_size, workspace.plan.dtype)

    def unusual(*args: Any, **kwargs: Any) -> Array:
        result = plain.step(*args, **kwargs)
        ring.renew()
        return result

    step = builtin(
        "door.machine.stream.step", _DOC, workspace.plan, place_of(plain.held), words, unusual, {PLAN: workspace.address}
    )
    return step  # type: ignore[no-any-return]


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
        self._words[1::2] = [data_of(array) for array in self._arrays]
        self._words[0::2] = [id(array) for array in self._arrays]

    def _free(self, index: int) -> bool:
        """Whether nobody else holds an array (the list and the call count), nor has given it another shape."""
        return sys.getrefcount(self._arrays[index]) == 2 and self._arrays[index].shape == (self._size,)
