"""The Keras layers that are a function of each value, or of the values of a step."""

from streamrnn import Activation, PRelu
from streamrnn.errors import ConversionError
from streamrnn_converters.formats.json_values import real_number
from streamrnn_converters.formats.keras.layer import KerasLayer, Value, only_item
from streamrnn_converters.formats.layer_list import LayerList


def activation(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.Activation: a function by name."""
    return layer.gives(found.add_function(layer.function(), layer.source.index))


def softmax(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.Softmax, over the values of a step."""
    layer.check_last_axis()
    return layer.gives(found.add_function(Activation("softmax"), layer.source.index))


def relu(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.ReLU: with a slope below 0, or a largest value; not both."""
    most, slope, threshold = (layer.config.get(name) for name in ("max_value", "negative_slope", "threshold"))
    slope = real_number(f"{layer.where}, negative_slope", slope or 0)
    if threshold or (slope and most is not None):
        raise ConversionError(
            f"{layer.where}: threshold {threshold!r:.20} with max_value {most!r:.20} is not imported; export it as ONNX"
        )
    if most is not None:
        chosen = Activation("clip", 0.0, real_number(f"{layer.where}, max_value", most))
    else:
        chosen = Activation("leaky_relu", slope) if slope else Activation("relu")
    return layer.gives(found.add_function(chosen, layer.source.index))


def leaky_relu(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.LeakyReLU."""
    slope = layer.config.get("negative_slope", layer.config.get("alpha"))  # Keras 3, Keras 2
    chosen = Activation("leaky_relu", real_number(f"{layer.where}, slope", only_item(slope)))
    return layer.gives(found.add_function(chosen, layer.source.index))


def elu(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.ELU."""
    chosen = Activation("elu", real_number(f"{layer.where}, alpha", only_item(layer.config.get("alpha"))))
    return layer.gives(found.add_function(chosen, layer.source.index))


def prelu(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.PReLU, with slopes that all steps share."""
    shape = (1, found.size(layer.source.index)) if layer.source.has_time else (found.size(layer.source.index),)
    if layer.source.has_time and layer.config.get("shared_axes") != [1]:
        raise ConversionError(f"{layer.where}: has slopes for each step; train it with shared_axes=[1]")
    layer.weights.expect(1)
    slopes = layer.weights.vector(0, "slopes", *shape)
    return layer.gives(found.add(PRelu(slopes, found.dtype), layer.source.index))
