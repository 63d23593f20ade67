"""The arrays in an .npz, as numpy.savez writes it. (numpy.lib.format, versions 1 and 2)"""

import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from streamrnn.errors import ConversionError
from streamrnn_converters.reading.zip_members import zip_members

_LONGEST_HEADER = 1 << 14
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def npz_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """Name -> array of numbers, read-only. Raises ConversionError for anything else, and for what unpacks to far more."""
    arrays: dict[str, NDArray[Any]] = {}
    for member, content in zip_members(data).items():
        name = member.removesuffix(".npy")
        if name in arrays:
            raise ConversionError(f"array {name!r:.200} is there twice; save it again")
        try:
            arrays[name] = _array(content)
        except Exception as error:  # NumPy raises many types for wrong bytes
            reason = str(error).partition("\n")[0]
            raise ConversionError(f"array {name!r:.200}: not a plain array ({reason}); np.savez writes one") from None
    return arrays


def _array(content: memoryview) -> NDArray[Any]:
    """The array in the bytes of an .npy file. Its values are not copied."""
    begin = io.BytesIO(content[:_LONGEST_HEADER])
    version = npy.read_magic(begin)
    if version not in _HEADERS:
        raise ValueError(f"it is of version {version}")
    shape, is_fortran, dtype = _HEADERS[version](begin)
    values = content[begin.tell() :]
    if dtype.hasobject or dtype.kind not in "fiub":
        raise ValueError(f"it holds {dtype} values")
    n_values = math.prod(shape)
    if n_values * dtype.itemsize != len(values):
        raise ValueError(f"its shape {shape} is not that of {len(values)} bytes")
    return np.frombuffer(values, dtype).reshape(shape, order="F" if is_fortran else "C")
