"""Follows a Keras model from its input to its output: the layers of a Sequential, or the nodes of a functional model."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from streamrnn.errors import ConversionError, ModelError
from streamrnn_converters.formats.imported_file import ImportedFile, source_notes
from streamrnn_converters.formats.json_values import list_entry, whole_number
from streamrnn_converters.formats.keras.layer import Value
from streamrnn_converters.formats.keras.layers import convert
from streamrnn_converters.formats.keras.saved_model import SavedModel, layer_name, read_saved_model
from streamrnn_converters.formats.layer_list import LayerList
from streamrnn_converters.reading import read_file

_FUNCTIONAL = ("Functional", "Model")  # Keras 3 and 2.3, before


def read_keras(path: Path, dtype: str = "float32") -> ImportedFile:
    """The model in a .keras or .h5 file."""
    data = read_file(path)
    try:
        saved = read_saved_model(data)
        remarks: list[str] = []
        found, output = _follow(saved, dtype, remarks)
        if output.index != found.last:
            raise ConversionError("its output is not its last layer; save a model that ends with its output")
        if output.zeros:
            raise ConversionError("its output has zeros before the first step; only a convolution may be given those")
        if "float16" in "".join(str(layer["config"].get("dtype")) for layer in saved.layers):
            remarks.append(f"Keras computes some of it in float16; here all of it is computed in {dtype}")
        notes = source_notes("keras", data, remarks, keras=saved.keras)
        return ImportedFile(found.model(notes), tuple(remarks))
    except (ConversionError, ModelError) as error:
        raise ConversionError(f"{path}: {error}") from error


def _follow(saved: SavedModel, dtype: str, remarks: list[str]) -> tuple[LayerList, Value]:
    """The layers, and the value that is the model's output."""
    layers = saved.layers
    names = [layer_name(layer) for layer in layers]
    if len(set(names)) != len(names):
        raise ConversionError("has two layers of one name, so their weights are not known; save the model again")
    if saved.class_name == "Sequential":
        order = _sequential(layers)
    elif saved.class_name in _FUNCTIONAL:
        order = _functional(saved.config, layers)
    else:
        raise ConversionError(f"is a {saved.class_name!r:.40}, whose code is not in the file; export it as ONNX")
    found, values = _input(layers, dtype)
    output = ""
    for layer, sources in order:
        output = name = layer_name(layer)
        if layer["class_name"] == "InputLayer":
            continue
        if missing := [source for source in sources if source not in values]:
            raise ConversionError(f"layer {name!r}: reads {missing[0]!r:.40}, which is no layer before it")
        try:
            read = [values[source] for source in sources]
            values[name], more = convert(found, layer, name, saved.arrays.of_layer(layer), read, saved.keras)
        except (ConversionError, ModelError) as error:
            named = str(error).startswith("layer ")
            raise ConversionError(str(error) if named else f"layer {name!r}: {error}") from error
        remarks += more
    outputs = saved.config.get("output_layers") if saved.class_name in _FUNCTIONAL else [[output]]
    return found, values[_only_layer("output", outputs, values)]


def _input(layers: Sequence[Mapping[str, Any]], dtype: str) -> tuple[LayerList, dict[str, Value]]:
    """The list of layers, which knows the size of the input, and the values that are the input: by name, "" for any."""
    inputs = [layer for layer in layers if layer.get("class_name") == "InputLayer"]
    if len(inputs) > 1:
        names = ", ".join(repr(layer_name(layer)) for layer in inputs)
        raise ConversionError(f"has {len(inputs)} inputs ({names}); a stream has one, join them to one vector")
    config = (inputs or layers or [{"config": {}}])[0]["config"]
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    embeds = any(layer.get("class_name") == "Embedding" for layer in layers)
    if shape is None:
        size, has_time = None, True
    elif not isinstance(shape, list) or not 2 <= len(shape) <= 3:
        raise ConversionError(f"its input has the shape {shape!r:.60}; (batch, time, values) can be streamed")
    elif len(shape) == 2 and embeds:
        size, has_time = 1, True  # one number per step, which is looked up
    else:
        size, has_time = whole_number("values of the input", shape[-1]), len(shape) == 3
        if embeds:
            raise ConversionError(f"its input has the shape {shape!r:.60}, but an Embedding reads one number per step")
    value = Value(-1, has_time)
    return LayerList(dtype, size), {"": value} | {layer_name(layer): value for layer in inputs}


def _sequential(layers: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Each layer after the name of what it reads: the layer before it."""
    before = ""
    for layer in layers:
        yield layer, [before]
        before = layer_name(layer)


def _functional(
    config: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Each layer after the names of what it reads, in the order of the config, which is that of computation."""
    for layer in layers:
        name = layer_name(layer)
        nodes = list_entry(f"layer {name!r}", layer, "inbound_nodes")
        if layer.get("class_name") == "InputLayer":
            yield layer, []
            continue
        if len(nodes) != 1:
            raise ConversionError(f"layer {name!r}: is used {len(nodes)} times, but only once is imported; export it as ONNX")
        sources = list(_sources(name, nodes[0]))
        if not sources:
            raise ConversionError(f"layer {name!r}: reads nothing; save the model again")
        yield layer, sources


def _sources(name: str, node: Any) -> Iterator[str]:
    """The layers that a node reads: [[name, node, tensor, options], …] of Keras 2, {"args": …, "kwargs": …} of Keras 3."""
    if isinstance(node, dict):
        arguments, options = node.get("args"), node.get("kwargs")
        histories = [_history(name, tensor) for tensor in _flat(arguments if isinstance(arguments, list) else [arguments])]
    elif isinstance(node, list):
        histories, options = [item for item in node if isinstance(item, list)], {}
        for item in histories:
            options |= item[3] if len(item) > 3 and isinstance(item[3], dict) else {}
    else:
        raise ConversionError(f"layer {name!r}: {node!r:.60} is not understood; save the model again")
    options = options if isinstance(options, dict) else {"": options}
    given = [key for key, value in options.items() if value is not None and key != "training"]
    if given:
        raise ConversionError(
            f"layer {name!r}: is called with {', '.join(map(repr, given))}, which is not imported; export it as ONNX"
        )
    for history in histories:
        if len(history) < 3 or not isinstance(history[0], str) or history[1:3] != [0, 0]:
            raise ConversionError(f"layer {name!r}: reads {history!r:.60}, an output that is not imported; export it as ONNX")
        yield history[0]


def _flat(arguments: Sequence[Any]) -> Iterator[Any]:
    for argument in arguments:
        if isinstance(argument, list):
            yield from argument
        else:
            yield argument


def _history(name: str, tensor: Any) -> list[Any]:
    config = tensor.get("config") if isinstance(tensor, dict) and tensor.get("class_name") == "__keras_tensor__" else None
    history = config.get("keras_history") if isinstance(config, dict) else None
    if not isinstance(history, list):
        raise ConversionError(f"layer {name!r}: is called with {tensor!r:.40}, which is no layer's output; export it as ONNX")
    return history


def _only_layer(what: str, entries: Any, values: Mapping[str, Value]) -> str:
    """The name in [[name, 0, 0]], or in [name, 0, 0] as Keras 3 writes a single one."""
    entry = entries[0] if isinstance(entries, list) and len(entries) == 1 else entries
    if not isinstance(entry, list) or not entry or not isinstance(entry[0], str) or entry[1:] not in ([], [0, 0]):
        raise ConversionError(f"has the {what}s {entries!r:.80}; a stream has one")
    if entry[0] not in values:
        raise ConversionError(f"its {what} {entry[0]!r:.40} is no layer of it; save the model again")
    return entry[0]
