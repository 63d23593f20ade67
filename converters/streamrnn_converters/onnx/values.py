"""What a value of the graph is, once it is understood: a constant, the signal somewhere on its way, or states of layers.

Axes have names. Those of a graph input are only numbered; which one is the time is told by the recurrent node that the signal
reaches, never by declared shapes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Union

import numpy as np
from numpy.typing import NDArray

from streamrnn.layers import Layer


@dataclass(frozen=True)
class Size:
    """A size that is not known before the graph runs: `factor` times the sizes of the named axes."""

    factor: int
    axes: tuple[str, ...]

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Size):
            return Size(self.factor * other.factor, tuple(sorted(self.axes + other.axes)))
        return Size(self.factor * int(other), self.axes) if other != 0 else 0

    __rmul__ = __mul__


class Axis(NamedTuple):
    """An axis of a signal or of states."""

    name: str  # numbered: "x.0" …; bound: "time", "batch", "feature"; "layer"; "one.…" for an axis that is always 1
    size: int | Size

    @property
    def is_one(self) -> bool:
        """Whether the graph itself has put the axis in, with size 1."""
        return self.name.startswith("one")


@dataclass(frozen=True)
class Constant:
    """Numbers that the graph knows. An array of objects may hold a `Size` in place of an integer."""

    array: NDArray[Any]


@dataclass(frozen=True)
class Spread:
    """A constant broadcast to sizes that are not known: what ConstantOfShape and Expand give. `array` broadcasts to them."""

    array: NDArray[Any]
    sizes: tuple[int | Size, ...]


@dataclass(frozen=True)
class Signal:
    """The signal from a graph input behind some layers. `last` where the time axis is gone and the last step is left."""

    source: str  # name of the graph input
    layers: tuple[Layer, ...]
    axes: tuple[Axis, ...]
    last: bool = False


@dataclass(frozen=True)
class States:
    """State vectors after the last step, one for each entry of the axis "layer" (one entry where there is no such axis)."""

    source: str
    entries: tuple[tuple[tuple[Layer, ...], str], ...]  # the layers up to the one whose state it is, and its name
    axes: tuple[Axis, ...]


Value = Union[Constant, Spread, Signal, States]  # noqa: UP007 - `|` of classes that are not yet all types at run time
Flowing = Signal | States


def rank(value: Value) -> int:
    """How many axes a value has."""
    if isinstance(value, Constant):
        return value.array.ndim
    return len(value.sizes if isinstance(value, Spread) else value.axes)


def shape(value: Value) -> list[int | Size]:
    """The sizes of a value's axes."""
    if isinstance(value, Constant):
        return list(value.array.shape)
    return list(value.sizes) if isinstance(value, Spread) else [axis.size for axis in value.axes]


def numbers(values: Iterable[int | Size]) -> NDArray[Any]:
    """Sizes as the array that a Shape node gives: of integers if all are known, else of objects."""
    items = list(values)
    if all(isinstance(item, int) for item in items):
        return np.array(items, np.int64)
    array = np.empty(len(items), object)
    array[:] = items
    return array


def describe(value: Value) -> str:
    """What a value is, for an error message."""
    if isinstance(value, Constant):
        return f"a constant of shape {value.array.shape}"
    if isinstance(value, Spread):
        return "a constant of a shape that depends on the input"
    if isinstance(value, States):
        return "a final state"
    behind = f"behind {value.layers[-1].kind} layer {len(value.layers) - 1}" if value.layers else "as it comes"
    return f"the signal of graph input {value.source!r}, {behind}"
