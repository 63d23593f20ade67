"""`Stream`: one signal going through a model, step by step, with the state in between."""

from __future__ import annotations  # so that help() shows names of types, not what they stand for

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from streamrnn.code_cache import load_all
from streamrnn.door import PlainDoor, functions_of_stream, open_compiled
from streamrnn.door.arguments import block_of, input_of, real_array, state_values
from streamrnn.errors import InputError, NonFiniteInputError, StreamRNNError
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

    @states.setter
    def states(self, states: Sequence[Mapping[str, ArrayLike]]) -> None:
        self.set_states(states)

    def set_states(self, states: Sequence[Mapping[str, ArrayLike]]) -> None:
        """Go on from a known state, such as an encoder's, or that of another stream. `stream.states = states` does the same.

        states  as `states` gives it: for each layer, all its state vectors by name, (size,), of the model's dtype or
                convertible to it

        Raises InputError for other layers, names, shapes or types, NonFiniteInputError for NaN or infinity. Then the state is
        unchanged.
        """
        sizes = [{name: view.size for name, view in views.items()} for views in self._workspace.vectors]
        values = state_values(states, sizes, self._model.dtype)
        with self._door.entry_lock:
            self._workspace.write(values)

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

    def process(self, block: ArrayLike, out: Array | None = None) -> Array:
        """Advance by many steps: the same bits as one `step` after the other. Releases the GIL; Ctrl-C interrupts it.

        block    (n_steps * stride, input_size), of the model's dtype or convertible to it; n_steps may be 0
        out      (n_steps, output_size), of the model's dtype: the array for the results; None: a new array
        returns  (n_steps, output_size), of the model's dtype, the caller's to keep; or `out`

        Raises as `step` does. A call that raises or is interrupted leaves the state unchanged, and `out` with any values.
        """
        return self._door.process(block, out)

    def reset(self) -> None:
        """Begin a new signal: set every state vector to its initial value."""
        with self._door.entry_lock:
            self._workspace.begin()

    def snapshot(self) -> bytes:
        """The state as bytes, bound to the model. The same state gives the same bytes on every machine."""
        with self._door.entry_lock:
            return snapshot.encode(self._model.fingerprint, self._workspace.read())

    def restore(self, saved: bytes, *, same_shapes: bool = False) -> None:
        """Set the state to that of a snapshot.

        same_shapes  whether the snapshot may be of another model, of the same layers with other weights: one that has been
                     trained again. A snapshot tells the size of its state and nothing else of the layers.

        Raises SnapshotError for bytes that are not a snapshot of this model, or, with `same_shapes`, whose state has another
        size.
        """
        values = snapshot.decode(self._model.fingerprint, self._workspace.n_values, self._model.dtype, saved, same_shapes)
        with self._door.entry_lock:
            self._workspace.write(values)

    def fork(self) -> Stream:
        """A second stream of the same model that goes on from here. Neither knows of the other."""
        with self._door.entry_lock:
            values = self._workspace.read()
        other = Stream(self._model)
        other._workspace.write(values)
        return other

    def roll_out(self, n: int, x: ArrayLike | None = None) -> Array:
        """Look n steps ahead: what a forecaster says if each of its outputs is the input of the step after. Moves nothing here.

        n        steps, 0 or more
        x        the input of the first step, as for `step`, or those of the first steps, as for `process`, up to n; None: zeros
        returns  (n, output_size), of the model's dtype, the caller's to keep

        Once the inputs end, an output is fed back. Where an output is no input, since their sizes differ, x must have all n
        steps; None stands for zeros in all of them.

        Raises as `step` does, and InputError for an n that is not a whole number from 0 on, or an x of too few or many steps.
        """
        model = self._model
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
            raise InputError(f"roll_out: n {n!r} is not a whole number from 0 on")
        fed_back = model.output_size == math.prod(model.step_shape)
        least = min(n, 1) if fed_back else n
        try:
            y = np.empty((n, model.output_size), model.dtype)
            zeros = np.zeros((least * model.stride, model.input_size), model.dtype)
        except (MemoryError, ValueError, OverflowError):
            raise InputError(f"roll_out: {n} steps do not fit into memory; look less far ahead") from None
        given = zeros if x is None else real_array("roll_out", x)
        if given.ndim == 2:
            given = block_of("roll_out", given, model.input_size, model.stride)
        else:
            given = input_of("roll_out", given, model.step_shape).reshape(model.stride, model.input_size)
        n_given = len(given) // model.stride
        if not least <= n_given <= n:
            why = "" if fed_back else f"all {n}, since outputs of size {model.output_size} are no inputs"
            raise InputError(f"roll_out: x has {n_given} steps, for n={n}; give {why or f'1 to {n}'}")
        ahead = self.fork()
        ahead.process(given, out=y[:n_given])
        for index in range(n_given, n):
            try:
                ahead.step(y[index - 1].reshape(model.step_shape), out=y[index])
            except NonFiniteInputError:
                raise NonFiniteInputError(
                    f"roll_out: the output of step {index} is not finite, so it is no input; look {index} steps ahead or fewer"
                ) from None
        return y

    def __repr__(self) -> str:
        return f"<Stream of {self._model!r}>"

    def __reduce__(self) -> Any:
        raise StreamRNNError("a Stream cannot be pickled or copied; save its model, and its state with snapshot()")
