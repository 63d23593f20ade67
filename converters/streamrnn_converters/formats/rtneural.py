"""RTNeural's two JSON forms: a list of Keras layers with their weights, and the state dict of a torch module.

What they mean is what RTNeural computes: RTNeural/model_loader.h and RTNeural/torch_helpers.h (github.com/jatinchowdhury18/
RTNeural). Its GRU is the reset-after form, its cells have tanh and sigmoid only, its convolutions look back only, and states
begin at zero.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from streamrnn import Activation, PRelu
from streamrnn.activation import LINEAR, RELU, SIGMOID, TANH
from streamrnn.errors import ConversionError, ModelError
from streamrnn_converters.formats.imported_file import ImportedFile, read_json_file, source_notes
from streamrnn_converters.formats.json_values import list_entry, numbers, real_number, whole_number
from streamrnn_converters.formats.keras_weights import KerasWeights
from streamrnn_converters.formats.layer_list import LayerList
from streamrnn_converters.formats.module_order import guess_modules
from streamrnn_converters.formats.vectors import with_vector_beside
from streamrnn_converters.torch.build import build
from streamrnn_converters.torch.parts import parse
from streamrnn_converters.torch.tensors import Tensors

_ACTIVATIONS = {
    "": LINEAR,
    "tanh": TANH,
    "relu": RELU,
    "sigmoid": SIGMOID,
    "softmax": Activation("softmax"),
    "elu": Activation("elu", 1.0),
}
_KNOWN = {"type", "activation", "shape", "weights", "kernel_size", "dilation", "strides", "groups", "epsilon", "name"}


def read_rtneural(path: Path, layers: str | Sequence[str] | None = None, dtype: str = "float32") -> ImportedFile:
    """The model in an RTNeural file, and the test vector in NAME_x.csv and NAME_y.csv beside it.

    layers  of the torch form: its modules in order, as for `from_torch`; None: guessed, where only one answer fits
    """

    def convert(description: dict[str, Any], data: bytes) -> ImportedFile:
        if "layers" not in description:
            return _from_state_dict(description, data, layers, dtype)
        if layers is not None:
            raise ConversionError("names its layers itself; leave the description of layers out")
        if unknown := sorted(description.keys() - {"in_shape", "layers"}):
            raise ConversionError(
                f"has {', '.join(map(repr, unknown))}, which RTNeural does not read; if AIDA-X wrote it, from_aidax reads it"
            )
        remarks: list[str] = []
        found = LayerList(dtype, input_size(description))
        add_layers(found, description, remarks)
        model = found.model(source_notes("rtneural", data, remarks))
        return ImportedFile(model, tuple(remarks))

    return with_vector_beside(path, read_json_file(path, convert), path.stem)


def input_size(description: Mapping[str, Any]) -> int:
    """Values per step that a model of the Keras form takes."""
    return whole_number("in_shape", _shape("the model", description, "in_shape")[-1])


def add_layers(found: LayerList, description: Mapping[str, Any], remarks: list[str]) -> None:
    """Add the layers of the Keras form. Raises ConversionError, naming the layer, for what RTNeural does not compute."""
    for index, layer in enumerate(list_entry("the model", description, "layers")):
        where = f"layer {index}"
        if not isinstance(layer, dict):
            raise ConversionError(f"{where}: {layer!r:.40} is not an object; save the model again")
        kind = layer.get("type")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ConversionError(f"{where}: {_refusal(kind)}")
        where = f"{where} ({kind})"
        if unknown := sorted(layer.keys() - _KNOWN):
            remarks.append(f"{where}: not used: {', '.join(map(repr, unknown))}")
        try:
            _KINDS[kind](found, where, layer)
        except (ConversionError, ModelError) as error:
            named = str(error).startswith(where)
            raise ConversionError(str(error) if named else f"{where}: {error}") from error
        outputs = whole_number(f"{where}, shape", _shape(where, layer, "shape")[-1])
        if outputs != found.size(found.last):
            raise ConversionError(f"{where}: gives {found.size(found.last)} values, but its shape says {outputs}")


def _from_state_dict(
    description: Mapping[str, Any], data: bytes, layers: str | Sequence[str] | None, dtype: str
) -> ImportedFile:
    """The torch form: names of torch's modules, and nothing but their weights."""
    tensors = Tensors({name: _tensor(name, value) for name, value in description.items()})
    remarks = []
    if layers is None:
        parts, why = guess_modules(tensors)
        order = ", ".join(part.entry for part in parts)
        remarks.append(f'guessed: {order}{why}; say --layers "…" to overrule')
        remarks.append("a state dict does not name functions, skips or convolutions' steps; none are assumed")
    else:
        parts = parse(layers)
    notes = source_notes("rtneural", data, remarks, layers=[part.entry for part in parts])
    return ImportedFile(build(parts, tensors, dtype, notes), tuple(remarks))


