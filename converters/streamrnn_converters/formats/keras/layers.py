"""Makes the layers of a model from the layers of a Keras config, each by its class name. (keras.io/api/layers)"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Activation, Affine, Arithmetic, Concat, Embedding, Layer, LayerNorm, Pointwise, PRelu, Softmax
from streamrnn.activation import LINEAR
from streamrnn.errors import ConversionError
from streamrnn_converters.formats.json_file import numbers, real_number, whole_number
from streamrnn_converters.formats.keras.functions import function
from streamrnn_converters.formats.keras.h5_file import Array
from streamrnn_converters.formats.keras_weights import KerasWeights
from streamrnn_converters.formats.layer_list import LayerList


@dataclass(frozen=True)
class Value:
    """What a Keras layer gives: a layer's index, and whether it still has a time axis."""

    index: int
    has_time: bool


@dataclass(frozen=True)
class KerasLayer:
    """A layer of the config and its arrays."""

    where: str  # for messages: layer 'gru_1' (GRU)
    name: str
    config: Mapping[str, Any]
    weights: KerasWeights
    n_axes: int  # of a Keras tensor that it reads
    version: str  # of Keras


def convert(
    found: LayerList, layer: Mapping[str, Any], name: str, arrays: list[Array], sources: Sequence[Value], version: str
) -> tuple[Value, list[str]]:
    """Add what a layer of the config computes; its value, and remarks.

    Raises ConversionError, naming the layer, for a class or an option that cannot be streamed or is not understood.
    """
    class_name = layer["class_name"]
    where = f"layer {name!r} ({class_name})" if class_name.isidentifier() else f"layer {name!r}"
    _check_origin(where, layer)
    if class_name in _WRAPPERS:
        layer = _inner(where, layer)
        _check_origin(where, layer)
        class_name = layer["class_name"]
        if not sources[0].has_time or class_name not in _STEP_BY_STEP:
            raise ConversionError(
                f"{where}: {class_name!r:.40} cannot be applied to each step; only {', '.join(_STEP_BY_STEP)} can"
            )
    described = KerasLayer(
        where, name, layer["config"], KerasWeights(where, arrays, found.dtype), 2 + sources[0].has_time, version
    )
    if class_name in _MERGES:
        return _MERGES[class_name](found, described, sources), []
    if class_name not in _KINDS:
        raise ConversionError(f"{where}: {_refusal(class_name)}")
    if len(sources) != 1:
        raise ConversionError(f"{where}: reads {len(sources)} values, but 1 is expected")
    if class_name in _WITHOUT_ARRAYS and arrays:
        raise ConversionError(f"{where}: has {len(arrays)} arrays of weights, which are not understood")
    return _KINDS[class_name](found, described, sources[0])


