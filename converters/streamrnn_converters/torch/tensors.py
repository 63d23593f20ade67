"""The tensors of a state dict, which are taken by name and shape; those that are left over are known."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.boundary import refusing
from streamrnn.errors import ConversionError


class Tensors:
    """A state dict that records which of its entries have been taken.

    source  name -> torch tensor (any device), NumPy array or nested list, of any float type. Raises ConversionError for
            anything else
    """

    def __init__(self, source: Mapping[Any, Any]) -> None:
        with refusing(ConversionError, "the state dict cannot be read"):
            given = dict(source)
        self._arrays = {_checked(name, value): _array(name, value) for name, value in given.items()}
        self._used: set[str] = set()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape, in the order of the state dict."""
        return {name: array.shape for name, array in self._arrays.items()}

    @property
    def unused(self) -> list[str]:
        """Names that have not been taken."""
        return [name for name in self._arrays if name not in self._used]

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def take(self, name: str, *shape: int | None) -> NDArray[np.floating[Any]]:
        """The tensor, of its own type, marked as used. Raises ConversionError where it is missing or shaped otherwise.

        shape  None stands for any size
        """
        if name not in self._arrays:
            there = ", ".join(map(repr, self._arrays)) or "none"
            raise ConversionError(f"tensor {name!r} is missing; the tensors are {there}")
        array = self._arrays[name]
        sizes: tuple[int, ...] = array.shape
        if len(sizes) != len(shape) or any(want not in (None, have) for want, have in zip(shape, sizes, strict=True)):
            wanted = ", ".join("any" if want is None else str(want) for want in shape)
            raise ConversionError(f"tensor {name!r}: shape {sizes} does not fit, expected ({wanted})")
        self._used.add(name)
        return array


def _checked(name: Any, value: Any) -> str:
    if not isinstance(name, str):
        raise ConversionError(f"a state dict maps names to tensors, but {name!r} is not a string")
    if isinstance(value, Mapping):
        raise ConversionError(f"entry {name!r} is a mapping, not a tensor; if it is the state dict, pass checkpoint[{name!r}]")
    return name


def _array(name: str, value: Any) -> NDArray[np.floating[Any]]:
    """`value` in its own type of float, or in float32 or float64 where NumPy has none such. It may share its memory."""
    with refusing(ConversionError, f"tensor {name!r}: cannot be read as an array", "pass a dense tensor"):
        if hasattr(value, "detach"):
            floating, dtype = value.is_floating_point(), value.dtype
            tensor = value.detach().cpu()
            array = (tensor.float() if tensor.element_size() < 4 else tensor).numpy() if floating else np.empty(0)
        else:
            array = np.asarray(value)
            dtype = array.dtype
            floating = dtype.kind == "f" or dtype.name == "bfloat16"
            if dtype.name == "bfloat16":
                array = array.astype(np.float32)
            elif dtype.itemsize > 8:
                array = array.astype(np.float64)
    if not floating:
        raise ConversionError(f"tensor {name!r}: dtype {dtype} is not a float type; pass the weights in float32")
    if not array.size:
        raise ConversionError(f"tensor {name!r}: shape {array.shape} is empty; every size must be at least 1")
    with np.errstate(invalid="ignore"):
        largest = np.finfo(np.float32).max
        is_finite = bool(-largest <= array.min() and array.max() <= largest)
    if not is_finite:
        raise ConversionError(f"tensor {name!r}: holds NaN, infinity, or a number beyond float32; every weight must be finite")
    return array
