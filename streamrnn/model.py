"""`Model`: a stack of layers that nobody can change, which knows its sizes, its name and how to be saved."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import archive
from streamrnn.errors import ArchiveError, ModelError
from streamrnn.layers import KINDS, Layer
from streamrnn.layers.layer import DTYPES, from_json


class Model:
    """Layers, each fed by the one before, or by those that `sources` names. Immutable, and shared between streams and threads.

    layers   at least one, in the order in which a step passes through them; the last one gives the output
    notes    free JSON about the model, kept in its archive: where it came from, how it was proven
    sources  for each layer the places that it reads: the numbers of layers before it, -1 for the model's input.
             None: each reads the one before

    Raises ModelError where sizes or types do not meet, nobody reads a layer, or the notes are not JSON.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        notes: Mapping[str, Any] | None = None,
        sources: Sequence[Sequence[int]] | None = None,
    ) -> None:
        try:
            self._layers = tuple(layers)
        except TypeError:
            raise ModelError(f"{layers!r} is not a sequence of layers") from None
        self._notes = _as_json(notes or {})
        if not self._layers:
            raise ModelError("a model needs at least one layer")
        for index, layer in enumerate(self._layers):
            if not isinstance(layer, Layer):
                raise ModelError(f"layer {index}: {layer!r} is not a layer; known kinds: {', '.join(KINDS)}")
        self._sources = _checked_sources(self._layers, sources)
        for index, layer in enumerate(self._layers):
            if layer.dtype != self._layers[0].dtype:
                raise ModelError(
                    f"layer {index} ({layer.kind}): computes in {layer.dtype}, but layer 0 in {self._layers[0].dtype}; "
                    "Layer.astype converts"
                )
        self._fingerprint = self._hash()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in the order in which a step passes through them."""
        return self._layers

    @property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """For each layer the places that it reads: the numbers of layers before it, -1 for the model's input."""
        return self._sources

    @property
    def notes(self) -> dict[str, Any]:
        """A copy of what is known about the model; not part of its fingerprint."""
        return deepcopy(self._notes)

    @property
    def input_size(self) -> int:
        """Values that one step takes."""
        return self._layers[0].input_sizes[self._sources[0].index(-1)]

    @property
    def output_size(self) -> int:
        """Values that one step gives."""
        return self._layers[-1].output_size

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """What the model computes in, and what its streams give: float32 or float64."""
        return np.dtype(DTYPES[self._layers[0].dtype])

    @property
    def n_parameters(self) -> int:
        """How many numbers the model has learned."""
        return sum(layer.n_parameters for layer in self._layers)

    @property
    def streamable(self) -> bool:
        """Whether a stream can answer step by step; else `run_offline` answers whole recordings."""
        return all(layer.streamable for layer in self._layers)

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, over kinds, options and weights: two models that compute the same have the same."""
        return self._fingerprint

    def with_notes(self, notes: Mapping[str, Any]) -> "Model":
        """The same model with other notes."""
        return Model(self._layers, notes, self._sources)

    def astype(self, dtype: str) -> "Model":
        """The same model in float32 or float64. Raises ModelError for another type, or a weight that is not finite in it."""
        return Model([layer.astype(dtype) for layer in self._layers], self._notes, self._sources)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an archive (streamrnn/archive.py), whole or not at all.

        Raises ArchiveError where `path` cannot be written.
        """
        tensors = {
            f"{index}.{name}": tensor for index, layer in enumerate(self._layers) for name, tensor in layer.tensors().items()
        }
        archive.write(path, archive.Archive(tensors, self._description(), self.notes))

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, (self._layers, self._notes, self._sources)

    def __repr__(self) -> str:
        kinds = [f"{layer.kind}({layer.input_size}, {layer.output_size})" for layer in self._layers]
        if self._sources != _chain(self._layers):
            kinds = [
                f"{index}: {kind} of {_named(reads)}"
                for index, (kind, reads) in enumerate(zip(kinds, self._sources, strict=True))
            ]
        return f"<Model {' → '.join(kinds)}, {self.n_parameters} parameters>"

    def _description(self) -> list[dict[str, Any]]:
        whole: list[dict[str, Any]] = [{"kind": layer.kind, "options": layer.options()} for layer in self._layers]
        if self._sources != _chain(self._layers):
            for described, reads in zip(whole, self._sources, strict=True):
                described["reads"] = list(reads)
        return whole

    def _hash(self) -> str:
        digest = hashlib.sha256(json.dumps(self._description(), sort_keys=True).encode())
        for layer in self._layers:
            for name, tensor in sorted(layer.tensors().items()):
                digest.update(f"{name}{tensor.shape}{tensor.dtype.str}".encode())
                digest.update(tensor.tobytes())
        return digest.hexdigest()


