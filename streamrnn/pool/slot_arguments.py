"""A caller's slots: converted to an array, or refused with a reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamrnn.boundary import refusing
from streamrnn.door.arguments import has_masked
from streamrnn.errors import InputError
from streamrnn.target.record import OPEN

#: Slots, (n,).
Slots = NDArray[np.int64]

#: Whatever a caller may pass as slots.
SlotsLike = Sequence[int] | NDArray[np.integer[Any]]


#: The most slots that are checked one by one in less time than all at once.
_FEW = 64


def as_slots(call: str, slots: ArrayLike) -> Slots:
    """A copy of a caller's slots. Raises InputError for anything but whole numbers of shape (n,)."""
    if type(slots) is np.ndarray and slots.dtype == np.int64 and slots.ndim == 1:
        return slots.copy()
    with refusing(InputError, f"{call}: slots are not whole numbers", "pass slots that open() returned"):
        if has_masked(slots):
            raise TypeError("some are masked")
        array = np.asarray(slots)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"dtype {array.dtype} is not a whole number")
    if array.ndim != 1:
        raise InputError(f"{call}: slots of shape {array.shape} do not fit, expected (n,)")
    return array.astype(np.int64)


def check_open(call: str, slots: Slots, marks: NDArray[np.int64]) -> None:
    """Raise InputError unless all slots are open, without duplicates. `marks`, (n_rows,), says which slots are open."""
    if len(slots) > _FEW and _all_open(slots, marks):
        return
    seen = set()
    for slot in slots.tolist():  # says which one is wrong; for a few, it is also the shortest way
        if not 0 <= slot < len(marks) or marks[slot] != OPEN:
            raise _not_open(call, slot)
        if slot in seen:
            raise InputError(f"{call}: slot {slot} appears twice; pass each slot once")
        seen.add(slot)


def check_one_open(call: str, slot: int, marks: NDArray[np.int64]) -> None:
    """Raise InputError unless a slot is open."""
    if not 0 <= slot < len(marks) or marks[slot] != OPEN:
        raise _not_open(call, slot)


def _not_open(call: str, slot: int) -> InputError:
    return InputError(f"{call}: slot {slot} is not open; pass slots that open() returned")


def _all_open(slots: Slots, marks: NDArray[np.int64]) -> bool:
    """Whether all slots, one or more, are open, without duplicates."""
    if slots.min() < 0 or slots.max() >= len(marks):
        return False
    return bool((marks[slots] == OPEN).all()) and len(np.unique(slots)) == len(slots)
