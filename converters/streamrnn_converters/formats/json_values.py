"""Checks the values in JSON that another program has written."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConversionError

_LARGEST_SIZE = 1 << 20


def numbers(where: str, value: Any, *shape: int | None) -> NDArray[np.float64]:
    """Nested lists of numbers, or an array, in float64. Raises ConversionError where the shape is another (None: any size)."""
    return floats(where, value, *shape).astype(np.float64, copy=False)


def floats(where: str, value: Any, *shape: int | None) -> NDArray[np.floating[Any]]:
    """As `numbers`, but an array of floats keeps its type, and is not copied."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise ConversionError(f"{where}: its lists do not have equal lengths; save the model again") from None
    if array.dtype.kind not in "fiu":
        raise ConversionError(f"{where}: holds something else than real numbers; save the model again")
    sizes: tuple[int, ...] = array.shape
    if len(sizes) != len(shape) or any(want not in (None, have) for want, have in zip(shape, sizes, strict=True)):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ConversionError(f"{where}: shape {sizes} does not fit, expected ({wanted})")
    if 0 in sizes:
        raise ConversionError(f"{where}: shape {sizes} is empty; every size must be at least 1")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    with np.errstate(invalid="ignore"):
        largest = np.finfo(np.float32).max
        is_finite = bool(-largest <= array.min() and array.max() <= largest)
    if not is_finite:
        raise ConversionError(f"{where}: holds NaN, infinity, or a number beyond float32; every number must be finite")
    return array


def entry(where: str, description: Mapping[str, Any], name: str) -> Any:
    """An entry of an object. Raises ConversionError where it is missing."""
    if name not in description:
        raise ConversionError(f"{where}: {name!r} is missing; save the whole model")
    return description[name]


def check_names(where: str, description: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise ConversionError for entries that are not known: what they say would be ignored."""
    if unknown := sorted(description.keys() - set(known)):
        names = ", ".join(f"{name!r:.60}" for name in unknown[:8])
        raise ConversionError(f"{where}: {names} is not understood; only {', '.join(sorted(known))} are")


def object_entry(where: str, description: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An entry that is an object. Raises ConversionError where it is missing or something else."""
    value = entry(where, description, name)
    if not isinstance(value, dict):
        raise ConversionError(f"{where}: {name!r} is {value!r:.40}, but an object is expected")
    return value


def list_entry(where: str, description: Mapping[str, Any], name: str) -> list[Any]:
    """An entry that is a list. Raises ConversionError where it is missing or something else."""
    value = entry(where, description, name)
    if not isinstance(value, list):
        raise ConversionError(f"{where}: {name!r} is {value!r:.40}, but a list is expected")
    return value


def whole_number(where: str, value: Any, minimum: int = 1) -> int:
    """A size. Raises ConversionError for anything but a whole number from `minimum` on."""
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= _LARGEST_SIZE:
        raise ConversionError(f"{where}: {value!r:.40} is not a whole number from {minimum} to {_LARGEST_SIZE}")
    return value


def real_number(where: str, value: Any) -> float:
    """A number. Raises ConversionError for anything but a finite real one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 3e38:
        raise ConversionError(f"{where}: {value!r:.40} is not a finite number")
    return float(value)
