"""Which values of a graph are those of graph inputs and constants, moved only, of whatever they were taken out of.

A value may be written into a state, and another part of the state picked out again: that part was only moved.
"""

import math

import numpy as np
from numpy.typing import NDArray

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.axes.constants import FOLDINGS
from streamrnn_converters.onnx.carried.flow import MOVES
from streamrnn_converters.onnx.graph import Graph, Node
from streamrnn_converters.onnx.values import Constant

_COMPUTED, _MOVED = -1, 0  # of each value of an array
_MOST_VALUES = 1 << 18


class Moved:
    """What is known of the arrays of a graph, node by node: which of their values are moved only. Sizes must be fixed."""

    def __init__(self, graph: Graph) -> None:
        self._constants = graph.constants
        self._arrays: dict[str, NDArray[np.int64]] = {
            entry.name: np.full([size or 0 for size in entry.sizes], _MOVED)
            for entry in graph.inputs
            if None not in entry.sizes and math.prod(size or 0 for size in entry.sizes) <= _MOST_VALUES
        }

    def take(self, node: Node) -> None:
        """Find out about the outputs of the next node."""
        if node.op != "ScatterND" and node.op not in MOVES:
            return
        if node.op not in FOLDINGS or not any(name in self._arrays for name in node.inputs):
            return
        inputs = [self._value(name) for name in node.inputs]
        if node.op == "ScatterND" and inputs[2] is None:  # only what is written was computed
            inputs[2] = Constant(np.array(_COMPUTED))
        if any(value is None and name for value, name in zip(inputs, node.inputs, strict=True)):
            return
        own = Node(node.name, node.op, node.inputs, node.outputs, dict(node.attributes), node.most_values)
        try:
            with own.refusing():
                outputs = FOLDINGS[node.op](own, inputs)
        except ConversionError:  # the importer refuses it, by name
            return
        for name, value in zip(node.outputs, outputs, strict=False):
            if name and isinstance(value, Constant):
                self._arrays[name] = value.array

    def is_moved(self, name: str) -> bool:
        """Whether all values of an array are known to be moved only."""
        return name in self._arrays and not (self._arrays[name] == _COMPUTED).any()

    def _value(self, name: str) -> Constant | None:
        array = self._arrays.get(name, self._constants.get(name))
        return None if array is None else Constant(array)
