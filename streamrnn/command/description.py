"""What an archive contains, as JSON values: the content of `inspect`."""

from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from streamrnn.activation import Activation
from streamrnn.layers import Layer
from streamrnn.model import Model


def describe(model: Model) -> dict[str, Any]:
    """Sizes, the number and bytes of parameters and states, each layer, and the notes."""
    n_states = sum(vector.size for layer in model.layers for vector in layer.states.values())
    return {
        "format": model.archive_format,
        "fingerprint": model.fingerprint,
        "dtype": str(model.dtype),
        "input_size": model.input_size,
        "stride": model.stride,
        "output_size": model.output_size,
        "parameters": model.n_parameters,
        "weight_bytes": model.weight_bytes,
        "streamable": model.streamable,
        "state_values": n_states,
        "state_bytes": n_states * model.dtype.itemsize,
        "layers": [_describe_layer(layer, sources) for layer, sources in zip(model.layers, model.sources, strict=True)],
        "notes": model.notes,
    }


def _describe_layer(layer: Layer, sources: tuple[int, ...] | None = None) -> dict[str, Any]:
    """A layer of a model with the layers that it reads, or, without sources, one that a layer holds."""
    reads = {} if sources is None else {"reads": list(sources)}  # indices of layers; -1 is the input
    return {
        "kind": layer.kind,
        **reads,
        "input_size": layer.input_size,
        "units": layer.n_units,
        "output_size": layer.output_size,
        "parameters": layer.n_parameters,
        "state": {name: vector.size for name, vector in layer.states.items()},
        "options": _options(layer),
    }


def _options(layer: Layer) -> dict[str, Any]:
    """The options that differ from the default, and the shapes of optional arrays; biases are left out."""
    found: dict[str, Any] = {}
    for field in fields(layer):  # type: ignore[arg-type]
        value = getattr(layer, field.name)
        if isinstance(value, np.ndarray):
            optional = field.default is not MISSING or field.default_factory is not MISSING
            if optional and not field.name.endswith("bias") and value.any():
                found[field.name] = list(value.shape)
        elif value != field.default:
            found[field.name] = _json_value(value)
    return found


def _json_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, Layer):
        return _describe_layer(value)
    return str(value) if isinstance(value, Activation) else value
