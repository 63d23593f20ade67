"""The type in which an imported model computes, as callers name it."""

from typing import Any

from streamrnn.errors import ConversionError, ModelError
from streamrnn.layers.layer import dtype_name


def compute_dtype(dtype: Any) -> str:
    """The name of float32 or float64, given by name or as a type of NumPy or torch; None: float32. Raises ConversionError."""
    if type(dtype).__module__ == "torch":
        dtype = str(dtype).removeprefix("torch.")
    try:
        return "float32" if dtype is None else dtype_name(dtype)
    except ModelError as error:
        raise ConversionError(str(error)) from None
