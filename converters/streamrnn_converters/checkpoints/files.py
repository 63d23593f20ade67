"""Reads weights from .safetensors, .npz and files of torch.save. Nothing in a file is ever executed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import deserialize

from streamrnn.errors import ConversionError
from streamrnn.json_object import json_object
from streamrnn_converters.checkpoints.nested import find_weights
from streamrnn_converters.checkpoints.torch_file import read_torch
from streamrnn_converters.checkpoints.torch_pickle import TorchTensor, from_bfloat16
from streamrnn_converters.reading.npz import npz_arrays

TORCH = (".pt", ".pth", ".bin", ".ckpt")
EXTENSIONS = (".safetensors", ".npz", *TORCH)

_MOST_TENSORS, _LONGEST_NAME = 10_000, 500
_LONGEST_HEADER = 1 << 23  # bytes of a safetensors file
_SAFETENSORS = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


class Weights(NamedTuple):
    """The tensors of a file."""

    format: str  # safetensors, npz or torch
    tensors: Mapping[str, Any]  # name -> NumPy array
    dtypes: Mapping[str, str]  # name -> the type in the file: "bfloat16"
    remarks: tuple[str, ...]  # where in a nested checkpoint the tensors were found


def read_weights(data: bytes, extension: str) -> Weights:
    """The named tensors in the bytes of a file.

    A nested checkpoint is searched: one entry only may hold weights, and a remark names it.

    Raises ConversionError for a file that is damaged, of another format, or whose code would have to run.
    """
    remarks: list[str] = []
    tensors: Mapping[str, Any]
    dtypes: dict[str, str]
    if extension == ".safetensors":
        name, (tensors, dtypes) = "safetensors", _safetensors(data)
    elif extension == ".npz":
        name, tensors = "npz", npz_arrays(data)
        dtypes = {key: array.dtype.name for key, array in tensors.items()}
    elif extension in TORCH:
        name, (tensors, dtypes) = "torch", _torch(data, remarks)
    else:
        raise ConversionError(f"extension {extension!r} is none of {', '.join(EXTENSIONS)}")
    if not tensors:
        raise ConversionError("holds no tensors; save the state dict of the trained model")
    _check_names(tensors)
    return Weights(name, tensors, dtypes, tuple(remarks))


def _check_names(tensors: Mapping[str, Any]) -> None:
    """Raise ConversionError for far more tensors, or longer names, than a network has."""
    if len(tensors) > _MOST_TENSORS or max(map(len, tensors), default=0) > _LONGEST_NAME:
        raise ConversionError(
            f"has more than {_MOST_TENSORS} tensors, or a name of more than {_LONGEST_NAME} characters, which are not read"
        )


def _safetensors(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    n_header = int.from_bytes(data[:8], "little")
    if n_header > _LONGEST_HEADER:
        raise ConversionError(f"not a safetensors file, or one with a header of more than {_LONGEST_HEADER} bytes")
    try:
        header = json_object(data[8 : 8 + n_header])
        _check_names(header)
        names = [name for name, _ in deserialize(data)]  # type: ignore[no-untyped-call]
    except ConversionError:
        raise
    except Exception as error:  # the library has several
        raise ConversionError(f"not a whole safetensors file ({error}); save or copy it again") from None
    about = header.get("__metadata__", {})
    if not isinstance(about, dict):
        raise ConversionError("not a whole safetensors file (its __metadata__ is no object); save it again")
    if "streamrnn" in about:
        raise ConversionError("is an archive of streamrnn already; use it with `streamrnn run` or streamrnn.load")
    content = memoryview(data)[8 + n_header :]
    tensors: dict[str, NDArray[Any]] = {}
    dtypes: dict[str, str] = {}
    for name in names:
        kind, shape, (begin, end) = (header[name][key] for key in ("dtype", "shape", "data_offsets"))
        if kind not in ("BF16", *_SAFETENSORS):
            raise ConversionError(
                f"tensor {name!r}: {kind} is not understood, only F64, F32, F16 and BF16; save the weights in float32"
            )
        if begin == end:
            raise ConversionError(f"tensor {name!r}: shape {shape} is empty; every size must be at least 1")
        if kind == "BF16":
            tensors[name], dtypes[name] = from_bfloat16(np.frombuffer(content[begin:end], "<u2")).reshape(shape), "bfloat16"
        else:
            array = np.frombuffer(content[begin:end], np.dtype(_SAFETENSORS[kind]).newbyteorder("<")).reshape(shape)
            tensors[name], dtypes[name] = array, array.dtype.name
    return tensors, dtypes


def _torch(data: bytes, remarks: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    file = read_torch(data)
    tensors: dict[str, Any] = {}
    dtypes: dict[str, str] = {}
    for name, value in find_weights(file.content, remarks).items():
        try:
            tensors[name] = file.array(value) if isinstance(value, TorchTensor) else value
        except ConversionError as error:
            raise ConversionError(f"tensor {name!r}: {error}") from None
        dtypes[name] = value.dtype if isinstance(value, TorchTensor) else ""
    return tensors, dtypes
