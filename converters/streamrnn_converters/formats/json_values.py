"""Reads JSON that another program has written, within bounds, and checks its values."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConversionError

_MOST_BYTES = 1 << 26  # Python needs up to some twenty times as much memory for lists
_LARGEST_SIZE = 1 << 20


def read_json(data: bytes) -> dict[str, Any]:
    """The JSON object in the bytes of a file. Raises ConversionError where there is none, or a name occurs twice."""
    if len(data) > _MOST_BYTES:
        raise ConversionError(f"has {len(data)} bytes of JSON; more than {_MOST_BYTES} are not read")
    try:
        value = json.loads(data, object_pairs_hook=_without_duplicates)
    except ConversionError:
        raise
    except RecursionError:
        raise ConversionError("nests its JSON too deep; a model does not need that, save it again") from None
    except ValueError as error:
        raise ConversionError(f"not a whole JSON file ({error}); save or copy it again") from None
    if not isinstance(value, dict):
        raise ConversionError(f"holds a JSON {type(value).__name__}, but an object is expected; save the whole model")
    return value


def numbers(where: str, value: Any, *shape: int | None) -> NDArray[np.float64]:
    """Nested lists of numbers, or an array, in float64. Raises ConversionError where the shape is another (None: any size)."""
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
    array = array.astype(np.float64)
    if not (np.abs(array) <= np.finfo(np.float32).max).all():
        raise ConversionError(f"{where}: holds NaN, infinity, or a number beyond float32; every number must be finite")
    return array


def entry(where: str, description: Mapping[str, Any], name: str) -> Any:
    """An entry of an object. Raises ConversionError where it is missing."""
    if name not in description:
        raise ConversionError(f"{where}: {name!r} is missing; save the whole model")
    return description[name]


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


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConversionError(
            f"has the name {twice!r:.60} twice in one JSON object, so its meaning is not clear; save it again"
        )
    if not all(name.isprintable() for name in found):
        raise ConversionError("has a name that cannot be printed in its JSON; save it again")
    return found
