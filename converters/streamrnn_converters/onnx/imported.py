"""The result of an import: the model, and how the graph's inputs and outputs map to a stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from streamrnn import Model

#: What an axis of a graph's input or output runs over. "one": inserted by the graph, always of size 1; "layer": stacked layers.
Axis = Literal["time", "batch", "feature", "one", "layer"]


@dataclass(frozen=True)
class GraphInput:
    """A graph input that carries a signal: its values are those of the model's input from `start` on, in the order of its axes.

    For a state that the caller carries from run to run, `source` is the output to which it goes back; a stream keeps it.
    """

    name: str
    axes: tuple[Axis, ...]
    sizes: tuple[int | None, ...]  # declared sizes by axis; None where the graph leaves time or batch open
    start: int = 0
    integers: str = ""  # the type of indices, else ""
    n_entries: int = 0  # of the table into which they point
    source: str = ""
    initial: tuple[float, ...] = ()  # of a state: the values that it begins with; (): zeros
    steady: bool = False  # whether it has no axis of time, while another has: it must be the same at each step
    switches: bool = False  # whether a state is multiplied by it, or it chooses between a state and something else

    @property
    def size(self) -> int:
        """Values per step."""
        return _values(self.axes, self.sizes)


@dataclass(frozen=True)
class GraphOutput:
    """A graph output: a part of what `Stream.step` gives, from `start` on, or state vectors after the last step."""

    name: str
    axes: tuple[Axis, ...]
    sizes: tuple[int | None, ...]  # None for time and batch
    start: int = 0
    #: Empty for the signal. Else (index of the model's layer, "h" or "c"): the states, joined, that the output takes from,
    states: tuple[tuple[int, str], ...] = ()
    places: tuple[int, ...] = ()  # and for each of its values the index in them
    merges: bool = False  # whether the graph gives it with time and batch merged into one axis; here they are apart
    late: int = 0  # steps by which a stream gives it later

    @property
    def size(self) -> int:
        """Values per step."""
        return _values(self.axes, self.sizes)

    def apart(self, array: NDArray[Any], n_signals: int) -> NDArray[Any]:
        """What the graph gives for so many signals, with time and batch apart."""
        if not self.merges:
            return array
        known = {"time": -1, "batch": n_signals}
        return array.reshape([known.get(axis) or size or 1 for axis, size in zip(self.axes, self.sizes, strict=True)])

    def answered(self, array: NDArray[Any], n_steps: int, n_signals: int) -> NDArray[Any]:
        """The same, as far as a stream gives it after so many steps: what sees the end of a signal is left out."""
        array = self.apart(array, n_signals)
        return array.take(range(n_steps - self.late), self.axes.index("time")) if self.late else array


@dataclass(frozen=True)
class Imported:
    """An imported graph.

    inputs   its signals, in the order of the model's input
    states   its inputs that carry states from run to run
    outputs  in the graph's order
    remarks  what a user should know, one sentence each
    """

    model: Model
    inputs: tuple[GraphInput, ...]
    outputs: tuple[GraphOutput, ...]
    states: tuple[GraphInput, ...] = ()
    remarks: tuple[str, ...] = ()
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # graph inputs that were fixed, floats in float32
    #: The lengths of the recordings of a batch: a graph input that brings them, or constants; None where all are the same.
    lengths: GraphInput | tuple[int, ...] | None = None
    #: Open axes that the graph takes to be larger than 1: with one step, or one signal, it gives another shape.
    several: frozenset[str] = frozenset()
    fewest_steps: int = 1  # with which the graph runs

    @property
    def offline(self) -> bool:
        """Whether it answers whole recordings, so that it is not compared step by step."""
        return self.lengths is not None or not self.model.streamable

    @property
    def input(self) -> GraphInput:
        """The first of its signals: the only one, of most graphs."""
        return self.inputs[0]

    def size_of(self, axis: Literal["time", "batch"]) -> int | None:
        """Steps or signals of a run: 1 where no input has such an axis, None where all that have leave it open."""
        given = [*self.inputs, *self.states, *([self.lengths] if isinstance(self.lengths, GraphInput) else [])]
        sizes = [end.sizes[end.axes.index(axis)] for end in given if axis in end.axes]
        if isinstance(self.lengths, tuple):  # one for each signal; a run has the steps of the longest
            sizes.append(len(self.lengths) if axis == "batch" else max(self.lengths))
        return next((size for size in sizes if size is not None), None) if sizes else 1


def _values(axes: tuple[Axis, ...], sizes: tuple[int | None, ...]) -> int:
    total = 1
    for axis, size in zip(axes, sizes, strict=True):
        total *= 1 if axis in ("time", "batch") else size or 1
    return total
