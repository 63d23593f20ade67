"""Third stage: importer the graph, and find out of every value what it is. An operator is a handler in the table.

A handler takes the importer, the node and its inputs (None where one is left out), and gives the node's outputs, or raises what
`Node.refused` makes. Attributes that it has not taken, and operators that nobody handles, are refused: nothing is ignored.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from streamrnn import Concat, Layer, Reverse, Select
from streamrnn.errors import ConversionError, ModelError
from streamrnn_converters.onnx.axes import Axes
from streamrnn_converters.onnx.graph import Graph, Node
from streamrnn_converters.onnx.precision import Precision
from streamrnn_converters.onnx.values import Axis, Constant, Flow, Size, Value, describe
from streamrnn_converters.onnx.vectors import FinalState, First, LayerOutput, Source, Vector

Inputs = Sequence[Value | None]
Handler = Callable[["Importer", Node, Inputs], Sequence[Value]]
OPERATORS: dict[str, Handler] = {}

MOST_VALUES = 1 << 18  # of a step
_PER_INDEX = 40  # bytes
_ROOM = 32 << 20  # bytes of values that a importer keeps, beside twice what the constants have
LAST_ONLY = "the graph gives the answer after the last step only; the stream gives that answer after every step"


def operator(*names: str) -> Callable[[Handler], Handler]:
    """Put a handler into the table under the names of its operators."""

    def register(handler: Handler) -> Handler:
        OPERATORS.update(dict.fromkeys(names, handler))
        return handler

    return register


class Importer:
    """A importer through one graph: the values by name.

    axes       what is known of the axes; nodes that know more say so
    precision  the types of the signal; layers compute in its `dtype`
    lenient    a node that cannot be understood gives nothing, and so do those behind it: for finding out about axes
    initial    where states begin that a graph input brings: by recurrent layer and name of the state
    entries    by graph inputs of integers: how many rows the tables have from which they pick
    offline    the graph is to answer whole recordings, so that it may read them backwards
    lengths    of the recordings of a batch: the graph input that brings them, or constants; None where all are as long
    whole_only  why nodes can only answer recordings that are as long as all of their batch
    """

    def __init__(self, graph: Graph, axes: Axes, precision: Precision, *, lenient: bool = False, offline: bool = False) -> None:
        self.opset = graph.opset
        self.axes = axes
        self.precision = precision
        self.lenient = lenient
        self.offline = offline
        self.lengths: str | tuple[int, ...] | None = None
        self.whole_only: list[ConversionError] = []
        self.remarks: list[str] = []
        self.initial: dict[tuple[LayerOutput, str], Flow] = {}
        self.entries: dict[str, int] = {}
        self._joined: dict[Any, Vector] = {}
        self._room = _ROOM + 2 * sum(array.nbytes for array in graph.constants.values())
        self.values: dict[str, Value] = {name: Constant(array) for name, array in graph.constants.items()}
        for entry in graph.inputs:
            given = axes.of_input(entry)
            sizes = self.extents(given)
            if math.prod(sizes) > MOST_VALUES:
                excess = f"{math.prod(sizes)} values in a step, more than {MOST_VALUES} that are allowed"
                raise ConversionError(f"graph input {entry.name!r}: has {excess}")
            places = np.arange(math.prod(sizes)).reshape(sizes)
            self.values[entry.name] = Flow(
                (Source(entry.name, places.size, entry.name in axes.states),), places, given, integer=entry.is_integer
            )
        for node in graph.nodes:
            try:
                self._visit(replace(node, attributes=dict(node.attributes)))
            except ConversionError:
                if not lenient:
                    raise

    def _visit(self, node: Node) -> None:
        handler = OPERATORS.get(node.op)
        if handler is None:
            raise node.refused("this operator is not understood as part of a stream; export the model without it")
        inputs = [self.values.get(name) if name else None for name in node.inputs]
        for name, value in zip(node.inputs, inputs, strict=True):
            if name and value is None:
                raise node.refused(f"its input {name!r} is an output that cannot be streamed")
        try:
            with np.errstate(all="ignore"):  # what is not finite is refused where it becomes a weight
                outputs = handler(self, node, inputs)
        except ConversionError:
            raise
        except ModelError as error:
            raise node.refused(str(error)) from error
        except Exception as error:  # handlers trust the graph to be well-formed: whatever comes of one that is not
            raise node.refused(
                f"its inputs and attributes do not fit the operator ({error or type(error).__name__})"
            ) from error
        if node.attributes:
            raise node.refused(f"attribute {next(iter(node.attributes))!r} is not understood; export the model without it")
        for name, value in zip(node.outputs, outputs, strict=False):
            if isinstance(value, Flow) and max(value.places.size, sum(part.size for part in value.parts)) > MOST_VALUES:
                raise node.refused(f"gives {value.places.size} values in a step, more than {MOST_VALUES} that are allowed")
            if self.lenient and isinstance(value, Flow) and self.extents(value.axes) != list(value.places.shape):
                value = replace(value, places=np.zeros(self.extents(value.axes), np.int64))
            self._keep(node, value, inputs)
            self.values[name] = value
        self.values.pop("", None)

    def _keep(self, node: Node, value: Value, inputs: Inputs) -> None:
        """Count the memory that a value takes. Each is small enough; together they must be, too."""
        if isinstance(value, Flow):
            if not any(isinstance(given, Flow) and value.places is given.places for given in inputs):
                self._take(node, value.places.nbytes)
        elif value.array.base is None and not any(value is given for given in inputs):
            self._take(node, value.array.nbytes)

    def _take(self, node: Node, n_bytes: int) -> None:
        self._room -= n_bytes
        if self._room < 0:
            raise node.refused(
                "the graph makes more values of its constants and of a step than are allowed; export it simplified"
            )

    @property
    def dtype(self) -> str:
        """What its layers compute in."""
        return self.precision.dtype

    # Axes.

    def role(self, axis: Axis) -> str:
        """What an axis runs over: "time", "batch", "feature", "layer", "one" (put in by the graph), or "unknown"."""
        return self.axes.roles.get(axis.name, "unknown" if axis.kind == "input" else axis.kind)

    def is_within(self, axis: Axis) -> bool:
        """Whether an axis lies within a step."""
        return self.role(axis) not in ("time", "batch", "unknown")

    def extents(self, axes: Sequence[Axis]) -> list[int]:
        """The sizes of a step: 1 along time and batch."""
        return [axis.size if self.is_within(axis) and isinstance(axis.size, int) else 1 for axis in axes]

    def bind(self, node: Node, axis: Axis, role: str, size: int | None = None) -> Axis:
        """The axis, known from now on as "time", "batch" or "feature" (within a step). It must not be another."""
        known = self.role(axis)
        if known != role and known not in ("unknown", "one") and (known in ("time", "batch") or role != "feature"):
            raise node.refused(f"what is its {role} axis is the {known} axis of the signal; a stream goes over time only")
        if known == "unknown" or (known == "one" and role != "feature"):
            self.axes.roles[axis.name] = role
        if size is not None and isinstance(axis.size, Size) and axis.kind == "input":
            self.axes.sizes[axis.name] = size
            return axis._replace(size=size)
        return axis

    def alike(self, node: Node, one: Axis, other: Axis) -> None:
        """Let two axes along which values are joined be of one kind."""
        roles = self.role(one), self.role(other)
        for axis, own, wanted in ((one, roles[0], roles[1]), (other, roles[1], roles[0])):
            if own == "unknown" and wanted != "unknown" and axis.size != 1:
                self.bind(node, axis, wanted if wanted in ("time", "batch") else "feature")

    def one(self, node: Node, place: int) -> Axis:
        """An axis of size 1 that a node puts in at a place."""
        return Axis(f"{node.outputs[0]}.one.{place}", 1, "one")

    # Layers.

    def vector(self, node: Node, flow: Flow) -> Vector:
        """The one vector that holds the values of a step, in the order of their axes."""
        starts = np.cumsum([0, *(part.size for part in flow.parts)])
        owners = np.searchsorted(starts, flow.places.ravel(), side="right") - 1
        owned = np.unique(owners)
        parts = {k: self._given(node, flow.parts[k]) for k in owned.tolist()}
        joined = list(dict.fromkeys(parts.values()))
        begins = dict(zip(joined, accumulate((part.size for part in joined), initial=0), strict=False))
        moved = np.array([begins[parts[k]] - starts[k] for k in owned.tolist()], np.int64)
        order = flow.places.ravel() + moved[np.searchsorted(owned, owners)]
        whole = joined[0] if len(joined) == 1 else self._once(Concat(tuple(part.size for part in joined), self.dtype), *joined)
        if np.array_equal(order, np.arange(whole.size)) or (self.lenient and order.max() >= whole.size):
            return whole
        self._take(node, _PER_INDEX * order.size)
        return self._once(Select(whole.size, tuple(order.tolist()), self.dtype), whole)

    def _given(self, node: Node, part: Vector) -> Vector:
        """A part as a layer can read it: of final states h, which the layer gives at that step."""
        if isinstance(part, Source) and part.is_state:
            raise _used_twice(node, part)
        if isinstance(part, First):
            raise node.refused("works on the first step of a forward direction; only that of a backward one is an answer")
        if not isinstance(part, FinalState):
            return part
        if part.state != "h":
            raise node.refused("works on the final c of a layer, which no stream gives; only its h can be used")
        return part.of

    def reversed(self, vector: Vector) -> Vector:
        """What a vector gives, the last step first."""
        if isinstance(vector, LayerOutput) and isinstance(vector.layer, Reverse):
            return vector.reads[0]
        return self._once(Reverse(vector.size), vector)

    def _once(self, layer: Concat | Select | Reverse, *reads: Vector) -> Vector:
        """A layer that only moves values; the same one where they are moved so again."""
        key = reads, layer.kind, layer.indices if isinstance(layer, Select) else ()
        if key not in self._joined:
            self._joined[key] = LayerOutput(layer, reads)
        return self._joined[key]

    def elementwise(self, node: Node, flow: Flow, layer: Layer) -> Flow:
        """The flow behind a layer that keeps its axes."""
        reads = (self.vector(node, flow),)
        self.remark_last(flow)
        places = np.arange(flow.places.size).reshape(flow.places.shape)
        return replace(flow, parts=(LayerOutput(layer, reads),), places=places, axes=self.anew(node, flow.axes))

    def anew(self, node: Node, axes: Sequence[Axis]) -> tuple[Axis, ...]:
        """Axes of what a layer gives: of those of stacked states it is only said that the graph put them in."""
        return tuple(self.one(node, k) if axis.kind == "layer" and axis.size == 1 else axis for k, axis in enumerate(axes))

    def remark_last(self, flow: Flow) -> None:
        """Say that the answer after the last step is streamed, where it is more than a state that is given beside it."""
        if flow.last:
            self.remark(LAST_ONLY)

    def remark(self, text: str) -> None:
        """Keep what the user should know, once."""
        if text not in self.remarks:
            self.remarks.append(text)


def needs_flow(node: Node, value: Value | None, name: str) -> Flow:
    """The value as a flow of floats without anything left to cut off; raises where it is something else."""
    if not isinstance(value, Flow):
        raise node.refused(f"its input {name} is not the signal; only what depends on the input step by step can be streamed")
    for part in value.parts:
        if isinstance(part, Source) and part.is_state:
            raise _used_twice(node, part)
    if value.integer:
        raise node.refused(f"its input {name} is {describe(value)}: integers, which can only pick from a table")
    if value.padding != (0, 0):
        raise node.refused(f"its input {name} is padded over time, which only a convolution may be given")
    return value


def _used_twice(node: Node, part: Source) -> ConversionError:
    return node.refused(
        f"uses the graph input {part.name!r}, which is the initial state of a layer, for something else too; a stream keeps "
        "its states to itself"
    )
