"""The Keras layers that bring values to one scale: BatchNormalization, LayerNormalization and Normalization."""

import numpy as np
from numpy.typing import NDArray

from streamrnn import Affine, LayerNorm
from streamrnn.errors import ConversionError
from streamrnn_converters.formats.json_values import numbers
from streamrnn_converters.formats.keras.layer import KerasLayer, Value
from streamrnn_converters.formats.layer_list import LayerList


def batch_normalization(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.BatchNormalization in inference, by its moving mean and variance."""
    layer.check_last_axis()
    if layer.config.get("renorm"):
        raise ConversionError(f"{layer.where}: renorm=True is not imported; export the model as ONNX")
    scale, center = (bool(layer.config.get(name, True)) for name in ("scale", "center"))
    affine = layer.weights.batch_normalization(layer.epsilon, scale, center)
    return layer.gives(found.add(affine, layer.source.index))


def layer_normalization(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.LayerNormalization, over the values of a step."""
    layer.check_last_axis()
    if layer.config.get("rms_scaling"):
        raise ConversionError(f"{layer.where}: rms_scaling=True is not imported; export the model as ONNX")
    size = found.size(layer.source.index)
    scale, center = (bool(layer.config.get(name, True)) for name in ("scale", "center"))
    layer.weights.expect(scale + center)
    gamma = layer.weights.vector(0, "gamma", size) if scale else np.ones(size)
    beta = layer.weights.vector(int(scale), "beta", size) if center else np.zeros(size)
    return layer.gives(found.add(LayerNorm(gamma, beta, layer.epsilon, found.dtype), layer.source.index))


def normalization(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.Normalization: (x - mean) / deviation, or its inverse; the deviation is at least 1e-7, Keras's epsilon."""
    if layer.config.get("axis") not in (None, []):  # else one mean for all values
        layer.check_last_axis()
    size, given = found.size(layer.source.index), layer.config.get("mean") is not None
    layer.weights.expect(0 if given else 3)  # the third counts what it was adapted to
    mean, variance = (_of_each_value(layer, index, name, given, size) for index, name in enumerate(("mean", "variance")))
    if (variance < 0).any():
        raise ConversionError(f"{layer.where}: a variance is negative; save the model again")
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    inverse = bool(layer.config.get("invert"))
    scale, shift = (deviation, mean) if inverse else (1 / deviation, -mean / deviation)
    return layer.gives(found.add(Affine(scale, shift, found.dtype), layer.source.index))


def _of_each_value(layer: KerasLayer, index: int, name: str, given: bool, size: int) -> NDArray[np.float64]:
    """Numbers of the config, or an array of weights: one for each value, or one for all."""
    value = layer.config.get(name) if given else layer.weights.raw(index)
    single = value.ndim == 0 if isinstance(value, np.ndarray) else not isinstance(value, list)
    flat = numbers(f"{layer.where}, {name}", [value] if single else value, None)
    if len(flat) not in (1, size):
        raise ConversionError(f"{layer.where}: {name} has {len(flat)} numbers for {size} values; save the model again")
    return np.broadcast_to(flat, size)
