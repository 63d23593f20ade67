"""A row of a signal, and the numbers that it may have."""

from collections.abc import Sequence
from typing import NamedTuple

from streamrnn.errors import InputError

_BEYOND_FLOAT32 = 2.0**128 - 2.0**103  # the smallest number that rounds to infinity in float32

#: What a field of a text format may have.
Scalar = str | int | float | bool | None


class Row(NamedTuple):
    """An input vector, or the reason why it cannot be used; with many signals, the key of its signal too."""

    location: str  # "line 7"
    values: Sequence[float] = ()
    error: str = ""
    key: str | int = ""
    kept: tuple[Scalar, ...] = ()  # what is copied to the output


def checked(values: Sequence[float], size: int, if_more: str = "") -> Sequence[float]:
    """`values`. Raises InputError unless they are `size` numbers that are finite in float32.

    if_more  the end of the message where there are more
    """
    if len(values) != size:
        hint = if_more if len(values) > size else ""
        raise InputError(f"{len(values)} value{'s' * (len(values) != 1)}, but the model takes {size}{hint}")
    for index, value in enumerate(values):
        if not abs(value) < _BEYOND_FLOAT32:
            raise InputError(f"value {index + 1} is {value!r:.40}, which is not a finite float32 number")
    return values
