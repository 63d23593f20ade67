"""`Stream`: one signal going through a model, step by step, with the state in between."""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

from typing import Any

from numpy.typing import ArrayLike

from streamrnn.code_cache import load_all
from streamrnn.door import PlainDoor, functions_of_stream, open_compiled
from streamrnn.errors import StreamRNNError
from streamrnn.model import Model
from streamrnn.plan import plan_of
from streamrnn.states import snapshot
from streamrnn.target.packing import Array
from streamrnn.workspace import Workspace


class Stream:
    """A model and the state of one signal.

    Making a stream packs the weights and compiles what the model needs, once per machine: it takes 10 to 20 s for an LSTM and a
    dense layer, half of them for functions that all models share. Later starts load the machine code in milliseconds.
    `streamrnn.compiled(model)` tells which it will be, and the logger "streamrnn" says at INFO what is compiled. Afterwards
    nothing is compiled. A call that raises leaves the state unchanged. One thread at a time may use a stream.

    model  shared by any number of streams

    Raises StreamRNNError for anything but a Model, ModelError for a model that cannot be streamed.
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model, Model):
            raise StreamRNNError(f"Stream: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
        self._model = model
        plan = plan_of(model)
        load_all(functions_of_stream(plan))
        self._workspace = Workspace(plan)
        self._door = PlainDoor(self._workspace)
        compiled = open_compiled(self._workspace, self._door)
        if compiled is not None and type(self).step is Stream.step:
            vars(self)["step"] = compiled  # Python finds it before the method of the class
        self.reset()

    @property
    def model(self) -> Model:
        """The model."""
        return self._model

    @property
    def states(self) -> tuple[dict[str, Array], ...]:
        """A copy of the state: for each layer, its state vectors by name, (size,), of the model's dtype."""
        with self._door.entry_lock:
            return tuple({name: view.copy() for name, view in views.items()} for views in self._workspace.vectors)

    def step(self, x: ArrayLike, out: Array | None = None) -> Array:
        """Advance by one step.

        x        (input_size,), of the model's dtype or convertible to it; or a number if input_size is 1. For a model whose
                 steps take several rows (`Model.stride`): (stride, input_size), or (stride,) if input_size is 1
        out      (output_size,), of the model's dtype: the array for the result; None: a new array
        returns  (output_size,), of the model's dtype, the caller's to keep; or `out`

        Raises InputError for another shape or dtype, NonFiniteInputError for NaN or infinity, NonFiniteStateError if a finite
        input overflows the state, StreamBusyError if another thread is in the stream.
        """
        return self._door.step(x, out)

    def process(self, block: ArrayLike) -> Array:
        """Advance by many steps: the same bits as one `step` after the other. Releases the GIL; Ctrl-C interrupts it.

        block    (n_steps * stride, input_size), of the model's dtype or convertible to it; n_steps may be 0
        returns  (n_steps, output_size), of the model's dtype, the caller's to keep

        Raises as `step` does. A call that raises or is interrupted leaves the state unchanged.
        """
        return self._door.process(block)

    def reset(self) -> None:
        """Begin a new signal: set every state vector to its initial value."""
        with self._door.entry_lock:
            self._workspace.begin()

    def snapshot(self) -> bytes:
        """The state as bytes, bound to the model. The same state gives the same bytes on every machine."""
        with self._door.entry_lock:
            return snapshot.encode(self._model.fingerprint, self._workspace.read())

    def restore(self, saved: bytes) -> None:
        """Set the state to that of a snapshot. Raises SnapshotError for bytes that are not a snapshot of this model."""
        values = snapshot.decode(self._model.fingerprint, self._workspace.n_values, self._model.dtype, saved)
        with self._door.entry_lock:
            self._workspace.write(values)

    def __repr__(self) -> str:
        return f"<Stream of {self._model!r}>"

    def __reduce__(self) -> Any:
        raise StreamRNNError("a Stream cannot be pickled or copied; save its model, and its state with snapshot()")
