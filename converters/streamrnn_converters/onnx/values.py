"""What a value of the graph is, once it is understood: a constant, or vectors that flow through a model step by step.

Axes have names. Those of a graph input are only numbered; which of them is time and which batch is told by the nodes that the
input reaches, never by declared shapes. All other axes lie within a step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Union

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.vectors import FinalState, First, LayerOutput, Source, Vector


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


#: Where an axis comes from: a graph input; put in by the graph with size 1; stacked states; the values that a layer gives.
Kind = Literal["input", "one", "layer", "feature"]


class Axis(NamedTuple):
    """An axis of a flow."""

    name: str
    size: int | Size
    kind: Kind


@dataclass(frozen=True)
class Constant:
    """Numbers that the graph knows. An array of objects may hold a `Size` in place of an integer."""

    array: NDArray[Any]


@dataclass(frozen=True)
class Broadcast:
    """A constant broadcast to sizes that are not known: what ConstantOfShape and Expand give. `array` broadcasts to them."""

    array: NDArray[Any]
    sizes: tuple[int | Size, ...]


@dataclass(frozen=True, eq=False)
class Flow:
    """What depends on the inputs: at each step, an array of values out of some vectors.

    parts    the vectors, which count as joined
    places   for each entry within a step its place in them; along time, batch and axes not yet understood it has size 1
    last     where the time axis is gone and the last step is left
    integer  from a graph input of integers: good for picking from a table only
    padding  zeros put before the first step and behind the last
    surplus  steps that it has more than the input, behind the last
    """

    parts: tuple[Vector, ...]
    places: NDArray[np.int64]
    axes: tuple[Axis, ...]
    last: bool = False
    integer: bool = False
    padding: tuple[int, int] = (0, 0)
    surplus: int = 0

    def elements(self) -> list[tuple[Vector, int]]:
        """The vector, and the place in it, of each entry of a step in the order of the axes."""
        every = [(part, place) for part in self.parts for place in range(part.size)]
        return [every[place] for place in self.places.ravel()]


Value = Union[Constant, Broadcast, Flow]  # noqa: UP007 - `|` of classes that are not yet all types at run time


def rank(value: Value) -> int:
    """How many axes a value has."""
    if isinstance(value, Constant):
        return value.array.ndim
    return len(value.sizes if isinstance(value, Broadcast) else value.axes)


def shape(value: Value) -> list[int | Size]:
    """The sizes of a value's axes."""
    if isinstance(value, Constant):
        return list(value.array.shape)
    return list(value.sizes) if isinstance(value, Broadcast) else [axis.size for axis in value.axes]


def full_rank(value: Broadcast) -> NDArray[Any]:
    """The array with as many axes as it is broadcast to."""
    return value.array.reshape((1,) * (len(value.sizes) - value.array.ndim) + value.array.shape)


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
    if isinstance(value, Broadcast):
        return "a constant of a shape that depends on the input"
    part = value.parts[0]
    if isinstance(part, Source):
        return f"the signal of graph input {part.name!r}, as it comes"
    if isinstance(part, FinalState | First):
        return "a final state" if isinstance(part, FinalState) else "the first step of a signal"
    assert isinstance(part, LayerOutput)
    return f"the signal behind a {part.layer.kind} layer"
