"""Finds the config and the arrays of each layer in the two containers of Keras: .keras (zip) and the older .h5."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from streamrnn.errors import ConversionError
from streamrnn_converters.formats.json_values import list_entry, object_entry
from streamrnn_converters.formats.keras.h5_file import Array, H5File, read_h5
from streamrnn_converters.formats.layer_list import MOST_LAYERS
from streamrnn_converters.reading.json_object import read_json
from streamrnn_converters.reading.zip_members import zip_members

_HDF5 = b"\x89HDF\r\n\x1a\n"


class Arrays(Protocol):
    """The arrays of a layer, in the order of get_weights()."""

    def of_layer(self, layer: Mapping[str, Any]) -> list[Array]:
        """Those of a layer of the config."""


@dataclass(frozen=True)
class SavedModel:
    """A model as Keras saves it.

    class_name  "Sequential", "Functional" or another class
    config      its config: layers, and of a functional model inputs and outputs
    keras       the version of Keras that wrote it; "" where the file does not tell
    arrays      the weights by layer
    """

    class_name: str
    config: dict[str, Any]
    keras: str
    arrays: Arrays

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The descriptions of all layers. Raises ConversionError where they are no objects."""
        found = list_entry("the model", self.config, "layers")
        if len(found) > MOST_LAYERS:
            raise ConversionError(f"has {len(found)} layers; more than {MOST_LAYERS} are not read")
        for layer in found:
            whole = isinstance(layer, dict) and isinstance(layer.get("config"), dict)
            if not whole or not isinstance(layer.get("class_name"), str):
                raise ConversionError(f"layer {layer!r:.60} is no description of a layer; save the model again")
        return found


def read_saved_model(data: bytes) -> SavedModel:
    """The model in the bytes of a .keras or .h5 file. Raises ConversionError where there is none."""
    if data.startswith(_HDF5):
        return _from_h5(read_h5(data))
    config, metadata, weights = _members(data)
    described = read_json(config)
    version = read_json(metadata).get("keras_version", "") if metadata else ""
    return _saved_model(described, str(version), _KerasArrays(read_h5(weights), _class_names(described)))


def layer_name(layer: Mapping[str, Any]) -> str:
    """The name of a layer of the config."""
    name = layer["config"].get("name", layer.get("name"))
    if not isinstance(name, str) or len(name) > 1000:
        raise ConversionError(f"a layer of class {layer.get('class_name')!r:.40} has no name; save the model again")
    return name


def _members(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Config, metadata and weights of a .keras file."""
    members = zip_members(data)
    if "config.json" not in members or "model.weights.h5" not in members:
        raise ConversionError("a zip file without config.json and model.weights.h5; save it with model.save('model.keras')")
    config, metadata, weights = (bytes(members.get(name, b"")) for name in ("config.json", "metadata.json", "model.weights.h5"))
    return config, metadata, weights


def _from_h5(file: H5File) -> SavedModel:
    described = file.text("", "model_config")
    if described is None:
        raise ConversionError(
            "holds weights without the layers that they belong to; save the whole model with model.save('model.keras')"
        )
    return _saved_model(read_json(described.encode()), file.text("", "keras_version") or "", _H5Arrays(file))


def _saved_model(described: dict[str, Any], version: str, arrays: Arrays) -> SavedModel:
    config = described.get("config")
    if isinstance(config, list):  # Keras before 2.2.3 has the layers of a Sequential there
        described = described | {"config": {"layers": config}}
    return SavedModel(str(described.get("class_name")), object_entry("the model", described, "config"), version, arrays)


class _H5Arrays:
    """Weights of an .h5: model_weights/<layer>, whose attribute weight_names has their paths in the order of get_weights()."""

    def __init__(self, file: H5File) -> None:
        self._file = file

    def of_layer(self, layer: Mapping[str, Any]) -> list[Array]:
        """Those of a layer of the config."""
        group = f"model_weights/{layer_name(layer)}"
        return [self._file.array(f"{group}/{name}") for name in self._file.texts(group, "weight_names")]


class _KerasArrays:
    """Weights of a .keras: layers/<class in snake case>[_k]/…/vars/<i>, the k-th layer of its class in the order of the config.

    The rule is that of keras/src/saving/saving_lib.py, _save_container_state. A recurrent layer has its arrays in "cell", a
    wrapper in "layer". Keras 2.12 says _layer_checkpoint_dependencies for layers.
    """

    def __init__(self, file: H5File, class_names: Mapping[str, str]) -> None:
        self._file = file
        self._root = next((root for root in ("layers", "_layer_checkpoint_dependencies") if root in file.groups), "layers")
        self._groups = class_names

    def of_layer(self, layer: Mapping[str, Any]) -> list[Array]:
        """Those of a layer of the config."""
        name = layer_name(layer)
        path = f"{self._root}/{self._groups[name]}"
        if (written := self._file.text(f"{path}/vars", "name")) not in (None, name):  # Keras 3 tells it
            raise ConversionError(f"layer {name!r}: its weights are called {written!r:.60}; save the model again")
        for inner in ("", "/cell", "/layer"):
            if n_arrays := self._file.n_numbered(f"{path}{inner}/vars"):
                return [self._file.array(f"{path}{inner}/vars/{index}") for index in range(n_arrays)]
        return []


def _class_names(described: Mapping[str, Any]) -> dict[str, str]:
    """The group of each layer, by its name."""
    config = described.get("config")
    layers = config.get("layers") if isinstance(config, dict) else None
    counts: dict[str, int] = {}
    groups = {}
    for layer in layers if isinstance(layers, list) else []:
        class_name = layer.get("class_name") if isinstance(layer, dict) and isinstance(layer.get("config"), dict) else None
        if not isinstance(class_name, str) or (described.get("class_name") == "Sequential" and class_name == "InputLayer"):
            continue
        snake = re.sub(r"\W+", "", class_name.partition(">")[2] or class_name)
        snake = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", snake)).lower()
        count = counts[snake] = counts.get(snake, -1) + 1
        groups[layer_name(layer)] = f"{snake}_{count}" if count else snake
    return groups