def _lstm(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    _expect_bias(layer, 2)
    gates, cell = _cell_functions(layer)
    return _recurrent(found, layer, source, layer.weights.lstm((gates, cell, cell)))


def _gru(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    if not isinstance(reset_after := layer.config.get("reset_after"), bool):
        raise ConversionError(f"{layer.where}: reset_after is {reset_after!r:.40}, so its form is not known; save it again")
    _expect_bias(layer, 2)
    return _recurrent(found, layer, source, layer.weights.gru(reset_after, _cell_functions(layer)))


def _rnn(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    _expect_bias(layer, 2)
    return _recurrent(found, layer, source, layer.weights.rnn(_function(layer, "tanh")))


def _recurrent(found: LayerList, layer: KerasLayer, source: Value, cell: Layer) -> tuple[Value, list[str]]:
    _check_time(layer, source)
    for option, why in {
        "go_backwards": "it reads the signal from its end",
        "return_state": "its states are outputs of the model; a stream keeps them",
        "time_major": "its first axis is time; save the model batch first",
        "zero_output_for_mask": "it skips masked steps",
    }.items():
        if layer.config.get(option):
            raise ConversionError(f"{layer.where}: {option}={layer.config[option]!r:.40} cannot be streamed, {why}")
    units = whole_number(f"{layer.where}, units", layer.config.get("units"))
    if cell.output_size != units:
        raise ConversionError(f"{layer.where}: its weights are of {cell.output_size} units, but its config says {units}")
    value = Value(found.add(cell, source.index), bool(layer.config.get("return_sequences")))
    if value.has_time:
        return value, []
    remark = f"layer {layer.name!r} gives its last step only (return_sequences=False); a stream answers at every step"
    return value, [remark]


def _dense(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    _expect_bias(layer, 1)
    return Value(found.add(layer.weights.dense(_function(layer)), source.index), source.has_time), []


def _conv1d(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    _check_time(layer, source)
    config = layer.config
    taps, stride, dilation = (
        whole_number(f"{layer.where}, {name}", _only(config.get(name, 1)))
        for name in ("kernel_size", "strides", "dilation_rate")
    )
    if config.get("groups", 1) != 1 or stride != 1 or config.get("data_format", "channels_last") != "channels_last":
        raise ConversionError(
            f"{layer.where}: only strides 1, groups 1 and channels_last are imported; export the model as ONNX"
        )
    if taps > 1 and config.get("padding") != "causal":
        raise ConversionError(
            f"{layer.where}: padding {config.get('padding')!r:.40} cannot be streamed from the first step; train with 'causal'"
        )
    _expect_bias(layer, 1)
    convolution = layer.weights.conv1d(dilation)
    found_taps = convolution.weights.shape[2] if convolution.kind == "conv1d" else 1  # type: ignore[attr-defined]
    if found_taps != taps:
        raise ConversionError(f"{layer.where}: kernel_size is {taps}, but its weights have {found_taps} taps")
    index = found.add(convolution, source.index)
    return Value(_apply(found, _function(layer), index), True), []


def _embedding(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    if layer.config.get("mask_zero"):
        raise ConversionError(
            f"{layer.where}: mask_zero=True makes later layers skip steps, which a stream does not; train without it"
        )
    if source.index != -1:
        raise ConversionError(f"{layer.where}: looks up what another layer gives; only the model's input can be looked up")
    layer.weights.expect(1)
    table = layer.weights.vector(0, "embeddings", None, None)
    size = whole_number(f"{layer.where}, output_dim", layer.config.get("output_dim"))
    if table.size % size:
        raise ConversionError(f"{layer.where}: its table does not have output_dim {size} columns")
    return Value(found.add(Embedding(table.reshape(-1, size), found.dtype), source.index), True), []


def _batch_normalization(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    _check_last_axis(layer)
    if layer.config.get("renorm"):
        raise ConversionError(f"{layer.where}: renorm=True is not imported; export the model as ONNX")
    scale, center = (bool(layer.config.get(name, True)) for name in ("scale", "center"))
    affine = layer.weights.batch_normalization(_epsilon(layer), scale, center)
    return Value(found.add(affine, source.index), source.has_time), []


def _layer_normalization(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    _check_last_axis(layer)
    if layer.config.get("rms_scaling"):
        raise ConversionError(f"{layer.where}: rms_scaling=True is not imported; export the model as ONNX")
    size = found.size(source.index)
    scale, center = (bool(layer.config.get(name, True)) for name in ("scale", "center"))
    layer.weights.expect(scale + center)
    gamma = layer.weights.vector(0, "gamma", size) if scale else np.ones(size)
    beta = layer.weights.vector(int(scale), "beta", size) if center else np.zeros(size)
    return Value(found.add(LayerNorm(gamma, beta, _epsilon(layer), found.dtype), source.index), source.has_time), []


def _normalization(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    """(x - mean) / deviation, or its inverse; the deviation is at least 1e-7, Keras's epsilon."""
    if layer.config.get("axis") not in (None, []):  # else one mean for all values
        _check_last_axis(layer)
    size, given = found.size(source.index), layer.config.get("mean") is not None
    layer.weights.expect(0 if given else 3)  # the third counts what it was adapted to
    mean, variance = (_of_each_value(layer, index, name, given, size) for index, name in enumerate(("mean", "variance")))
    if (variance < 0).any():
        raise ConversionError(f"{layer.where}: a variance is negative; save the model again")
    deviation = np.maximum(np.sqrt(variance), 1e-7)
    inverse = bool(layer.config.get("invert"))
    scale, shift = (deviation, mean) if inverse else (1 / deviation, -mean / deviation)
    return Value(found.add(Affine(scale, shift, found.dtype), source.index), source.has_time), []


def _of_each_value(layer: KerasLayer, index: int, name: str, given: bool, size: int) -> NDArray[np.float64]:
    """Numbers of the config, or an array of weights: one for each value, or one for all."""
    value = layer.config.get(name) if given else layer.weights.raw(index)
    single = value.ndim == 0 if isinstance(value, np.ndarray) else not isinstance(value, list)
    flat = numbers(f"{layer.where}, {name}", [value] if single else value, None)
    if len(flat) not in (1, size):
        raise ConversionError(f"{layer.where}: {name} has {len(flat)} numbers for {size} values; save the model again")
    return np.broadcast_to(flat, size)


def _activation(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    return Value(_apply(found, _function(layer), source.index), source.has_time), []


def _softmax(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    _check_last_axis(layer)
    return Value(_apply(found, Activation("softmax"), source.index), source.has_time), []


def _relu(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
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
    return Value(_apply(found, chosen, source.index), source.has_time), []


def _leaky_relu(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    slope = layer.config.get("negative_slope", layer.config.get("alpha"))  # Keras 3, Keras 2
    chosen = Activation("leaky_relu", real_number(f"{layer.where}, slope", _only(slope)))
    return Value(_apply(found, chosen, source.index), source.has_time), []


def _elu(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    chosen = Activation("elu", real_number(f"{layer.where}, alpha", _only(layer.config.get("alpha"))))
    return Value(_apply(found, chosen, source.index), source.has_time), []


def _prelu(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    shape = (1, found.size(source.index)) if source.has_time else (found.size(source.index),)
    if source.has_time and layer.config.get("shared_axes") != [1]:
        raise ConversionError(f"{layer.where}: has slopes for each step; train it with shared_axes=[1]")
    layer.weights.expect(1)
    slopes = layer.weights.vector(0, "slopes", *shape)
    return Value(found.add(PRelu(slopes, found.dtype), source.index), source.has_time), []


def _identity(found: LayerList, layer: KerasLayer, source: Value) -> tuple[Value, list[str]]:
    return source, []


def _merge(operation: str) -> Callable[[LayerList, KerasLayer, Sequence[Value]], Value]:
    def merge(found: LayerList, layer: KerasLayer, sources: Sequence[Value]) -> Value:
        _check_merge(layer, sources)
        index, *others = (source.index for source in sources)
        if operation == "subtract" and len(others) != 1:
            raise ConversionError(f"{layer.where}: reads {len(sources)} values, but 2 are expected")
        size = found.size(index)
        for other in others:
            index = found.add(Arithmetic(size, operation, found.dtype), index, other)
        return Value(index, sources[0].has_time)

    return merge


def _concatenate(found: LayerList, layer: KerasLayer, sources: Sequence[Value]) -> Value:
    _check_merge(layer, sources)
    _check_last_axis(layer)
    sizes = tuple(found.size(source.index) for source in sources)
    return Value(found.add(Concat(sizes, found.dtype), *(source.index for source in sources)), sources[0].has_time)


def _check_merge(layer: KerasLayer, sources: Sequence[Value]) -> None:
    if len(sources) < 2 or len({source.has_time for source in sources}) > 1:
        raise ConversionError(
            f"{layer.where}: joins values with and without a time axis, or a single one; that is not imported"
        )


def _apply(found: LayerList, chosen: Activation, index: int) -> int:
    """Add a function of a value; linear adds nothing."""
    if chosen == LINEAR:
        return index
    size = found.size(index)
    added: Layer = Softmax(size, found.dtype) if chosen.name == "softmax" else Pointwise(size, chosen, found.dtype)
    return found.add(added, index)


def _function(layer: KerasLayer, default: str = "linear", name: str = "activation") -> Activation:
    return function(f"{layer.where}, {name}", layer.config.get(name, default), layer.version)


def _cell_functions(layer: KerasLayer) -> tuple[Activation, Activation]:
    """Of the gates, and of the candidate."""
    return _function(layer, "sigmoid", "recurrent_activation"), _function(layer, "tanh")


def _epsilon(layer: KerasLayer) -> float:
    return real_number(f"{layer.where}, epsilon", layer.config.get("epsilon"))


def _expect_bias(layer: KerasLayer, n_others: int) -> None:
    """Raise ConversionError unless there are so many arrays, and a bias where the config says so."""
    layer.weights.expect(n_others + bool(layer.config.get("use_bias", True)))


def _check_time(layer: KerasLayer, source: Value) -> None:
    if not source.has_time:
        raise ConversionError(f"{layer.where}: reads a value without a time axis; save the model again")


def _check_last_axis(layer: KerasLayer) -> None:
    axis = _only(layer.config.get("axis", -1))
    if axis not in (-1, layer.n_axes - 1):
        raise ConversionError(f"{layer.where}: axis {layer.config['axis']!r:.40} is not that of the values of a step")


def _only(value: Any) -> Any:
    """The one item of a list, which Keras writes for a number of one axis."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _inner(where: str, layer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The layer within a wrapper."""
    inner = layer["config"].get("layer")
    if not isinstance(inner, dict) or not isinstance(inner.get("config"), dict) or not isinstance(inner.get("class_name"), str):
        raise ConversionError(f"{where}: the layer within is {inner!r:.40}; save the model again")
    return inner


def _check_origin(where: str, layer: Mapping[str, Any]) -> None:
    """Raise ConversionError for a class of the user's own, which may have the name of one of Keras."""
    class_name, module, registered = layer["class_name"], layer.get("module"), layer.get("registered_name")
    foreign = isinstance(module, str) and module.partition(".")[0] not in ("keras", "tf_keras", "tensorflow")
    if foreign or registered not in (None, class_name) or ">" in class_name:
        raise ConversionError(f"{where}: {class_name!r:.40} is a class of the user's own, whose code is not in the file")


def _refusal(class_name: str) -> str:
    if class_name == "Bidirectional":
        return "reads the signal from its end too; export it as ONNX and import that with offline=True"
    if class_name == "Lambda":
        return "is code in the file, which is never executed"
    if class_name == "Masking":
        return "skips steps, which a stream does not; leave it out"
    if class_name in ("Sequential", "Functional", "Model"):
        return "is a model within the model, which is not imported; export it as ONNX"
    return (
        f"is not one of the classes that are imported: {', '.join(sorted({*_KINDS, *_MERGES, *_WRAPPERS}))}; export it as ONNX"
    )


_Kind = Callable[[LayerList, KerasLayer, Value], tuple[Value, list[str]]]
_KINDS: Mapping[str, _Kind] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "SimpleRNN": _rnn,
    "Dense": _dense,
    "Conv1D": _conv1d,
    "Embedding": _embedding,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Normalization": _normalization,
    "Activation": _activation,
    "Softmax": _softmax,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ELU": _elu,
    "PReLU": _prelu,
    "Identity": _identity,
    "Dropout": _identity,
    "SpatialDropout1D": _identity,
    "AlphaDropout": _identity,
    "GaussianDropout": _identity,
    "GaussianNoise": _identity,
    "ActivityRegularization": _identity,
}
_MERGES: Mapping[str, Callable[[LayerList, KerasLayer, Sequence[Value]], Value]] = {
    "Add": _merge("add"),
    "Subtract": _merge("subtract"),
    "Multiply": _merge("multiply"),
    "Concatenate": _concatenate,
}
_WRAPPERS = ("TimeDistributed",)
_STEP_BY_STEP = ("Dense", "Activation", "Dropout", "LayerNormalization", "BatchNormalization")
_WITHOUT_ARRAYS = {name for name, kind in _KINDS.items() if kind in (_activation, _softmax, _relu, _leaky_relu, _elu)}
