"""The layers of a model while it is made, and what each reads."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamrnn import Activation, Affine, Arithmetic, Layer, Model, Pointwise, Select, Softmax
from streamrnn.activation import LINEAR
from streamrnn.errors import ConversionError

#: Layers that a model in a file may have.
MOST_LAYERS = 4096


class LayerList:
    """Layers in the order in which a step passes through them.

    input_size  values per step that the model takes; None: not known before the first layer
    """

    def __init__(self, dtype: str, input_size: int | None = None) -> None:
        self.dtype = dtype
        self._input_size = input_size
        self._layers: list[Layer] = []
        self._sources: list[tuple[int, ...]] = []

    @property
    def last(self) -> int:
        """The index of the last layer; -1, the input, where there is none."""
        return len(self._layers) - 1

    def size(self, index: int) -> int:
        """Values per step that a layer gives, or the input has. Raises ConversionError for an input of unknown size."""
        if index >= 0:
            return self._layers[index].output_size
        if self._input_size is None:
            raise ConversionError("the file does not tell how many values the model takes; save it with an Input layer")
        return self._input_size

    def add(self, layer: Layer, *sources: int) -> int:
        """Add a layer that reads `sources`, by default the last layer. Returns its index.

        Raises ConversionError where the sizes do not meet, or there are more than `MOST_LAYERS`.
        """
        if len(self._layers) == MOST_LAYERS:
            raise ConversionError(f"has more than {MOST_LAYERS} layers, which are not read")
        sources = sources or (self.last,)
        for source, takes in zip(sources, layer.input_sizes, strict=True):
            if source < 0 and self._input_size is None:
                self._input_size = takes
            if self.size(source) != takes:
                raise ConversionError(f"takes {takes} values, but {self.size(source)} come from what it reads")
        self._layers.append(layer)
        self._sources.append(sources)
        return self.last

    def add_function(self, function: Activation, source: int) -> int:
        """Add a function of a source's values. Returns the index of what has them; linear adds nothing."""
        if function == LINEAR:
            return source
        size = self.size(source)
        return self.add(
            Softmax(size, self.dtype) if function.name == "softmax" else Pointwise(size, function, self.dtype), source
        )

    def add_skip(self, source: int, n: int) -> int:
        """Add the first `n` values of a source to the last layer's output: one value to each output, or n to n outputs."""
        core, n_outputs, n_values = self.last, self.size(self.last), self.size(source)
        if n > n_values or n not in (1, n_outputs):
            raise ConversionError(f"a skip of {n} of {n_values} inputs does not fit {n_outputs} outputs")
        indices = (0,) * n_outputs if n == 1 else tuple(range(n))
        if indices != tuple(range(n_values)):
            source = self.add(Select(n_values, indices, self.dtype), source)
        return self.add(Arithmetic(n_outputs, "add", self.dtype), core, source)

    def add_gain(self, factors: Sequence[float]) -> int:
        """Multiply each value of the last layer's output, or of the input, by a factor."""
        return self.add(Affine(np.array(factors), np.zeros(len(factors)), self.dtype))

    def model(self, notes: Mapping[str, Any]) -> Model:
        """The model. Raises ConversionError where there is no layer, ModelError where a layer is not read."""
        if not self._layers:
            raise ConversionError("has no layer that computes anything")
        return Model(self._layers, notes, self._sources)
