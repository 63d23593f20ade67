"""`run_offline`: whole recordings through a model, also through one that reads them backwards.

The layers fall into stages: what lies between two reversals goes step by step, as a model of its own through a stream. Between
stages signals are kept whole, so that they can be reversed there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.door.arguments import block_of, converted, non_finite_input
from streamrnn.errors import InputError, NonFiniteInputError, NonFiniteStateError, StreamRNNError
from streamrnn.layers import Concat, Layer, Select
from streamrnn.model import Model
from streamrnn.plan import cached_per_model
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
    """The answers to a whole recording, from the initial states on. Releases the GIL, and answers Ctrl-C.

    For a streamable model they are those of `Stream.process`, bit by bit.

    model    any; compiled as for a stream
    signal   (n_steps, input_size), of the model's dtype or what converts to it; n_steps may be 0. Or a list of such arrays,
             recordings of any lengths, each reversed over its own: then a list is returned
    states   give the states after the last step too, as `Stream.states` has them; a layer that runs backwards has taken the
             first step of the recording last
    returns  (n_steps, output_size), of the model's dtype; with `states` a pair of that and the states by layer

    Raises InputError for another shape or type, NonFiniteInputError for NaN or infinity, NonFiniteStateError where a finite
    input overflows what lies between the layers.
    """
    if not isinstance(model, Model):
        raise StreamRNNError(f"run_offline: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
    if isinstance(signal, list | tuple) and all(isinstance(one, np.ndarray) and one.ndim == 2 for one in signal):
        return [run_offline(model, one, states=states) for one in signal]
    x = _input(model, signal)
    try:
        y, ends = _evaluated(model, x)
    except MemoryError:
        raise InputError(f"run_offline: {len(x)} steps at once do not fit into memory; cut the recording") from None
    return (y, ends) if states else y


@dataclass(frozen=True)
class _Stage:
    """Layers that go step by step, as a model of their own, and the reversals of signals just before it.

    reversals  layers that reverse what is known by then
    model      None where there is nothing but these
    reads      the places that the model's input joins
    gives      the layers that its output joins
    own        for each layer of it the number in the whole model, None for one that only joins or parts
    """

    reversals: tuple[int, ...]
    model: Model | None
    reads: tuple[int, ...]
    gives: tuple[int, ...]
    own: tuple[int | None, ...]


@cached_per_model
def _stages_of(model: Model) -> tuple[_Stage, ...]:
    """The stages of a model, made once and kept as long as the model, and their plans with them."""
    depths = {-1: 0}
    for index, (layer, reads) in enumerate(zip(model.layers, model.sources, strict=True)):
        depths[index] = max(depths[place] for place in reads) + (not layer.streamable)
    return tuple(_stage(model, depths, depth) for depth in range(max(depths.values()) + 1))


def _stage(model: Model, depths: Mapping[int, int], depth: int) -> _Stage:
    """The layers with so many reversals before them."""
    there = [index for index in range(len(model.layers)) if depths[index] == depth]
    inside = [index for index in there if model.layers[index].streamable]
    reversals = tuple(index for index in there if index not in inside)
    outside = sorted({place for index in inside for place in model.sources[index]}.difference(inside))
    elsewhere = {place for index, reads in enumerate(model.sources) if index not in inside for place in reads}
    gives = [index for index in inside if index in elsewhere or index == len(model.layers) - 1]
    if not inside:
        return _Stage(reversals, None, (), (), ())
    if len(inside) == len(model.layers):
        return _Stage((), model, (-1,), tuple(gives), tuple(inside))
    layers: list[Layer] = []
    sources: list[tuple[int, ...]] = []
    numbers = {outside[0]: -1}
    if len(outside) > 1:
        sizes = [_size(model, place) for place in outside]
        ends = np.cumsum(sizes).tolist()
        for number, (place, end, size) in enumerate(zip(outside, ends, sizes, strict=True)):
            layers.append(Select(ends[-1], tuple(range(end - size, end)), model.dtype.name))
            sources.append((-1,))
            numbers[place] = number
    own: list[int | None] = [None] * len(layers)
    for index in inside:
        numbers[index] = len(layers)
        layers.append(model.layers[index])
        sources.append(tuple(numbers[place] for place in model.sources[index]))
        own.append(index)
    if len(gives) > 1:
        layers.append(Concat(tuple(_size(model, index) for index in gives), model.dtype.name))
        sources.append(tuple(numbers[index] for index in gives))
        own.append(None)
    return _Stage(reversals, Model(layers, sources=sources), tuple(outside), tuple(gives), tuple(own))


def _size(model: Model, place: int) -> int:
    return model.input_size if place == -1 else model.layers[place].output_size


def _input(model: Model, signal: ArrayLike) -> Array:
    """The recording in the model's type. Raises InputError, and NonFiniteInputError."""
    x = converted(block_of("run_offline", signal, model.input_size), model.dtype)
    if not np.isfinite(x).all():
        raise non_finite_input(x, "leave the value out, or replace it with a number")
    return x


def _evaluated(model: Model, x: Array) -> tuple[Array, States]:
    """The answers to a recording, and the states after its last step."""
    known = {-1: x}
    ends: list[Mapping[str, Array]] = [{} for _ in model.layers]
    for stage in _stages_of(model):
        for index in stage.reversals:
            known[index] = known[model.sources[index][0]][::-1]
        if stage.model is None:
            continue
        stream = Stream(stage.model)
        try:
            y = stream.process(np.concatenate([known[place] for place in stage.reads], axis=1))
        except NonFiniteInputError:  # of a stage: the recording itself is finite
            raise NonFiniteStateError(
                f"what lies between the layers left the range of {model.dtype}; scale the input"
            ) from None
        bounds = np.cumsum([_size(model, index) for index in stage.gives])[:-1]
        known |= dict(zip(stage.gives, np.split(y, bounds, axis=1), strict=True))
        for own, states in zip(stage.own, stream.states, strict=True):
            if own is not None:
                ends[own] = states
    return np.ascontiguousarray(known[len(model.layers) - 1]), tuple(ends)