def _tensor(name: str, value: Any) -> Any:
    depth, inner = 0, value
    while isinstance(inner, list) and inner:
        depth, inner = depth + 1, inner[0]
    if depth == 3:
        raise ConversionError(
            f"tensor {name!r}: weights of a convolution, whose dilation a state dict does not tell; write the model in "
            "RTNeural's Keras form, or as ONNX"
        )
    return numbers(f"tensor {name!r}", value, *[None] * depth)


def _dense(found: LayerList, where: str, layer: Mapping[str, Any]) -> None:
    found.add(_weights(found, where, layer).dense(_activation(where, layer)))


def _conv1d(found: LayerList, where: str, layer: Mapping[str, Any]) -> None:
    for name in ("strides", "groups"):
        if name in layer and _last(layer[name]) != 1:
            raise ConversionError(f"{where}: {name} {layer[name]!r:.40} cannot be streamed; only 1 can")
    dilation = whole_number(f"{where}, dilation", _last(layer.get("dilation", 1)))
    convolution = _weights(found, where, layer).conv1d(dilation)
    n_taps = len(list_entry(where, layer, "weights")[0])
    if whole_number(f"{where}, kernel_size", _last(layer.get("kernel_size", n_taps))) != n_taps:
        raise ConversionError(f"{where}: kernel_size {layer['kernel_size']!r:.40}, but its weights have {n_taps} taps")
    found.add(convolution)
    found.add_function(_activation(where, layer), found.last)


def _gru(found: LayerList, where: str, layer: Mapping[str, Any]) -> None:
    _check_tanh(where, layer)
    weights = list_entry(where, layer, "weights")
    if len(weights) == 3 and isinstance(weights[2], list) and not any(isinstance(row, list) for row in weights[2]):
        raise ConversionError(
            f"{where}: its bias is a single row, as of a Keras GRU with reset_after=False, which RTNeural does not compute; "
            "save the Keras model as .keras and import that"
        )
    found.add(_weights(found, where, layer).gru(reset_after=True))


def _lstm(found: LayerList, where: str, layer: Mapping[str, Any]) -> None:
    _check_tanh(where, layer)
    found.add(_weights(found, where, layer).lstm())


def _prelu(found: LayerList, where: str, layer: Mapping[str, Any]) -> None:
    size = found.size(found.last)
    weights = _weights(found, where, layer)
    weights.expect(1)
    slopes = weights.vector(0, "slopes", 1, None)
    found.add(PRelu(slopes.repeat(size) if len(slopes) == 1 else slopes, found.dtype))


def _batchnorm(found: LayerList, where: str, layer: Mapping[str, Any]) -> None:
    weights = _weights(found, where, layer)
    epsilon = real_number(f"{where}, epsilon", layer.get("epsilon"))
    found.add(weights.batch_normalization(epsilon, *[len(weights) == 4] * 2))


def _activation_layer(found: LayerList, where: str, layer: Mapping[str, Any]) -> None:
    if _activation(where, layer) == LINEAR:
        raise ConversionError(f"{where}: names no function, since RTNeural's exporter did not know it; import the original")
    found.add_function(_activation(where, layer), found.last)


def _weights(found: LayerList, where: str, layer: Mapping[str, Any]) -> KerasWeights:
    return KerasWeights(where, list_entry(where, layer, "weights"), found.dtype)


def _activation(where: str, layer: Mapping[str, Any]) -> Activation:
    name = layer.get("activation", "")
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise ConversionError(
            f"{where}: activation {name!r:.40} is none of RTNeural's: {', '.join(filter(None, _ACTIVATIONS))}"
        )
    return _ACTIVATIONS[name]


def _check_tanh(where: str, layer: Mapping[str, Any]) -> None:
    if layer.get("activation", "") not in ("", "tanh"):
        raise ConversionError(
            f"{where}: activation {layer['activation']!r:.40}, but RTNeural computes tanh whatever the file says; "
            "import the original model"
        )


def _shape(where: str, description: Mapping[str, Any], name: str) -> list[Any]:
    shape = list_entry(where, description, name)
    if not 1 <= len(shape) <= 3:
        raise ConversionError(f"{where}: {name} {shape!r:.60} is no (batch, time, values); images are not streamed")
    return shape


def _last(value: Any) -> Any:
    return value[-1] if isinstance(value, list) and value else value


def _refusal(kind: Any) -> str:
    if kind in ("conv2d", "batchnorm2d"):
        return "images within a step are not imported from this format; export the model as ONNX"
    if kind == "unknown":
        return "RTNeural's exporter did not know this layer and wrote none of it; import the original model"
    return f"the type {kind!r:.40} is not one of {', '.join(_KINDS)}"


_KINDS: dict[Any, Callable[[LayerList, str, Mapping[str, Any]], None]] = {
    "dense": _dense,
    "time-distributed-dense": _dense,
    "conv1d": _conv1d,
    "gru": _gru,
    "lstm": _lstm,
    "prelu": _prelu,
    "batchnorm": _batchnorm,
    "activation": _activation_layer,
}
