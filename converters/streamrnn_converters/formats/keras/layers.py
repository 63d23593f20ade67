"""Makes the layers of a model from the layers of a Keras config, each by its class name. (keras.io/api/layers)"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streamrnn import Arithmetic, Concat, Embedding
from streamrnn.errors import ConversionError
from streamrnn_converters.formats.json_values import whole_number
from streamrnn_converters.formats.keras import activations, normalizations, over_time
from streamrnn_converters.formats.keras.h5_file import Array
from streamrnn_converters.formats.keras.layer import KerasLayer, Value
from streamrnn_converters.formats.keras_weights import KerasWeights
from streamrnn_converters.formats.layer_list import LayerList


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
    if any(source.zeros for source in sources) and class_name not in _AFTER_ZEROS:
        raise ConversionError(f"{where}: reads a value with zeros before its first step; only a convolution may be given those")
    described = KerasLayer(where, layer["config"], KerasWeights(where, arrays, found.dtype), sources[0], version)
    if class_name in _MERGES:
        return _MERGES[class_name](found, described, sources), []
    if class_name not in _KINDS:
        raise ConversionError(f"{where}: {_refusal(class_name)}")
    if len(sources) != 1:
        raise ConversionError(f"{where}: reads {len(sources)} values, but 1 is expected")
    if class_name in _WITHOUT_ARRAYS and arrays:
        raise ConversionError(f"{where}: has {len(arrays)} arrays of weights, which are not understood")
    value = _KINDS[class_name](found, described)
    if value.has_time or not sources[0].has_time:
        return value, []
    return value, [f"layer {name!r} gives its last step only (return_sequences=False); a stream answers at every step"]


def _dense(found: LayerList, layer: KerasLayer) -> Value:
    layer.expect_bias(1)
    return layer.gives(found.add(layer.weights.dense(layer.function()), layer.source.index))


def _embedding(found: LayerList, layer: KerasLayer) -> Value:
    if layer.config.get("mask_zero"):
        raise ConversionError(
            f"{layer.where}: mask_zero=True makes later layers skip steps, which a stream does not; train without it"
        )
    if layer.source.index != -1:
        raise ConversionError(f"{layer.where}: looks up what another layer gives; only the model's input can be looked up")
    layer.weights.expect(1)
    table = layer.weights.vector(0, "embeddings", None, None)
    size = whole_number(f"{layer.where}, output_dim", layer.config.get("output_dim"))
    if table.size % size:
        raise ConversionError(f"{layer.where}: its table does not have output_dim {size} columns")
    return layer.gives(found.add(Embedding(table.reshape(-1, size), found.dtype), layer.source.index))


def _identity(found: LayerList, layer: KerasLayer) -> Value:
    return layer.source


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
    layer.check_last_axis()
    sizes = tuple(found.size(source.index) for source in sources)
    return Value(found.add(Concat(sizes, found.dtype), *(source.index for source in sources)), sources[0].has_time)


def _check_merge(layer: KerasLayer, sources: Sequence[Value]) -> None:
    if len(sources) < 2 or len({source.has_time for source in sources}) > 1:
        raise ConversionError(
            f"{layer.where}: joins values with and without a time axis, or a single one; that is not imported"
        )


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


_Kind = Callable[[LayerList, KerasLayer], Value]
_KINDS: Mapping[str, _Kind] = {
    "LSTM": over_time.lstm,
    "GRU": over_time.gru,
    "SimpleRNN": over_time.rnn,
    "Dense": _dense,
    "Conv1D": over_time.conv1d,
    "SeparableConv1D": over_time.separable_conv1d,
    "DepthwiseConv1D": over_time.depthwise_conv1d,
    "ZeroPadding1D": over_time.zero_padding1d,
    "Embedding": _embedding,
    "BatchNormalization": normalizations.batch_normalization,
    "LayerNormalization": normalizations.layer_normalization,
    "Normalization": normalizations.normalization,
    "Activation": activations.activation,
    "Softmax": activations.softmax,
    "ReLU": activations.relu,
    "LeakyReLU": activations.leaky_relu,
    "ELU": activations.elu,
    "PReLU": activations.prelu,
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
_AFTER_ZEROS = ("Conv1D", "SeparableConv1D", "DepthwiseConv1D", "ZeroPadding1D")
_WITHOUT_ARRAYS = ("ZeroPadding1D", "Activation", "Softmax", "ReLU", "LeakyReLU", "ELU")
