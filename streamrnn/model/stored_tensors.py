"""The arrays of a layer as an archive holds them: weights in the type in which they are stored.

bfloat16   uint16, the upper half of each float32; safetensors has no such type in NumPy
float16    float16
int8       int8, and beside it "<name>.scale", float32, of a shape that broadcasts
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ModelError
from streamrnn.layers import Layer
from streamrnn.layers.holder import Holder
from streamrnn.target import storage
from streamrnn.target.integers import as_integers, as_weights
from streamrnn.target.packing import BFLOAT16, FLOAT16, INT8

_TYPES = {BFLOAT16: np.uint16, FLOAT16: np.float16, INT8: np.int8}


def stored_tensors(layer: Layer, prefix: str = "") -> dict[str, NDArray[Any]]:
    """The arrays of a layer by name, as an archive holds them."""
    if isinstance(layer, Holder):
        return stored_tensors(layer.layer, f"{prefix}layer.")
    found: dict[str, NDArray[Any]] = {}
    for name, tensor in layer.tensors().items():
        if layer.stored is None or name not in layer.matrix_names():
            found[prefix + name] = tensor
        elif layer.stored == INT8:
            scales = layer.row_scales(tensor)
            found |= {prefix + name: as_integers(tensor, scales), f"{prefix}{name}.scale": scales}
        else:
            found[prefix + name] = storage.encoded(tensor, layer.stored)
    return found


def take_tensors(
    kind: type[Layer], options: Mapping[str, Any], prefix: str, tensors: MutableMapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The arrays of a layer of a kind by field name, taken out of those of an archive, in the type in which it computes.

    Raises ModelError for an array of another type than expected.
    """
    stored, dtype = str(options.get("stored")), options["dtype"]
    found = {}
    for name in kind.tensor_names():
        if prefix + name not in tensors:
            continue
        is_stored = stored in _TYPES and name in kind.matrix_names()
        array = tensors.pop(prefix + name)
        if array.dtype != (expected := np.dtype(_TYPES[stored] if is_stored else dtype)):
            raise ModelError(f"{kind.kind} layer, {name}: {array.dtype}, but {expected} is expected")
        if is_stored and stored == INT8:
            scales = tensors.pop(f"{prefix}{name}.scale")
            if scales.dtype != np.float32:
                raise ModelError(f"{kind.kind} layer, {name}.scale: {scales.dtype}, but float32 is expected")
            array = as_weights(array, scales)
        elif is_stored:
            array = storage.decoded(array, stored).astype(dtype)
        found[name] = array
    return found


def check_stored(layer: Layer, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ModelError where the weights of an archive are not numbers of the stored type, so that a layer changed them."""
    for name, array in arrays.items():
        if not np.array_equal(getattr(layer, name), array):
            raise ModelError(f"{layer.kind} layer, {name}: not the numbers that {layer.stored} holds for such a matrix")
