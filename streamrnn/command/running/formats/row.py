"""A row of a signal, as a reader finds it, and which numbers it may hold."""

from collections.abc import Sequence
from typing import NamedTuple

from streamrnn.errors import InputError

_BEYOND_FLOAT32 = 2.0**128 - 2.0**103  # rounds to infinity, and all below it to a finite float32


class Row(NamedTuple):
    """One input vector, or why there is none, and the signal that it belongs to where there are many."""

    place: str  # "line 7"
    values: Sequence[float] = ()
    error: str = ""
    key: str | int = ""


def checked(values: Sequence[float], size: int) -> Sequence[float]:
    """`values`, unless they are not `size` numbers that are finite in float32; then raises InputError."""
    if len(values) != size:
        raise InputError(f"{len(values)} value{'s' * (len(values) != 1)}, but the model takes {size}")
    for index, value in enumerate(values):
        if not abs(value) < _BEYOND_FLOAT32:
            raise InputError(f"value {index + 1} is {value!r:.40}, which is not a finite float32 number")
    return values
