"""What goes over all of time, of the entries so far: running sums, and the reductions that give an answer after the last step.

Such a value is computed from itself at the step before, which a delay holds.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from streamrnn import Arithmetic, Select
from streamrnn_converters.onnx.axes.arguments import axis_indices
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.values import Constant, Flow, Value
from streamrnn_converters.onnx.vectors import LayerOutput, Vector


@operator("CumSum")
def _running_sum(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """CumSum-14 over time."""
    flow, along = needs_flow(node, inputs[0], "x"), inputs[1]
    exclusive, reverse = node.take("exclusive", 0), node.take("reverse", 0)
    if not isinstance(along, Constant):
        raise node.refused("its axis is not a constant")
    (axis,) = axis_indices(node, [int(along.array.item())], len(flow.axes))
    if importer.role(flow.axes[axis]) != "time" or reverse:
        raise node.refused(
            "sums along values of a step, or from the end of the signal; only sums of the steps so far can be streamed"
        )
    if exclusive:
        flow, (index_map,) = importer.ago(node, flow, [1])
        flow = replace(flow, index_map=index_map)
    return [so_far(importer, node, importer.begun(node, flow), "sum")]


def so_far(importer: Importer, node: Node, flow: Flow, operation: str) -> Flow:
    """The "sum", "mean", "max" or "min" of the entries so far of each value of a flow."""
    importer.whole_only.append(
        node.refused("goes over all of time, so over what comes after the end of a shorter recording too")
    )
    vector = importer.vector(node, flow)
    importer.over_time = True
    given = _mean(importer, node, vector) if operation == "mean" else _ONE_BY_ONE[operation](importer, vector)
    return replace(flow, parts=(given,), index_map=np.arange(given.size).reshape(flow.index_map.shape))


def _folded(operation: str, first: float) -> Callable[[Importer, Vector], LayerOutput]:
    """Takes what is held, at first a number, and the next entry to what is held then."""

    def fold(importer: Importer, vector: Vector) -> LayerOutput:
        layer = Arithmetic(vector.size, operation, importer.dtype)
        return importer.held(vector.size, first, lambda held: LayerOutput(layer, (held, vector)))

    return fold


_LARGEST = float(np.finfo(np.float32).max)  # a model of float64 can become one of float32
_ONE_BY_ONE = {
    "sum": _folded("add", 0.0),
    "max": _folded("maximum", -_LARGEST),
    "min": _folded("minimum", _LARGEST),
}


def _mean(importer: Importer, node: Node, vector: Vector) -> LayerOutput:
    """The mean moves by a part of what is new. So it stays as exact as it is, where a sum grows."""
    size, dtype = vector.size, importer.dtype
    first = LayerOutput(Select(size, (0,), dtype), (vector,))
    ones = LayerOutput(Arithmetic(1, "equal", dtype), (first, first))
    count = LayerOutput(Select(1, (0,) * size, dtype), (_ONE_BY_ONE["sum"](importer, ones),))

    def moved(held: Vector) -> LayerOutput:
        new = LayerOutput(Arithmetic(size, "subtract", dtype), (vector, held))
        part = LayerOutput(Arithmetic(size, "divide", dtype), (new, count))
        return LayerOutput(Arithmetic(size, "add", dtype), (held, part))

    return importer.held(size, 0.0, moved)
