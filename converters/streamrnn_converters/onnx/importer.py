"""Lowering: from the values of a graph to the layers of a model, in one pass over the nodes. An operator is a handler.

A handler takes the importer, the node and its inputs (None where one is left out), at least one of them a signal. It gives the
node's outputs, whose axes the axis pass has found (`Importer.axes_of`), or raises what `Node.refused` makes. An attribute that
neither the axis pass nor the handler has taken is refused, and so is an operator without a handler: nothing is ignored.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamrnn import Delay, Frame, Layer, Rows
from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.axes.arguments import limit
from streamrnn_converters.onnx.axes.solver import Solution
from streamrnn_converters.onnx.beginning import Beginnings
from streamrnn_converters.onnx.graph import Graph, Input, Node, computed
from streamrnn_converters.onnx.joining import Joiner
from streamrnn_converters.onnx.own_nodes import ROW
from streamrnn_converters.onnx.precision import Precision
from streamrnn_converters.onnx.time_map import TimeMap
from streamrnn_converters.onnx.values import Axis, Constant, Flow, Signal, Value, describe, pruned
from streamrnn_converters.onnx.vectors import Carried, FinalState, LayerOutput, Source, Vector, upstream

Inputs = Sequence[Value | None]
Handler = Callable[["Importer", Node, Inputs], Sequence[Value]]
OPERATORS: dict[str, Handler] = {}

MOST_VALUES = 1 << 18  # of a step
#: Operators that take a signal with zeros before its first step as it is. For others the signal is made late by as many.
_TAKE_PADDING = {
    *("AveragePool", "Cast", "Conv", "ConvTranspose", "Dropout", "Flatten", "Identity", "MaxPool", "Pad", "Reshape", "Slice"),
    *("Squeeze", "Transpose", "Unsqueeze"),
}
#: Functions that make zeros of zeros, so that they may stand between such zeros and the operator that takes them.
_KEEP_ZEROS = {
    *("Abs", "Celu", "Elu", "Erf", "Gelu", "HardSwish", "LeakyRelu", "Mish", "Neg", "PRelu", "Relu", "Selu", "Sign", "Sin"),
    *("Softsign", "Sqrt", "Swish", "Tanh", "ThresholdedRelu"),
}
LAST_ONLY = "the graph gives the answer after the last step only; the stream gives that answer after every step"


def operator(*names: str) -> Callable[[Handler], Handler]:
    """Put a handler into the table under the names of its operators."""

    def register(handler: Handler) -> Handler:
        OPERATORS.update(dict.fromkeys(names, handler))
        return handler

    return register


class Importer:
    """Visits the nodes of a graph once.

    roles      what every axis is
    precision  the types of the signal; layers compute in its `dtype`
    values     what is known of each value, by name
    initial    where states begin that a graph input brings: by recurrent layer and name of the state
    n_entries  by name of a graph input of integers: how many rows the tables have from which they pick
    offline    the graph is to answer whole recordings, so that it may read them backwards
    ahead      whether what looks ahead may be answered later
    in_loops   whether the graph has a step of a loop among its nodes
    lengths    of the recordings of a batch: the graph input that brings them, or constants; None where all have the same
    over_time  whether a node goes over time: gives what depends on earlier steps
    along_rows  for each recurrent node along an axis within a step, why it cannot be imported if nothing goes over time
    fewest_rows  with which the graph runs: more than it cuts off
    moves_time  why nodes cannot be imported if answers must come to each row at once: they look ahead, or have a stride
    backward   whether a signal is reversed
    fed        for each delay of a value that is computed from itself: what it reads
    whole_only  why nodes can only answer recordings that are as long as all of their batch
    """

    def __init__(
        self, graph: Graph, solution: Solution, precision: Precision, *, offline: bool = False, ahead: bool = False
    ) -> None:
        self.roles = solution.roles
        self.precision = precision
        self.offline, self.ahead = offline, ahead
        self.lengths: str | tuple[int, ...] | None = None
        self.over_time = False
        self.fewest_rows = 1
        self.along_rows: list[ConversionError] = []
        self.whole_only: list[ConversionError] = []
        self.moves_time: list[ConversionError] = []
        self.backward = False
        self.in_loops = any(node.op == ROW for node in graph.nodes)
        self.remarks: list[str] = []
        self.initial: dict[tuple[LayerOutput, str], Flow] = {}
        self.n_entries: dict[str, int] = {}
        self._solution, self._budget = solution, solution.budget
        self._joiner = Joiner(precision.dtype, solution.budget)
        self.beginnings = Beginnings(precision.dtype)
        self.fed: dict[LayerOutput, Vector] = {}
        self.values: dict[str, Value] = {name: Constant(array) for name, array in graph.constants.items()}
        for entry in graph.inputs:
            self.values[entry.name] = self._entering(entry)
        self._moving = {  # the inputs with an axis of time
            entry.name for entry in graph.inputs if any(map(self.roles.over_time, self.roles.of_input(entry)))
        }
        needed = {node.outputs for node in computed(graph.nodes, graph.outputs)}
        for node in graph.nodes:
            if node.outputs in needed or solution.nodes[node.outputs].error is not None:
                self._visit(replace(node, attributes=dict(node.attributes)))

    @property
    def dtype(self) -> str:
        """The compute precision of its layers."""
        return self.precision.dtype

    def axes_of(self, node: Node, output: int = 0) -> tuple[Axis, ...]:
        """The axes of an output of a node. Raises ConversionError where the axis pass has found that they do not fit."""
        found = self._solution.nodes[node.outputs]
        if found.error is not None:
            raise found.error
        signal = found.outputs[output]
        assert isinstance(signal, Signal)
        return signal.axes

    def role(self, axis: Axis) -> str:
        """What an axis runs over: "time", "batch", "feature", "layer", or "one" (inserted by the graph)."""
        return self.roles.role(axis)

    def is_within(self, axis: Axis) -> bool:
        """Whether an axis lies within a step."""
        return self.roles.is_within(axis)

    def several(self) -> frozenset[str]:
        """The roles of open axes that the graph takes to be larger than 1."""
        return frozenset(self.roles.roles[name] for name in self.roles.several)

    def vector(self, node: Node, flow: Flow) -> Vector:
        """The one vector that holds the values of a step, in the order of their axes."""
        return self._joiner.vector(node, flow)

    def readable(self, node: Node, part: Vector) -> Vector:
        """A part of a flow as a layer can read it at each step."""
        return self._joiner.readable(node, part)

    def original(self, vector: Vector) -> Vector:
        """The layer whose state another one gives; else the vector itself."""
        return self._joiner.copies.get(vector, vector)

    def copies_of(self, layer: LayerOutput) -> list[Vector]:
        """The layers that give a state of a layer."""
        return [copy for copy, original in self._joiner.copies.items() if original is layer]

    def reversed(self, vector: Vector) -> Vector:
        """What a vector gives, the last step first."""
        self.backward = True
        return self._joiner.reversed(vector)

    def is_steady(self, flow: Flow) -> bool:
        """Whether a flow is made of inputs without time alone, so that it is the same at each step of the others."""
        every = upstream(flow.parts)
        for each in every:
            if isinstance(each, Carried | FinalState) or (isinstance(each, LayerOutput) and each.layer.states):
                return False
            if isinstance(each, Source) and (each.is_state or each.name in self._moving):
                return False
        return bool(self._moving)

    def at_once(self, node: Node, flows: Sequence[Flow]) -> list[Flow]:
        """Flows that are there at the same steps. Raises ConversionError where they are not."""
        if len({self._steps(flow) for flow in flows}) == 1:
            return list(flows)
        moving = [flow for flow in flows if not self.is_steady(flow)] or list(flows)
        first = moving[0]
        for other in moving:
            if self._steps(other) != self._steps(first):
                raise node.refused(
                    f"combines {describe(first)} and {describe(other)}: every step of one with a single step of the other, or "
                    "with steps that are not at the same time"
                )
        return [flow if flow in moving else replace(flow, last=first.last, time=first.time) for flow in flows]

    def _steps(self, flow: Flow) -> tuple[bool, TimeMap, bool]:
        return flow.last, flow.time, any(self.roles.over_time(axis) for axis in flow.axes)

    def layered(self, node: Node, layer: Layer, *flows: Flow, sizes: Sequence[int] | None = None) -> Flow:
        """What a layer gives for the values of flows: otherwise like the first, with the axes of the node's output.

        sizes  within a step; None where they are those of the first flow
        """
        reads = tuple(self.vector(node, flow) for flow in flows)
        self.remark_last(flows[0])
        shape = flows[0].index_map.shape if sizes is None else tuple(sizes)
        index_map = np.arange(math.prod(shape)).reshape(shape)
        return replace(flows[0], parts=(LayerOutput(layer, reads),), index_map=index_map, axes=self.axes_of(node))

    def on_rows(self, node: Node, layer: Layer, flow: Flow) -> Flow:
        """What a layer without a state gives for each row of a flow whose index map is (rows, values): (rows, outputs).

        The axes are those of the flow, which its index map need not fit.
        """
        n_rows = len(flow.index_map)
        given = self.applied(node, layer if n_rows == 1 else Rows(layer, n_rows), flow)
        return replace(given, index_map=given.index_map.reshape(n_rows, -1))

    def applied(self, node: Node, layer: Layer, *flows: Flow) -> Flow:
        """What a layer gives for the values of flows, as they come; the axes are those of the first."""
        out = LayerOutput(layer, tuple(self.vector(node, flow) for flow in flows))
        self.remark_last(flows[0])
        return replace(flows[0], parts=(out,), index_map=np.arange(out.size))

    def ago(self, node: Node, flow: Flow, steps: Sequence[int], hop: int = 1) -> tuple[Flow, list[NDArray[np.int64]]]:
        """A flow of what another has given so many steps ago, each time zeros before its first entry; of every few steps.

        With an index map for each of the steps, shaped like that of the flow.
        """
        longest = max(steps)
        if not longest and hop == 1:
            return flow, [flow.index_map] * len(steps)
        flow = self.begun(node, flow)
        used, own = np.unique(flow.index_map, return_inverse=True)
        own = own.reshape(flow.index_map.shape)
        limit(node, (longest + 1) * used.size)
        self.over_time = True
        alone = longest == min(steps) == hop == 1
        layer = Delay(used.size, dtype=self.dtype) if alone else Frame(used.size, hop, longest + 1, self.dtype)
        past = self.applied(node, layer, replace(flow, index_map=used))
        return past, [own if alone else own + (longest - each) * used.size for each in steps]

    def held(self, size: int, initial: float, moved: Callable[[LayerOutput], LayerOutput]) -> LayerOutput:
        """What a value becomes from what it was at the step before, which a delay holds."""
        delay = LayerOutput(Delay(size, np.full(size, initial), self.dtype), ())
        self.fed[delay] = given = moved(delay)
        return given

    def late(self, node: Node, flow: Flow) -> Flow:
        """A flow with the zeros that are put before its first step: delayed by as many."""
        return self.delayed(node, flow, 0) if flow.time.late < 0 else flow

    def delayed(self, node: Node, flow: Flow, late: int) -> Flow:
        """A flow that is late by so many steps."""
        past, (index_map,) = self.ago(node, flow, [late - flow.time.late])
        return replace(past, index_map=index_map, time=flow.time._replace(late=late))

    def together(self, node: Node, flows: Sequence[Flow]) -> list[Flow]:
        """Flows over time, all as late as the last of them."""
        if len({flow.time.rate for flow in flows}) > 1:
            raise node.refused("takes signals of different rates, one with a step for several of the other")
        late = max((flow.time.late for flow in flows), default=0)
        return [
            replace(flow, time=flow.time._replace(late=late))
            if flow.time.late != late and self.is_steady(flow)
            else self.delayed(node, flow, late)
            for flow in flows
        ]

    def begun(self, node: Node, flow: Flow) -> Flow:
        """A flow with zeros before its first entry, for what looks back."""
        if flow.time.late <= 0:
            return flow
        used, own = np.unique(flow.index_map, return_inverse=True)
        vector = self.vector(node, replace(flow, index_map=used))
        begun = self.beginnings.begun(node, vector, flow.time)
        return replace(flow, parts=(begun,), index_map=own.reshape(flow.index_map.shape))

    def look_ahead(self, refusal: ConversionError) -> None:
        """Note what looks ahead. Raises its refusal where no answer may come later."""
        if not self.ahead:
            raise refusal
        self.moves_time.append(refusal)

    def remark_last(self, flow: Flow) -> None:
        """Say that the answer after the last step is streamed, where it is more than a state that is given beside it."""
        if flow.last:
            self.remark(LAST_ONLY)

    def remark(self, text: str) -> None:
        """Keep a sentence for the user, without duplicates."""
        if text not in self.remarks:
            self.remarks.append(text)

    def _entering(self, entry: Input) -> Flow:
        """A graph input."""
        axes = self.roles.of_input(entry)
        sizes = self.roles.extents(axes)
        if math.prod(sizes) > MOST_VALUES:
            excess = f"{math.prod(sizes)} values in a step, more than {MOST_VALUES} that are allowed"
            raise ConversionError(f"graph input {entry.name!r}: has {excess}")
        index_map = np.arange(math.prod(sizes)).reshape(sizes)
        source = Source(entry.name, index_map.size, entry.name in self.roles.states)
        return Flow((source,), index_map, axes, integer=entry.is_integer)

    def _visit(self, node: Node) -> None:
        found = self._solution.nodes[node.outputs]
        inputs = [self.values.get(name) if name else None for name in node.inputs]
        if found.is_constant and found.error is not None:
            raise found.error
        outputs = self._constants(node) if found.is_constant else self._handled(node, inputs)
        if found.error is not None:
            raise found.error
        if left := found.left.intersection(node.attributes):
            raise node.refused(f"attribute {min(left)!r} is not understood; export the model without it")
        for name, value in zip(node.outputs, outputs, strict=False):
            if isinstance(value, Flow):
                value = pruned(value)
                self._check(node, value, inputs)
            self.values[name] = value
        self.values.pop("", None)

    def _constants(self, node: Node) -> list[Value]:
        outputs = self._solution.nodes[node.outputs].outputs
        return [value for value in outputs if not isinstance(value, Signal)]

    def _handled(self, node: Node, inputs: Inputs) -> Sequence[Value]:
        handler = OPERATORS.get(node.op)
        if handler is None:
            raise node.refused("this operator is not understood as part of a stream; export the model without it")
        for name, value in zip(node.inputs, inputs, strict=True):
            if name and value is None:
                raise node.refused(f"its input {name!r} is an output that cannot be streamed")
        with node.refusing():
            if node.op not in _TAKE_PADDING | _KEEP_ZEROS:
                inputs = [self.late(node, value) if isinstance(value, Flow) else value for value in inputs]
            met = {k: value for k, value in enumerate(inputs) if isinstance(value, Flow) and self._goes_over_time(value)}
            together = dict(zip(met, self.together(node, list(met.values())), strict=True))
            return handler(self, node, [together.get(k, value) for k, value in enumerate(inputs)])

    def _goes_over_time(self, flow: Flow) -> bool:
        return any(self.roles.over_time(axis) for axis in flow.axes)

    def _check(self, node: Node, flow: Flow, inputs: Inputs) -> None:
        """Check that a flow has the shape of its axes, and is not too large; and note how many steps it lacks."""
        if max(flow.index_map.size, sum(part.size for part in flow.parts)) > MOST_VALUES:
            raise node.refused(f"gives {flow.index_map.size} values in a step, more than {MOST_VALUES} that are allowed")
        self.fewest_rows = max(self.fewest_rows, (1 - flow.time.surplus) * flow.time.rate)
        if self.roles.extents(flow.axes) != flow.index_map.shape:
            raise node.refused(f"gives values of the shape {flow.index_map.shape}, which does not fit the axes of the signal")
        if not any(isinstance(given, Flow) and flow.index_map is given.index_map for given in inputs):
            self._budget.take(node, flow.index_map.nbytes)


def needs_flow(node: Node, value: Value | None, name: str) -> Flow:
    """The value as a flow of floats; raises where it is something else."""
    if not isinstance(value, Flow):
        raise node.refused(f"its input {name} is not the signal; only what depends on the input step by step can be streamed")
    if value.integer:
        raise node.refused(f"its input {name} is {describe(value)}: integers, which can only pick from a table")
    return value
