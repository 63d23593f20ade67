"""What a value of the graph is: a constant, or a signal, which a model computes step by step.

Of a signal, the axis pass knows its axes (`Signal`); lowering then finds out which values it is made of (`Flow`).

Axes have names. Those of a graph input are only numbered: which of them is time and which is batch follows from the nodes that
the input reaches, never from declared shapes. All other axes lie within a step.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Union

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.time_map import AS_IT_COMES, TimeMap
from streamrnn_converters.onnx.vectors import Carried, FinalState, First, Fixed, LayerOutput, Source, Vector
from streamrnn_converters.onnx.windows import Sliding

_MOST_FACTORS = 64  # of a size: as many as NumPy's arrays can have axes


class Share(NamedTuple):
    """The size of an axis of which every so many entries count as one, of a multiple of that."""

    axis: "str | Share | Size"
    n_each: int

    def __str__(self) -> str:
        return f"{self.axis}/{self.n_each}"


@dataclass(frozen=True)
class Size:
    """A size that is not known before the graph runs: `factor` times the sizes of the named axes, and `plus`.

    Among the axes may be a share of one, and another size, one with a `plus` of its own.
    """

    factor: int
    axes: tuple["str | Share | Size", ...]
    plus: int = 0

    @property
    def product(self) -> tuple[int, tuple["str | Share | Size", ...]]:
        """It as a product alone: a number, and what it is multiplied with. Raises OverflowError where that grows too long."""
        if len(self.axes) > _MOST_FACTORS or (self.plus and any(isinstance(axis, Size) for axis in self.axes)):
            raise OverflowError(f"a size of more than {_MOST_FACTORS} others, or of sums of sums")
        return (1, (self,)) if self.plus else (self.factor, self.axes)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Size):
            (factor, axes), (another, others) = self.product, other.product
            return Size(factor * another, tuple(sorted(axes + others, key=str)))
        return Size(self.factor * int(other), self.axes, self.plus * int(other)) if other != 0 else 0

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Size):
            return NotImplemented
        return Size(self.factor, self.axes, self.plus + int(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Size):
            return self.plus - other.plus if (self.factor, self.axes) == (other.factor, other.axes) else NotImplemented
        return self + -other

    def __neg__(self) -> Any:
        return self * -1

    def __repr__(self) -> str:
        names = (f"({axis})" if isinstance(axis, Size) else f"<size of {axis}>" for axis in self.axes)
        product = "*".join([*([str(self.factor)] if self.factor != 1 else []), *names])
        return product if not self.plus else f"{product}{self.plus:+d}"


def n_windows(size: int | Size, one: Sliding) -> int | Size:
    """How many windows slide over an axis; one whose size is not known counts as a multiple of their stride."""
    left = size + one.before + one.after - one.reach - 1
    if isinstance(left, int) or one.stride == 1:
        return left // one.stride + 1 if isinstance(left, int) else left + 1
    axis = left.axes[0] if left.factor == len(left.axes) == 1 else replace(left, plus=0)
    return Size(1, (Share(axis, one.stride),), left.plus // one.stride + 1)


def axis_behind(size: Size, number: int) -> tuple[str, int] | None:
    """The axis on whose size alone a size depends, and what that is where the size is a number; None: it depends on others."""
    axis: str | Share | Size = size.axes[0]
    number -= size.plus
    while isinstance(axis, Share):
        number *= axis.n_each
        axis = axis.axis
    return (axis, number) if isinstance(axis, str) and size.factor == len(size.axes) == 1 else None


#: Where an axis comes from: a graph input; inserted by the graph with size 1 ("one"); stacked states; the values of a layer;
#: several axes that a Reshape has merged, time or batch among them; repeated, perhaps for each step of a signal.
Kind = Literal["input", "one", "layer", "feature", "merged", "repeated"]


@dataclass(frozen=True)
class Every:
    """first, first + step, and so on, along an axis of this size: what Range gives where the size is not known before the graph
    runs.

    It is the one object in the array of a constant.
    """

    size: Size
    first: Any = 0
    step: Any = 1

    def __add__(self, other: Any) -> Any:
        return NotImplemented if isinstance(other, Every | Size) else Every(self.size, self.first + other, self.step)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __mul__(self, other: Any) -> Any:
        return NotImplemented if isinstance(other, Every | Size) else Every(self.size, self.first * other, self.step * other)

    __rmul__ = __mul__


class Axis(NamedTuple):
    """An axis of a flow.

    parts  the axes of which it was merged, the outermost first; time or batch is among them
    """

    name: str
    size: int | Size
    kind: Kind
    parts: tuple["Axis", ...] = ()


@dataclass(frozen=True)
class Constant:
    """Numbers that the graph knows. An array of objects may hold a `Size` instead of an integer."""

    array: NDArray[Any]


@dataclass(frozen=True)
class Broadcast:
    """A constant broadcast to sizes that may be unknown, as ConstantOfShape and Expand give it."""

    array: NDArray[Any]
    sizes: tuple[int | Size, ...]


@dataclass(frozen=True)
class Signal:
    """What the axis pass knows of a value that depends on graph inputs.

    axes   its axes; that of time has the size that it has here, with the steps that were added or cut off
    moved  the graph inputs whose values it has, moved only; empty where a layer computed them
    name   of the value in the graph
    """

    axes: tuple[Axis, ...]
    moved: frozenset[str] = frozenset()
    name: str = ""


@dataclass(frozen=True, eq=False)
class Flow:
    """What lowering knows of a value that depends on graph inputs: at each step, an array of values out of some vectors.

    parts      the vectors, which count as joined
    index_map  for each entry within a step, the index of its value in the joined vectors; size 1 along time and batch
    last       whether the time axis is gone and only the last step is left
    integer    from a graph input of integers: good only for picking rows from a table
    time       where the entries of its time axis lie in a stream
    """

    parts: tuple[Vector, ...]
    index_map: NDArray[np.int64]
    axes: tuple[Axis, ...]
    last: bool = False
    integer: bool = False
    time: TimeMap = AS_IT_COMES

    def elements(self) -> list[tuple[Vector, int]]:
        """The vector, and the index in it, of each entry of a step in the order of the axes."""
        every = [(part, index) for part in self.parts for index in range(part.size)]
        return [every[index] for index in self.index_map.ravel()]


Value = Union[Constant, Broadcast, Flow]  # noqa: UP007 - `|` of classes that are not yet all types at run time
Known = Union[Constant, Broadcast, Signal]  # noqa: UP007


def pruned(flow: Flow) -> Flow:
    """The flow without the vectors of which it has no value. The same vector is kept once."""
    if len(flow.parts) == 1:
        return flow
    starts = np.cumsum([0, *(part.size for part in flow.parts)])
    owners = np.searchsorted(starts, flow.index_map, side="right") - 1
    kept = dict.fromkeys(flow.parts[k] for k in np.unique(owners).tolist())
    begins = dict(zip(kept, np.cumsum([0, *(part.size for part in kept)]).tolist(), strict=False))
    moved = np.array([begins.get(part, 0) - start for part, start in zip(flow.parts, starts.tolist(), strict=False)], np.int64)
    return replace(flow, parts=tuple(kept), index_map=flow.index_map + moved[owners])


def with_fixed(flow: Flow, values: Any) -> tuple[Flow, int]:
    """A flow whose index map may also have indices of constants, and the index of the first of them."""
    fixed = Fixed(np.asarray(values, np.float64).ravel())
    return replace(flow, parts=(*flow.parts, fixed)), sum(part.size for part in flow.parts)


def rank(value: Value | Signal) -> int:
    """How many axes a value has."""
    if isinstance(value, Constant):
        return value.array.ndim
    return len(value.sizes if isinstance(value, Broadcast) else value.axes)


def shape(value: Value | Signal) -> list[int | Size]:
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
    return objects(items)


def objects(items: Sequence[Any]) -> NDArray[Any]:
    """An array of objects."""
    array = np.empty(len(items), object)
    array[:] = items
    return array


def are_every(indices: Constant, size: int | Size) -> bool:
    """Whether indices are all those of an axis, in their order, along one of their own axes."""
    array = indices.array
    if array.size == 1 and isinstance(every := array.flat[0], Every):
        return bool((every.size, every.first, every.step) == (size, 0, 1))
    return (
        array.dtype.kind in "iu"
        and array.size == size != 1
        and array.size in array.shape
        and bool((array.ravel() == np.arange(array.size)).all())
    )


def progression(array: NDArray[Any], axis: int, size: int | Size) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The first entries of a constant along an axis of a size, and what each has more than the one before; None where it is no
    arithmetic progression.
    """
    if array.size == 1 and isinstance(every := array.flat[0], Every):
        return (np.array([float(every.first)]), np.array([float(every.step)])) if every.size == size else None
    if array.shape[axis] != size or array.dtype.kind not in "fiu":
        return None
    numbers = np.moveaxis(array.astype(np.float64), axis, 0)
    first, step = numbers[:1], numbers[1:2] - numbers[:1]
    places = np.arange(len(numbers)).reshape(-1, *[1] * (numbers.ndim - 1))
    if not (first + places * step == numbers).all():
        return None
    return np.moveaxis(first, 0, axis), np.moveaxis(step, 0, axis)


def describe(value: Value | Signal) -> str:
    """What a value is, for an error message."""
    if isinstance(value, Constant):
        return f"a constant of shape {value.array.shape}"
    if isinstance(value, Broadcast):
        return "a constant of a shape that depends on the input"
    if isinstance(value, Signal):
        return f"the signal {value.name!r}"
    part = next((part for part in value.parts if not isinstance(part, Fixed)), value.parts[0])
    if isinstance(part, Fixed):
        return "numbers that no signal moves"
    if isinstance(part, Source):
        return f"the signal of graph input {part.name!r}, as it comes"
    if isinstance(part, Carried):
        return f"the state of graph input {part.name!r}"
    if isinstance(part, FinalState | First):
        return "a final state" if isinstance(part, FinalState) else "the first step of a signal"
    assert isinstance(part, LayerOutput)
    return f"the output of a {part.layer.kind} layer"
