"""`Model`: an immutable graph of layers, with its sizes and fingerprint, that can be saved."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from streamrnn import archive
from streamrnn.boundary import refusing
from streamrnn.errors import ModelError
from streamrnn.layers import KINDS, Layer
from streamrnn.layers.holder import Holder
from streamrnn.layers.layer import DTYPES
from streamrnn.model.rates import rows_in_a_step
from streamrnn.model.sources import chain, checked_sources, in_words
from streamrnn.model.stored_tensors import stored_tensors


class Model:
    """A graph of layers. Immutable; any number of streams and threads may share it.

    layers   one or more, in an order in which a step can compute them; the output of the last one is the model's output
    notes    any JSON about the model, kept in its archive: where it came from, how it was proven
    sources  for each layer the indices of the layers whose outputs it reads, all before it, but a Delay may read any; -1 is the
             model's input. None: each layer reads the one before it, the first one the input

    Raises ModelError if sizes or dtypes do not match, an output or the input does not reach the model's output, a loop has no
    Delay, a layer reads sources of different rates, or the notes are not JSON.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        notes: Mapping[str, Any] | None = None,
        sources: Sequence[Sequence[int]] | None = None,
    ) -> None:
        with refusing(ModelError, "not a sequence of layers"):
            self._layers = tuple(layers)
        self._notes = _as_json(notes or {})
        if not self._layers:
            raise ModelError("a model needs at least one layer")
        for index, layer in enumerate(self._layers):
            if not isinstance(layer, Layer):
                raise ModelError(f"layer {index}: {layer!r} is not a layer; known kinds: {', '.join(KINDS)}")
        self._sources = checked_sources(self._layers, sources)
        *self._rows, self._stride = rows_in_a_step(self._layers, self._sources)
        for index, layer in enumerate(self._layers):
            if layer.dtype != self._layers[0].dtype:
                raise ModelError(
                    f"layer {index} ({layer.kind}): computes in {layer.dtype}, but layer 0 in {self._layers[0].dtype}; "
                    "Layer.astype converts"
                )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, in an order in which a step can compute them."""
        return self._layers

    @property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        """For each layer the indices of the layers whose outputs it reads; -1 is the model's input."""
        return self._sources

    @property
    def notes(self) -> dict[str, Any]:
        """A copy of the notes. They are not part of the fingerprint."""
        return deepcopy(self._notes)

    @property
    def stride(self) -> int:
        """Rows of the input that a step takes; it returns one row. A `Frame` among the layers makes it more than 1."""
        return self._stride

    @property
    def step_shape(self) -> tuple[int, ...]:
        """The shape of the input of a step: (input_size,), or (stride, input_size) where the stride is more than 1."""
        return (self.input_size,) if self.stride == 1 else (self.stride, self.input_size)

    @property
    def rows(self) -> tuple[int, ...]:
        """For each layer the rows that it returns in a step."""
        return tuple(self._rows)

    @property
    def input_size(self) -> int:
        """Values of a row of the input. A step takes one row, or `stride` of them."""
        pairs = zip(self._layers, self._sources, strict=True)
        return next(layer.input_sizes[sources.index(-1)] for layer, sources in pairs if -1 in sources)

    @property
    def output_size(self) -> int:
        """Values of the output of one step."""
        return self._layers[-1].output_size

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """Compute precision, and dtype of the outputs: float32 or float64."""
        return np.dtype(DTYPES[self._layers[0].dtype])

    @property
    def n_parameters(self) -> int:
        """How many learned values the model has."""
        return sum(layer.n_parameters for layer in self._layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of its arrays in an archive: of weights in the type in which they are stored."""
        return sum(tensor.nbytes for layer in self._layers for tensor in stored_tensors(layer).values())

    @property
    def archive_format(self) -> int:
        """The version of the file format in which the model is saved."""
        return archive.format_of(self._description())

    @property
    def streamable(self) -> bool:
        """Whether a stream can run the model step by step. If not, `run_offline` runs whole recordings."""
        return all(layer.streamable for layer in self._layers)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of kinds, options, sources and weights. Equal models have equal fingerprints."""
        digest = hashlib.sha256(json.dumps(self._description(), sort_keys=True).encode())
        for layer in self._layers:
            for name, tensor in sorted(layer.tensors().items()):
                digest.update(f"{name}{tensor.shape}{tensor.dtype.str}".encode())
                digest.update(tensor.reshape(-1).data)
        return digest.hexdigest()

    def with_notes(self, notes: Mapping[str, Any]) -> "Model":
        """The same model with other notes."""
        return Model(self._layers, notes, self._sources)

    def astype(self, dtype: "DTypeLike") -> "Model":
        """The same model in float32 or float64, given by name or as a NumPy type.

        Raises ModelError for another dtype, or a weight that is not finite in it.
        """
        return Model([layer.astype(dtype) for layer in self._layers], self._notes, self._sources)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an archive (streamrnn/archive.py), as a whole or not at all.

        path  of the file, which is replaced if it exists

        Raises ArchiveError if `path` cannot be written.
        """
        tensors: dict[str, Any] = {}
        for index, layer in enumerate(self._layers):
            tensors |= stored_tensors(layer, f"{index}.")
        description = self._description()
        for described, layer in zip(description, self._layers, strict=True):
            while isinstance(layer, Holder):
                layer, described = layer.layer, described["layer"]
            if (values := layer.test_vector()) is not None:
                described["test_vector"] = values
        archive.write(path, archive.Archive(tensors, description, self.notes))

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, (self._layers, self._notes, self._sources)

    def __repr__(self) -> str:
        kinds = [f"{layer.kind}({layer.input_size}, {layer.output_size})" for layer in self._layers]
        if self._sources != chain(self._layers):
            kinds = [
                f"{index}: {kind} of {in_words(sources)}"
                for index, (kind, sources) in enumerate(zip(kinds, self._sources, strict=True))
            ]
        stride = f", a step for every {self.stride} rows" if self.stride > 1 else ""
        return f"<Model {' → '.join(kinds)}, {self.n_parameters} parameters{stride}>"

    def _description(self) -> list[dict[str, Any]]:
        description: list[dict[str, Any]] = [layer.description() for layer in self._layers]
        if self._sources != chain(self._layers):
            for entry, sources in zip(description, self._sources, strict=True):
                entry["reads"] = list(sources)  # the file format's word
        return description


def _as_json(notes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the notes as JSON holds them. Raises ModelError if it cannot."""
    with refusing(ModelError, "notes: not JSON", "give a dict that JSON can hold"):
        return dict(json.loads(json.dumps(dict(notes), allow_nan=False)))
