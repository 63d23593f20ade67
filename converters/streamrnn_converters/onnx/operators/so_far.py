"""What goes over all of time, of the entries so far: running sums, and the reductions that give an answer after the last step.

Such a value is computed from itself at the step before, which a delay holds.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from streamrnn import Affine, Arithmetic, Select
from streamrnn_converters.onnx.axes.arguments import axis_indices
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.time_map import TimeMap
from streamrnn_converters.onnx.values import Constant, Flow, Value, describe, progression
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
    given = _mean(importer, node, vector, flow.time) if operation == "mean" else _ONE_BY_ONE[operation](importer, vector)
    return replace(flow, parts=(given,), index_map=np.arange(given.size).reshape(flow.index_map.shape))


def counting(importer: Importer, node: Node, inputs: Inputs) -> Inputs:
    """The inputs of an operator; constants that are a progression along time become flows that count beside the first flow."""
    importer.axes_of(node)
    beside = next(value for value in inputs if isinstance(value, Flow))
    time = next((index for index, axis in enumerate(beside.axes) if importer.role(axis) == "time"), None)
    return [_counting(importer, node, beside, time, value) if isinstance(value, Constant) else value for value in inputs]


def _counting(importer: Importer, node: Node, beside: Flow, time: int | None, value: Constant) -> Value:
    axis = -1 if time is None else value.array.ndim - len(beside.axes) + time
    if time is None or (value.array.dtype != object and (axis < 0 or value.array.shape[axis] == 1)):
        return value
    found = progression(value.array, axis, beside.axes[time].size)
    if found is None:
        raise node.refused(f"combines the signal with {describe(value)}, another number for each step that does not count them")
    first, step = found
    numbers = _numbers(importer, node, importer.vector(node, beside), beside.time, step.size)
    given = LayerOutput(Affine(step.ravel(), (first - step).ravel(), importer.dtype), (numbers,))
    shape = (1,) * (len(beside.axes) - step.ndim) + step.shape
    return replace(beside, parts=(given,), index_map=np.arange(step.size).reshape(shape))


def _numbers(importer: Importer, node: Node, vector: Vector, time: TimeMap, size: int) -> Vector:
    """The number of the entry of a vector, the first of which is 1, so many times."""
    begun = importer.beginnings.has_begun(node, vector, time)
    return _first(importer, _ONE_BY_ONE["sum"](importer, _first(importer, begun, 1)), size)


def _first(importer: Importer, vector: Vector, size: int) -> Vector:
    """The first value of a vector, so many times."""
    return vector if vector.size == size == 1 else LayerOutput(Select(vector.size, (0,) * size, importer.dtype), (vector,))


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


def _mean(importer: Importer, node: Node, vector: Vector, time: TimeMap) -> LayerOutput:
    """The mean moves by a part of what is new. So it stays as exact as it is, where a sum grows."""
    size, dtype = vector.size, importer.dtype
    count = _numbers(importer, node, vector, time, size)

    def moved(held: Vector) -> LayerOutput:
        new = LayerOutput(Arithmetic(size, "subtract", dtype), (vector, held))
        part = LayerOutput(Arithmetic(size, "divide", dtype), (new, count))
        return LayerOutput(Arithmetic(size, "add", dtype), (held, part))

    return importer.held(size, 0.0, moved)
