"""`Stream`: one signal going through a model, step by step, with the state in between."""

import ctypes
import threading
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn import snapshot
from streamrnn.errors import InputError, NonFiniteInputError, NonFiniteStateError, StreamBusyError, StreamRNNError
from streamrnn.model import Model
from streamrnn.plan import Workspace, plan_of
from streamrnn.record import INPUT_NOT_FINITE, STATE_NOT_FINITE

_ADDRESS = ctypes.c_int64
_KEEPS_GIL = ctypes.PYFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_int64)
_RELEASES_GIL = ctypes.CFUNCTYPE(ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS, ctypes.c_int64)


class Stream:
    """A model and the state of one signal.

    Making a stream packs the weights and compiles the kernels of the model's layers, the first time about a second each;
    afterwards nothing is compiled. A call that raises leaves the state as it was. A stream serves one thread at a time.

    model  shared by any number of streams
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model, Model):
            raise StreamRNNError(f"Stream: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
        plan = plan_of(model)
        self._model = model
        self._workspace = Workspace(plan)
        self._advance = _KEEPS_GIL(plan.driver)
        self._advance_without_gil = _RELEASES_GIL(plan.driver)
        self._busy = threading.Lock()
        self._x = np.zeros(model.input_size, np.float32)
        self._y = np.zeros(model.output_size, np.float32)
        self._x_address, self._y_address = self._x.ctypes.data, self._y.ctypes.data
        self.reset()

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def states(self) -> tuple[dict[str, NDArray[np.float32]], ...]:
        """A copy of the state: for each layer the name and the (size,) float32 values of its state vectors."""
        with self._alone():
            return tuple({name: view.copy() for name, view in views.items()} for views in self._workspace.vectors)

    def step(self, x: ArrayLike) -> NDArray[np.float32]:
        """Advance by one step.

        x        (input_size,), float32 or what converts to it; a number, where input_size is 1
        returns  (output_size,) float32, the caller's to keep

        Raises InputError for another shape or type, NonFiniteInputError for NaN or infinity, NonFiniteStateError where a
        finite input overflows the state, StreamBusyError where another thread is in the stream.
        """
        with self._alone():
            self._x[:] = self._vector(x)
            self._check(self._advance(self._workspace.address, self._x_address, self._y_address, 1), self._x)
            return self._y.copy()

    def process(self, block: ArrayLike) -> NDArray[np.float32]:
        """Advance by many steps: the same bits as one `step` after the other. Releases the GIL.

        block    (n_steps, input_size), float32 or what converts to it; n_steps may be 0
        returns  (n_steps, output_size) float32, the caller's to keep

        Raises as `step` does; then no step of the block has been taken.
        """
        x = np.ascontiguousarray(_numbers("process", block), np.float32)
        if x.ndim != 2 or x.shape[1] != self._model.input_size:
            raise InputError(f"process: shape {x.shape} does not fit, expected (n_steps, {self._model.input_size})")
        y = np.empty((len(x), self._model.output_size), np.float32)
        with self._alone():
            self._check(self._advance_without_gil(self._workspace.address, x.ctypes.data, y.ctypes.data, len(x)), x)
        return y

    def reset(self) -> None:
        """Begin a new signal: every state vector gets its initial value."""
        with self._alone():
            for layer, views in zip(self._model.layers, self._workspace.vectors, strict=True):
                for name, initial in layer.states.items():
                    views[name][:] = initial

    def snapshot(self) -> bytes:
        """The state as bytes, bound to the model: the same state gives the same bytes, on any machine."""
        with self._alone():
            return snapshot.encode(self._model.fingerprint, self._flat())

    def restore(self, saved: bytes) -> None:
        """Put a snapshot's state in place of this one. Raises SnapshotError for bytes that are not one of this model."""
        values = snapshot.decode(self._model.fingerprint, self._flat().size, saved)
        with self._alone():
            at = 0
            for views in self._workspace.vectors:
                for view in views.values():
                    view[:] = values[at : at + view.size]
                    at += view.size

    def __repr__(self) -> str:
        return f"<Stream of {self._model!r}>"

    def __reduce__(self) -> Any:
        raise StreamRNNError("a Stream cannot be pickled or copied; save its model, and its state with snapshot()")

    def _alone(self) -> "_Entered":
        return _Entered(self._busy)

    def _flat(self) -> NDArray[np.float32]:
        vectors = [view for views in self._workspace.vectors for view in views.values()]
        return np.concatenate(vectors) if vectors else np.zeros(0, np.float32)

    def _vector(self, x: ArrayLike) -> NDArray[Any]:
        """`x` as real numbers of shape (input_size,)."""
        size = self._model.input_size
        array = x if type(x) is np.ndarray and x.dtype == np.float32 else _numbers("step", x)
        if array.shape != (size,):
            if size == 1 and array.shape == ():
                return array.reshape(1)
            raise InputError(f"step: shape {array.shape} does not fit, expected ({size},); process takes many steps at once")
        return array

    def _check(self, status: int, x: NDArray[np.float32]) -> None:
        """Raise what the driver found."""
        if status == INPUT_NOT_FINITE:
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
            raise NonFiniteInputError(
                f"input{list(place)} is {x[place]}; the state is as it was; leave the value out, or replace it by a number"
            )
        if status == STATE_NOT_FINITE:
            raise NonFiniteStateError(
                "the state left the range of float32; the call is undone; the input is too large or the model diverges: "
                "scale the input, or reset the stream"
            )


class _Entered:
    """A stream held by one caller; raises StreamBusyError where another has it."""

    __slots__ = ("_busy",)

    def __init__(self, busy: threading.Lock) -> None:
        self._busy = busy

    def __enter__(self) -> None:
        if not self._busy.acquire(blocking=False):
            raise StreamBusyError("another thread is in this stream; give each thread its own, or take turns with a lock")

    def __exit__(self, *_: object) -> None:
        self._busy.release()


def _numbers(call: str, value: ArrayLike) -> NDArray[Any]:
    """`value` as an array of float32, converted where needed. Raises InputError where that is impossible or would lose data."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"{call}: the array has masked values; fill or drop them first")
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"dtype {array.dtype} is not a real number")
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{call}: not an array of numbers ({error})") from None
