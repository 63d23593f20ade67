"""The weights of a model, and the model with one of them replaced by noise."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streamrnn import GRU, LSTM, Layer, Model
from streamrnn.gates import GATE_ORDERS


def noise_like(rng: np.random.Generator, weight: NDArray[np.floating], tensor: NDArray[np.floating]) -> NDArray[np.floating]:
    """Noise instead of a weight, a part of a tensor: normally distributed, with the spread of the tensor."""
    spread = float(tensor.std(dtype=np.float64)) or float(np.abs(tensor).max()) or 1 / math.sqrt((1, *tensor.shape)[-1])
    largest = np.finfo(weight.dtype).max
    drawn: NDArray[np.floating] = np.clip(spread * rng.normal(size=weight.shape), -largest, largest).astype(weight.dtype)
    return drawn


def mutants(model: Model, seed: int) -> Iterator[tuple[str, Model]]:
    """The name of each weight, and the model with noise in its place. Those of several gates are a weight for each."""
    for index, layer in enumerate(model.layers):
        for name, tensor in layer.tensors().items():
            for part, gate in _gates(layer, name, tensor):
                rng = np.random.default_rng((seed, index))
                changed = tensor.copy()
                changed[part] = noise_like(rng, tensor[part], tensor)
                layers = list(model.layers)
                layers[index] = layer.with_tensor(name, changed)
                yield f"{name}{gate} of layer {index} ({layer.kind})", Model(layers, sources=model.sources)


def _gates(layer: Layer, name: str, tensor: NDArray[np.floating]) -> list[tuple[slice | int, str]]:
    """The parts of a tensor that belong to one gate each, and what to call them."""
    layer, name = layer.row, name.rpartition(".")[2]
    if isinstance(layer, LSTM | GRU):
        letters = GATE_ORDERS["lstm.peepholes" if name == "peepholes" else layer.kind]["streamrnn"]
        if tensor.ndim > 1 and len(tensor) == len(letters) and name != "projection":
            return [(k, f" of gate {letter!r}") for k, letter in enumerate(letters)]
    return [(slice(None), "")]
