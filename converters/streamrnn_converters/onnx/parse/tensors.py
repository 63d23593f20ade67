"""Tensors of a file as arrays. Their declared shape and type are checked against the bytes first."""

import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from streamrnn.errors import ConversionError

_MOST_AXES = 32
_TYPED = {"float_data", "double_data", "int32_data", "int64_data", "uint64_data", "string_data"}


def array_of(tensor: TensorProto, where: str) -> NDArray[Any]:
    """A tensor as an array; its data must be in the file and as long as its shape says. Raises ConversionError."""
    if is_external(tensor):
        raise ConversionError(
            f"{where}: its data lies in another file; save the model with its data inside, or let it be read from the model's "
            "own folder: from_onnx(path, allow_external_data=True), on the command line --allow-external-data"
        )
    if tensor.HasField("segment"):
        raise ConversionError(f"{where}: stored in segments, which are not understood; export it again")
    n_bytes = bytes_of(tensor, where)
    shape = tuple(tensor.dims)
    if tensor.HasField("raw_data"):
        n_given = len(tensor.raw_data)
        if n_given != n_bytes:
            raise ConversionError(f"{where}: its data does not fit its shape {shape}: {n_given} bytes, expected {n_bytes}")
    elif math.prod(shape) > (most := 2 * sum(len(getattr(tensor, name)) for name in _TYPED)):
        # Two numbers of four bits share an entry; anything else is found when the array is made.
        raise ConversionError(f"{where}: its data does not fit its shape {shape}: at most {most} numbers")
    try:
        array = onnx.numpy_helper.to_array(tensor)
    except Exception as error:  # onnx raises many kinds of errors for wrong bytes
        raise ConversionError(f"{where}: its data does not fit its shape {shape} and type ({error})") from None
    if array.shape != shape:
        raise ConversionError(f"{where}: its data does not fit its shape {shape}")
    array = np.asarray(array)
    if array.dtype.kind == "f" and np.isnan(array).any():
        array = np.where(np.isnan(array), array.dtype.type(np.nan), array)  # NumPy warns of a signalling NaN in every sum
    return array


def is_external(tensor: TensorProto) -> bool:
    """Whether a tensor says that its data lies in another file."""
    return bool(tensor.data_location == TensorProto.EXTERNAL or tensor.external_data)


def bytes_of(tensor: TensorProto, where: str) -> int:
    """How many bytes of raw data a tensor's shape and type take. Raises ConversionError for those that are none."""
    if len(tensor.dims) > _MOST_AXES:
        raise ConversionError(f"{where}: has {len(tensor.dims)} axes; more than {_MOST_AXES} are not read")
    if any(size < 0 for size in tensor.dims):
        raise ConversionError(f"{where}: its shape {tuple(tensor.dims)} has a negative size")
    n_numbers = math.prod(tensor.dims)
    name = next((name for name, number in TensorProto.DataType.items() if number == tensor.data_type), None)
    if name is None or name == "UNDEFINED":
        raise ConversionError(f"{where}: its type {tensor.data_type} is not one of ONNX's")
    if name in ("INT4", "UINT4", "FLOAT4E2M1"):
        return int((n_numbers + 1) // 2)
    if name in ("INT2", "UINT2"):
        return int((n_numbers + 3) // 4)
    if name == "STRING":
        return 0
    return int(n_numbers * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
