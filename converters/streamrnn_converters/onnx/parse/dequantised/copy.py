"""The graph of floats in the making."""

from typing import Any, NamedTuple

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.parse.tensors import array_of

Array = NDArray[Any]

REMEDY = "quantise with quant_format=QuantFormat.QDQ, or export the model in float32"
#: What may be done with the integers of a signal: their values are only moved.
_MOVES = frozenset({"Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})


class Grid(NamedTuple):
    """The numbers scale · (q − zero) that a signal was rounded to."""

    scale: float
    zero: int


class Sums(NamedTuple):
    """Sums of products of a signal's integers, which `origin` gives, with the weights (q − zero point), and the node."""

    origin: str
    signal: str
    weights: Array
    proto: onnx.NodeProto


class Copy:
    """The copy, to which the nodes of a graph are taken one by one, in their order.

    nodes      of the copy
    constants  of the graph, and those that are computed from them
    unread     constants that a node of the copy need not read
    rounds     whether the graph rounds signals

    What stands for integers in the graph, by name:

    grids        a signal that was rounded to a grid: of floats, in the copy
    picked       rows of a table of integers: the node that picks them

    and where the graph finds the scale of a signal as it runs, which node `origin` does:

    integers     the integers: their origin, the signal
    zero_points  the zero point: its origin
    scales       the scale: its origin, and the scale of weights that is in it
    sums         sums of products of integers
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.nodes: list[onnx.NodeProto] = []
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.unread = set[str]()
        self.rounds = False
        self.grids: dict[str, Grid] = {}
        self.picked: dict[str, onnx.NodeProto] = {}
        self.integers: dict[str, tuple[str, str]] = {}
        self.zero_points: dict[str, str] = {}
        self.scales: dict[str, tuple[str, Array]] = {}
        self.sums: dict[str, Sums] = {}
        self._names = {name for node in model.graph.node for name in (*node.input, *node.output)} | set(self.constants)
        self._weights: list[TensorProto] = []

    @property
    def opset(self) -> int:
        """The version of the operators of ONNX that the graph uses; 0 where it does not say."""
        return min((entry.version for entry in self._model.opset_import if entry.domain in ("", "ai.onnx")), default=0)

    def is_of_integers(self, name: str) -> bool:
        """Whether a name stands for integers in the graph, and for something else or nothing in the copy."""
        known = (self.grids, self.picked, self.integers, self.zero_points, self.scales, self.sums)
        return any(name in one for one in known)

    def refuse_integers(self, node: Node, *names: str) -> None:
        """Refuse a node that computes with the integers of a signal."""
        if any(map(self.is_of_integers, names)):
            raise node.refused(f"computes with the integers of a signal; {REMEDY}")

    def keep(self, proto: onnx.NodeProto, node: Node) -> None:
        """A node of floats, or one that moves the integers of a signal, which in the copy are floats."""
        if node.op == "Constant":
            values = [attribute.t for attribute in proto.attribute if attribute.name == "value" and attribute.HasField("t")]
            self.constants.update((node.outputs[0], value) for value in values)
        own, moved = self.add_copy_of(proto), node.inputs[0] if node.inputs else ""
        moves = node.op in _MOVES and len(node.outputs) == 1 and not any(map(self.is_of_integers, node.inputs[1:]))
        if moves and moved in self.grids:
            self.grids[node.outputs[0]] = self.grids[moved]
        elif moves and moved in self.integers:
            origin, own.input[0] = self.integers[moved]
            self.integers[node.outputs[0]] = origin, node.outputs[0]
        else:
            self.refuse_integers(node, *node.inputs)

    def add_copy_of(self, proto: onnx.NodeProto) -> onnx.NodeProto:
        """A node of the copy, like one of the graph."""
        own = onnx.NodeProto()
        own.CopyFrom(proto)
        self.nodes.append(own)
        return own

    def add_weights(self, name: str, floats: Array) -> None:
        """A constant of the copy."""
        self._weights.append(numpy_helper.from_array(floats, name))
        self._names.add(name)

    def named(self, wanted: str) -> str:
        """A name that nothing in the graph has."""
        while wanted in self._names:
            wanted += "'"
        self._names.add(wanted)
        return wanted

    def array(self, node: Node, name: str) -> Array:
        """A constant that a node reads. Refuses the node if it is none."""
        if name not in self.constants:
            raise node.refused(f"its input {name!r} is not a constant; export the model with its weights and scales inside")
        return array_of(self.constants[name], f"{node}, input {name!r}")

    def finish(self) -> list[str]:
        """Put the copy into the model. Returns what was changed."""
        graph = self._model.graph
        for info in graph.output:
            if self.is_of_integers(info.name):
                end = Node(info.name, "output", (), ())
                raise end.refused("gives integers, which stand for numbers; export it with DequantizeLinear behind it")
        if not self._weights and not self.rounds:
            return []
        read = {info.name for info in (*graph.input, *graph.output)} | {name for node in self.nodes for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in read or tensor.name not in self.unread]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(node for node in self.nodes if not set(node.output) <= self.unread - read)
        graph.initializer.extend([*kept, *self._weights])
        remarks = []
        if self._weights:
            names = ", ".join(repr(tensor.name) for tensor in self._weights)
            remarks.append(f"integers times a scale in the graph, the same numbers as floats in the model: {names}")
        if self.rounds:
            remarks.append(
                "the graph rounds signals to integers; the model does not, nor does the graph that it is compared with"
            )
        return remarks