def load(path: str | os.PathLike[str]) -> Model:
    """The model in an archive. Raises ArchiveError, naming the tensor where it is one, for anything that is not right."""
    tensors, descriptions, notes = archive.read(path)
    left = dict(tensors)
    layers: list[Layer] = []
    try:
        for index, description in enumerate(descriptions):
            layers.append(_layer(description, f"{index}.", left))
        if left:
            raise ModelError(f"tensor {next(iter(left))!r} belongs to no layer")
        sources = [description["reads"] for description in descriptions if "reads" in description]
        return Model(layers, notes, sources or None)
    except ModelError as error:
        raise ArchiveError(f"{path}: layer {len(layers)}: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArchiveError(f"{path}: layer {len(layers)} cannot be read ({error!r}); import the model again") from error


def _chain(layers: Sequence[Layer]) -> tuple[tuple[int, ...], ...]:
    return tuple((index - 1,) for index in range(len(layers)))


def _named(reads: Sequence[int]) -> str:
    return ", ".join("the input" if place == -1 else f"layer {place}" for place in reads)


def _checked_sources(layers: Sequence[Layer], sources: Sequence[Sequence[int]] | None) -> tuple[tuple[int, ...], ...]:
    """The sources as tuples. Raises ModelError where they do not fit the layers, or leave one unread."""
    try:
        checked = _chain(layers) if sources is None else tuple(tuple(reads) for reads in sources)
    except TypeError:
        raise ModelError(f"sources: {sources!r} is not a sequence of places for each layer") from None
    if len(checked) != len(layers):
        raise ModelError(f"sources: {len(checked)} given, but there are {len(layers)} layers")
    gives: dict[int, int] = {}
    for index, (layer, reads) in enumerate(zip(layers, checked, strict=True)):
        where = f"layer {index} ({layer.kind})"
        if len(reads) != len(layer.input_sizes):
            raise ModelError(f"{where}: reads {len(layer.input_sizes)} places, but {len(reads)} are named")
        for place, takes in zip(reads, layer.input_sizes, strict=True):
            if isinstance(place, bool) or not isinstance(place, int) or not -1 <= place < index:
                raise ModelError(f"{where}: reads {place!r}, which is neither a layer before it nor -1, the input")
            if gives.setdefault(place, takes) != takes:
                named = "the input" if place == -1 else f"layer {place} ({layers[place].kind})"
                raise ModelError(f"{where}: takes {takes} values, but {named} gives {gives[place]}")
        gives[index] = layer.output_size
    unread = set(range(-1, len(layers) - 1)).difference(*checked)
    if unread:
        raise ModelError(f"{_named([min(unread)])} is read by no layer; leave it out, or read it")
    if -1 not in checked[0]:
        raise ModelError(f"layer 0 ({layers[0].kind}): must read -1, the input")
    return checked


def _layer(description: dict[str, Any], prefix: str, tensors: dict[str, NDArray[Any]]) -> Layer:
    """The layer of a description, its arrays taken out of `tensors`, where they are called `prefix` and their field."""
    kind = KINDS[description["kind"]]
    names = kind.tensor_names()
    arrays = {name: tensors.pop(prefix + name) for name in names if prefix + name in tensors}
    options = {name: from_json(value) for name, value in description["options"].items()}
    if not options.keys().isdisjoint(names):
        raise ModelError(f"{kind.kind} layer: a tensor stands among the options")
    layer = kind(**arrays, **options)
    for name, array in arrays.items():
        if array.dtype != layer.dtype:
            raise ModelError(f"{kind.kind} layer, {name}: {array.dtype}, but {layer.dtype} is expected")
    return layer


def _as_json(notes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the notes, as JSON can hold them. Raises ModelError where it cannot."""
    try:
        return dict(json.loads(json.dumps(dict(notes), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"notes: {error}; they must be what JSON can hold, by name") from None
