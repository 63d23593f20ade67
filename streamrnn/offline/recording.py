"""`run_offline`: a whole recording through a model, stage by stage."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from streamrnn.door.arguments import block_of, non_finite_input, own_copy
from streamrnn.errors import InputError, NonFiniteInputError, NonFiniteStateError, StreamRNNError
from streamrnn.model import Model
from streamrnn.offline.stages import RECORDING, Stage, signal_size, stages_of
from streamrnn.stream import Stream
from streamrnn.target.packing import Array

States = tuple[Mapping[str, Array], ...]


@overload
def run_offline(model: Model, signal: NDArray[Any], *, states: Literal[False] = False) -> Array: ...
@overload
def run_offline(model: Model, signal: NDArray[Any], *, states: Literal[True]) -> tuple[Array, States]: ...
@overload
def run_offline(model: Model, signal: Sequence[Any], *, states: bool = False) -> Any: ...
def run_offline(model: Model, signal: Any, *, states: bool = False) -> Any:
    """The outputs for a whole recording, from the initial states on. Releases the GIL; Ctrl-C interrupts it.

    For a model that can be streamed they have the same bits as those of `Stream.process`.

    model    any model; its kernels are compiled as for a stream
    signal   (n_steps * stride, input_size), of the model's dtype or convertible to it; n_steps may be 0. Or a list of such
             arrays, recordings of any lengths, each of which is reversed on its own; then the result is a list
    states   also return the states after the last step, as `Stream.states` gives them; for a layer that runs backwards the
             last step is the first one of the recording
    returns  (n_steps, output_size), of the model's dtype; with `states` a pair of that and, for each layer, its state vectors
             by name, (size,)

    Raises StreamRNNError for anything but a Model, InputError for another shape or dtype or a recording that does not fit into
    memory, NonFiniteInputError for NaN or infinity, NonFiniteStateError if finite inputs overflow a signal between layers, or
    a state.
    """
    if not isinstance(model, Model):
        raise StreamRNNError(f"run_offline: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
    if isinstance(signal, list | tuple) and all(isinstance(one, np.ndarray) and one.ndim == 2 for one in signal):
        return [run_offline(model, one, states=states) for one in signal]
    array = block_of("run_offline", signal, model.input_size, model.stride)
    try:
        x = own_copy(array, model.dtype)
        if not np.isfinite(x).all():
            raise non_finite_input(x, "leave the value out, or replace it with a number")
        y, final_states = _run_stages(model, x)
    except MemoryError:
        raise InputError(f"run_offline: {len(array)} steps at once do not fit into memory; cut the recording") from None
    return (y, final_states) if states else y


def _run_stages(model: Model, x: Array) -> tuple[Array, States]:
    """The outputs for a recording, and the states after its last step."""
    signals = {RECORDING: x}
    final_states: list[Mapping[str, Array]] = [{} for _ in model.layers]
    for stage in stages_of(model):
        for index in stage.reversals:
            signals[index] = signals[model.sources[index][0]][::-1]
        if stage.model is not None:
            _run_stage(model, stage, stage.model, signals, final_states)
    return np.ascontiguousarray(signals[len(model.layers) - 1]), tuple(final_states)


def _run_stage(
    model: Model, stage: Stage, submodel: Model, signals: dict[int, Array], final_states: list[Mapping[str, Array]]
) -> None:
    """Stream the submodel of a stage; adds the outputs and final states of its layers."""
    stream = Stream(submodel)
    try:
        y = stream.process(np.concatenate([signals[source] for source in stage.sources], axis=1))
    except NonFiniteInputError:  # the recording itself is finite: an earlier stage has overflowed
        raise NonFiniteStateError(
            f"run_offline: a signal between layers left the range of {model.dtype}; scale the input"
        ) from None
    bounds = np.cumsum([signal_size(model, index) for index in stage.outputs])[:-1]
    signals |= zip(stage.outputs, np.split(y, bounds, axis=1), strict=True)
    for original, states in zip(stage.originals, stream.states, strict=True):
        if original is not None:
            final_states[original] = states
