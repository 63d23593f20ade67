"""Neural Amp Modeler: the LSTM of a .nam file, JSON with one flat list of weights.

The order of the weights is that of NAM/lstm.cpp (github.com/sdatkinson/NeuralAmpModelerCore): for each layer the matrix [W R],
row by row, with the gates of torch (i f g o); the bias (both of torch's, added); then the learned h0 and c0. At the end come
the head's matrix, row by row, and its bias. A file has no test vector of its own; what NAM's trainer answers can be put beside
it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import LSTM, Dense
from streamrnn.activation import LINEAR
from streamrnn.errors import ConversionError
from streamrnn.gates import reorder
from streamrnn_converters.formats.imported_file import ImportedFile, read_json_file, source_notes
from streamrnn_converters.formats.json_values import check_names, entry, numbers, object_entry, whole_number
from streamrnn_converters.formats.layer_list import LayerList
from streamrnn_converters.formats.vectors import with_vector_beside

_MEMBERS = {"version", "metadata", "architecture", "config", "weights", "sample_rate"}
_CONFIG = {"input_size", "hidden_size", "num_layers", "in_channels", "out_channels"}


def read_nam(path: Path, dtype: str = "float32") -> ImportedFile:
    """The LSTM in a .nam file, and the test vector in NAME.nam_x.csv and NAME.nam_y.csv beside it."""

    def convert(description: dict[str, Any], data: bytes) -> ImportedFile:
        architecture = entry("the model", description, "architecture")
        if architecture != "LSTM":
            raise ConversionError(f"architecture {architecture!r:.40} is not recurrent; only LSTM is read")
        check_names("the model", description, _MEMBERS)
        config = object_entry("the model", description, "config")
        check_names("config", config, _CONFIG)
        inputs = whole_number("config, input_size", entry("config", config, "input_size"))
        hidden = whole_number("config, hidden_size", entry("config", config, "hidden_size"))
        n_layers = whole_number("config, num_layers", entry("config", config, "num_layers"))
        outputs = whole_number("config, out_channels", config.get("out_channels", 1))
        if config.get("in_channels", inputs) != inputs:
            raise ConversionError(f"config: in_channels {config['in_channels']!r:.40} is another than input_size {inputs}")
        weights = _Weights(numbers("weights", entry("the model", description, "weights"), None))
        weights.expect(_n_weights(inputs, hidden, n_layers, outputs))
        found = LayerList(dtype, inputs)
        for index in range(n_layers):
            found.add(_lstm(weights, hidden if index else inputs, hidden, dtype))
        head = weights.take(outputs, hidden)
        found.add(Dense(head, weights.take(outputs), LINEAR, dtype))
        remarks = ("a stream begins in the learned states; NAM's players run half a second of silence first",)
        rate = description.get("sample_rate")
        about = {"sample_rate": rate} if isinstance(rate, int | float) and 0 < rate < 1e9 else {}
        return ImportedFile(found.model(source_notes("nam", data, remarks, **about)), remarks)

    # NAME_x.csv beside NAME.nam may be that of an RTNeural file of the same name.
    return with_vector_beside(path, read_json_file(path, convert), path.name)


class _Weights:
    """A flat list of weights, taken piece by piece."""

    def __init__(self, flat: NDArray[np.float64]) -> None:
        self._flat = flat
        self._taken = 0

    def expect(self, n: int) -> None:
        """Raise ConversionError where there are not n weights."""
        if len(self._flat) != n:
            raise ConversionError(f"weights: {len(self._flat)} numbers, but its config asks for {n}")

    def take(self, *shape: int) -> NDArray[np.float64]:
        """The next numbers."""
        begin = self._taken
        self._taken += int(np.prod(shape))
        return self._flat[begin : self._taken].reshape(shape)


def _n_weights(inputs: int, hidden: int, n_layers: int, outputs: int) -> int:
    first, later = (4 * hidden * (size + hidden + 1) + 2 * hidden for size in (inputs, hidden))
    return first + (n_layers - 1) * later + outputs * (hidden + 1)


def _lstm(weights: _Weights, inputs: int, hidden: int, dtype: str) -> LSTM:
    both = reorder(weights.take(4, hidden, inputs + hidden), "lstm", "torch")
    bias = reorder(weights.take(4, hidden), "lstm", "torch")
    h0, c0 = weights.take(hidden), weights.take(hidden)
    return LSTM(both[..., :inputs], both[..., inputs:], bias, initial_hidden=h0, initial_cell=c0, dtype=dtype)
