"""The stages of a model: the layers between two reversals go step by step, as a model of their own.

Whole signals are kept only between stages, where they are reversed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamrnn.errors import ModelError
from streamrnn.layers import Concat, Layer, Select
from streamrnn.model import Model
from streamrnn.model.loops import parts
from streamrnn.model.sources import in_words
from streamrnn.plan import cached_per_model

#: The index that stands for the recording among the indices of layers, as in `Model.sources`.
RECORDING = -1


@dataclass(frozen=True)
class Stage:
    """Some reversals of whole signals, and then layers that go step by step.

    reversals  indices of the layers that reverse a signal
    model      the other layers, as a model of their own; None if there are none
    sources    the signals that together are the input of `model`: indices of layers, or RECORDING
    outputs    the layers whose outputs together are the output of `model`
    originals  for each layer of `model`, its index in the whole model; None for one that only splits or joins signals
    """

    reversals: tuple[int, ...]
    model: Model | None = None
    sources: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    originals: tuple[int | None, ...] = ()


@cached_per_model
def stages_of(model: Model) -> tuple[Stage, ...]:
    """The stages of a model, in the order in which they run. They, and so their plans, live as long as the model."""
    depths = _depths(model)
    return tuple(_stage(model, depths, depth) for depth in range(max(depths.values()) + 1))


def signal_size(model: Model, source: int) -> int:
    """Values per step of the recording, or of a layer's output."""
    return model.input_size if source == RECORDING else model.layers[source].output_size


def _depths(model: Model) -> dict[int, int]:
    """For the recording and each layer: the most reversals on a path from the recording, the layer included."""
    depths = {RECORDING: 0}
    for part in parts(model.sources):
        outside = {source for index in part for source in model.sources[index]}.difference(part)
        depth = max((depths[source] for source in outside), default=0)
        depths |= {index: depth + (not model.layers[index].streamable) for index in part}
    return depths


def _stage(model: Model, depths: Mapping[int, int], depth: int) -> Stage:
    """The layers of one depth."""
    members = [index for index in range(len(model.layers)) if depths[index] == depth]
    inside = [index for index in members if model.layers[index].streamable]
    reversals = tuple(index for index in members if index not in inside)
    if not inside:
        return Stage(reversals)
    outputs = _outputs(model, inside)
    if len(inside) == len(model.layers):
        return Stage((), model, (RECORDING,), outputs, tuple(inside))
    sources = tuple(sorted({source for index in inside for source in model.sources[index]}.difference(inside)))
    for signals in sources, outputs:
        if len({model.stride if source == RECORDING else model.rows[source] for source in signals}) > 1:
            raise ModelError(
                f"run_offline: {in_words(signals)} have different rates, but layers between two reversals must read and give "
                "signals of one rate; move the Frame before or behind them"
            )
    submodel, originals = _submodel(model, inside, sources, outputs)
    return Stage(reversals, submodel, sources, outputs, originals)


def _outputs(model: Model, inside: Sequence[int]) -> tuple[int, ...]:
    """Those of the layers `inside` that other layers read, or that give the model's output."""
    read = {source for index, sources in enumerate(model.sources) if index not in inside for source in sources}
    return tuple(index for index in inside if index in read or index == len(model.layers) - 1)


def _submodel(
    model: Model, inside: Sequence[int], sources: Sequence[int], outputs: Sequence[int]
) -> tuple[Model, tuple[int | None, ...]]:
    """The layers `inside` as a model from the joined `sources` to the joined `outputs`, and the index of each in `model`."""
    submodel = _Submodel()
    index_of = _split_input(submodel, model, sources)
    index_of |= {index: len(submodel.layers) + n for n, index in enumerate(inside)}
    for index in inside:
        submodel.add(model.layers[index], [index_of[source] for source in model.sources[index]], index)
    if len(outputs) > 1 or outputs[0] != inside[-1]:
        joined = Concat(tuple(signal_size(model, index) for index in outputs), model.dtype.name)
        submodel.add(joined, [index_of[index] for index in outputs])
    return Model(submodel.layers, sources=submodel.sources), tuple(submodel.originals)


def _split_input(submodel: "_Submodel", model: Model, sources: Sequence[int]) -> dict[int, int]:
    """Add layers that take the joined input apart. Returns the submodel's index of each source."""
    if len(sources) == 1:
        return {sources[0]: -1}
    sizes = [signal_size(model, source) for source in sources]
    ends = np.cumsum(sizes).tolist()
    return {
        source: submodel.add(Select(ends[-1], tuple(range(end - size, end)), model.dtype.name), [-1])
        for source, size, end in zip(sources, sizes, ends, strict=True)
    }


class _Submodel:
    """The layers of a submodel so far, the sources of each, and its index in the whole model."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.sources: list[list[int]] = []
        self.originals: list[int | None] = []

    def add(self, layer: Layer, sources: list[int], original: int | None = None) -> int:
        """Add a layer. Returns its index."""
        self.layers.append(layer)
        self.sources.append(sources)
        self.originals.append(original)
        return len(self.layers) - 1
