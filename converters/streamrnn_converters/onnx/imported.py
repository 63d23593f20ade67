"""What the import of an ONNX graph yields: the model, and how the graph's inputs and outputs map to a stream."""

from dataclasses import dataclass
from typing import Literal

from streamrnn import Model

#: What an axis of a graph's input or output runs over. "one": always 1 (such as the direction); "layer": stacked layers.
Axis = Literal["time", "batch", "feature", "one", "layer"]


@dataclass(frozen=True)
class GraphInput:
    """The graph input that carries the signal."""

    name: str
    axes: tuple[Axis, ...]
    sizes: tuple[int | None, ...]  # declared sizes by axis; None where the graph leaves it open


@dataclass(frozen=True)
class GraphOutput:
    """A graph output: the signal that `Stream.step` gives, or state vectors after the last step."""

    name: str
    axes: tuple[Axis, ...]
    #: Empty for the signal. Else (index of the model's layer, "h" or "c"), one for each entry of the axis "layer";
    #: without such an axis exactly one.
    states: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Imported:
    """A graph, understood."""

    model: Model
    input: GraphInput
    outputs: tuple[GraphOutput, ...]
    remarks: tuple[str, ...] = ()  # what a user should know, one sentence each
