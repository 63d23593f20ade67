"""Operators that pick from a flow and join flows: Slice, Gather, Split, Concat. Of time only the last step can be picked."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn import Delay, Embedding
from streamrnn_converters.onnx.axes.arguments import (
    END,
    axis_indices,
    limit,
    range_end,
    range_start,
    slice_argument,
    split_argument,
)
from streamrnn_converters.onnx.axes.rules.indexing import ONLY_THE_LAST
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.over_time import count_of, longer, slid
from streamrnn_converters.onnx.operators.reversing import first_step, turned
from streamrnn_converters.onnx.operators.shape_ops import flow_of
from streamrnn_converters.onnx.values import Broadcast, Constant, Flow, Size, Value, are_every, describe, full_rank, rank, shape
from streamrnn_converters.onnx.vectors import Fixed, LayerOutput, Source, Vector
from streamrnn_converters.onnx.windows import LONG, Sliding

_MOST_ROWS = 64  # of constants before the first step


@operator("Slice")
def _slice(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    flow = flow_of(inputs[0])
    for axis, start, end, step in slice_argument(node, inputs, rank(flow)):
        flow = _cut(importer, node, flow, axis, start, end, step)
    return [replace(flow, axes=importer.axes_of(node))]


def _cut(importer: Importer, node: Node, flow: Flow, axis: int, start: Any, end: Any, step: Any) -> Flow:
    """A range of one axis, whose axes are still those of the flow: of values a part, of time all or one step."""
    role, size = importer.role(flow.axes[axis]), flow.axes[axis].size
    start, end = range_start(start, size), range_end(end, size)
    if start == 0 and step == 1 and (end == size or (isinstance(end, int) and end >= END)):
        return flow
    if not all(isinstance(number, int) for number in (start, end, step)):
        raise node.refused("begins or ends at an index that depends on the input")
    if role == "time" and (start, step) == (-1, -1) and end <= -END:
        importer.whole_only.append(node.refused("turns a batch around with what lies after the end of a short recording"))
        return turned(importer, node, flow)
    if isinstance(size, int):
        start, end, step = slice(start, end, step).indices(size)
        if (start, end, step) == (0, size, 1):
            return flow
        if importer.is_within(flow.axes[axis]):
            if not len(range(start, end, step)):
                raise node.refused(f"picks nothing of {describe(flow)}")
            return replace(flow, index_map=np.take(flow.index_map, np.arange(start, end, step), axis))
    if step == 1 and ((start == -1 and end >= END) or end == start + 1 == 1 or (isinstance(size, int) and end == start + 1)):
        return _last(importer, node, flow, axis, start)
    if role == "time" and step >= 1 and start >= 0 and (cut := _cut_off(size, end)) is not None:
        if step == 1:
            return longer(importer, node, flow, -start, -cut)
        time, ago = slid(importer, node, flow, Sliding(LONG, 1, step, 1, -start, -cut))
        past, (index_map,) = importer.ago(node, flow, ago, step)
        return replace(past, index_map=index_map, time=time)
    raise node.refused(f"cuts {describe(flow)}; {ONLY_THE_LAST}")


def _cut_off(size: int | Size, end: int) -> int | None:
    """How many entries of an axis lie from an end on, counted from 0 or backwards; None where that is not known."""
    if isinstance(size, int):
        return size - end
    return -end if end < 0 else 0 if end >= END else None


def _last(importer: Importer, node: Node, flow: Flow, axis: int, index: int) -> Flow:
    """The last step of time, or the only entry of an axis."""
    picked = flow.axes[axis]
    size = picked.size if isinstance(picked.size, int) else None
    if size == 1 and index in (0, -1):
        return flow
    role = importer.role(picked)
    if role == "time" and index == 0 and (first := first_step(flow)) is not None:
        return first
    is_last = role == "time" and index in (-1, None if size is None else size - 1)
    if is_last and flow.time.late > 0:
        raise node.refused(
            f"picks the last step of what looks {count_of(flow.time.late)} ahead, and so depends on where the signal ends; "
            "export the model with an answer to every step"
        )
    if is_last and not (flow.time.surplus or flow.time.late):
        importer.whole_only.append(
            node.refused("picks the last step of a batch, which lies after the end of a short recording")
        )
        return replace(flow, last=True)
    name = f"axis {axis}" if picked.name in importer.roles.assumed else f"the {role} axis"
    raise node.refused(f"picks index {index} of {name} of {describe(flow)}; {ONLY_THE_LAST}")


@operator("Gather")
def _gather(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    value, indices = inputs
    if isinstance(value, Constant) and isinstance(indices, Flow):
        return [_embedded(importer, node, value, indices, node.take("axis", 0))]
    if not isinstance(value, Flow):
        raise node.refused(f"picks entries of {describe(value)}, which is not understood" if value else "has no data")
    axes = importer.axes_of(node)
    assert isinstance(indices, Constant)
    (axis,) = axis_indices(node, [node.take("axis", 0)], rank(value))
    if are_every(indices, value.axes[axis].size):
        return [replace(value, axes=axes, index_map=value.index_map.reshape(importer.roles.extents(axes)))]
    chosen = indices.array.astype(int)
    if importer.is_within(value.axes[axis]):
        return [replace(value, axes=axes, index_map=np.take(value.index_map, chosen, axis))]
    if chosen.size != 1:
        raise node.refused(f"picks several entries of {describe(value)}; {ONLY_THE_LAST}")
    flow = _last(importer, node, value, axis, int(chosen.ravel()[0]))
    return [replace(flow, axes=axes, index_map=flow.index_map.reshape(importer.roles.extents(axes)))]


def _embedded(importer: Importer, node: Node, table: Constant, indices: Flow, axis: int) -> Flow:
    """Rows of a table: one for each index of a step."""
    if table.array.ndim != 2 or axis not in (0, -2) or table.array.dtype.kind != "f":
        raise node.refused(f"picks from {describe(table)} along axis {axis}; only rows of a matrix of floats can be picked")
    if not indices.integer:
        raise node.refused(f"its indices are {describe(indices)}: not integers")
    for part in indices.parts:
        if isinstance(part, Source):
            importer.n_entries[part.name] = min(len(table.array), importer.n_entries.get(part.name, len(table.array)))
    size = table.array.shape[1]
    whole = replace(indices, integer=False)
    limit(node, table.array.size * indices.index_map.size)
    rows: list[Vector] = []
    for index in indices.index_map.ravel():
        one = importer.vector(node, replace(whole, index_map=np.array([index])))
        rows.append(LayerOutput(Embedding(table.array.astype(np.float64), importer.dtype), (one,)))
    index_map = np.arange(size * len(rows)).reshape(*indices.index_map.shape, size)
    return replace(whole, parts=tuple(rows), axes=importer.axes_of(node), index_map=index_map)


@operator("Split")
def _split(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    flow = flow_of(inputs[0])
    (axis,) = axis_indices(node, [node.take("axis", 0)], rank(flow))
    axes = [importer.axes_of(node, output) for output in range(len(node.outputs))]
    total = flow.axes[axis].size
    if len(axes) == 1:
        return [flow]
    assert isinstance(total, int)
    bounds = np.cumsum([0, *split_argument(node, inputs, total)])
    parts = [_cut(importer, node, flow, axis, int(a), int(b), 1) for a, b in pairwise(bounds)]
    return [replace(part, axes=own) for part, own in zip(parts, axes, strict=True)]


@operator("ScatterND")
def _scatter(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Values of one flow in place of those of another; either may be a constant."""
    axes, indices = importer.axes_of(node), inputs[1]
    assert isinstance(indices, Constant)
    data, updates = (_with_indices(importer, node, inputs[k], name) for k, name in ((0, "data"), (2, "updates")))
    first = next(value for value in inputs if isinstance(value, Flow))
    index_map = data.index_map.copy()
    at = tuple(np.moveaxis(indices.array.astype(int), -1, 0))
    index_map[at] = np.broadcast_to(updates.index_map, index_map[at].shape) + sum(part.size for part in data.parts)
    return [replace(first, parts=(*data.parts, *updates.parts), index_map=index_map, axes=axes)]


def _with_indices(importer: Importer, node: Node, value: Value | None, name: str) -> Flow:
    """A flow; of a constant, one whose indices are those of the numbers."""
    if isinstance(value, Constant):
        if value.array.dtype.kind != "f":
            raise node.refused(f"its input {name} is {describe(value)}, not a constant of floats")
        numbers = value.array.astype(np.float64)
        return Flow((Fixed(numbers.ravel()),), np.arange(numbers.size).reshape(numbers.shape), ())
    return needs_flow(node, value, name)


@operator("Concat")
def _concat(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """One flow after the other along an axis within a step; constants before the first step, and after the last."""
    if len(inputs) == 1:
        return [flow_of(inputs[0])]
    axes = importer.axes_of(node)
    (axis,) = axis_indices(node, [node.take("axis")], len(axes))
    first = next(value for value in inputs if isinstance(value, Flow))
    if importer.role(first.axes[axis]) == "time":
        return [replace(_between_constants(importer, node, inputs, needs_flow(node, first, "data"), axis), axes=axes)]
    flows = [
        _constant_beside(importer, node, value, first, axis)
        if isinstance(value, Constant | Broadcast)
        else needs_flow(node, value, f"{index}")
        for index, value in enumerate(inputs)
    ]
    if any((flow.last, flow.time) != (first.last, first.time) for flow in flows):
        raise node.refused("joins signals of different lengths, or every step of one with the last of another")
    starts = np.cumsum([0, *(sum(part.size for part in flow.parts) for flow in flows)])
    index_map = np.concatenate([flow.index_map + start for flow, start in zip(flows, starts, strict=False)], axis)
    return [replace(first, parts=tuple(part for flow in flows for part in flow.parts), index_map=index_map, axes=axes)]


def _between_constants(importer: Importer, node: Node, inputs: Inputs, flow: Flow, axis: int) -> Flow:
    """A signal with rows of constants before its first step and after its last."""
    place = next(index for index, value in enumerate(inputs) if isinstance(value, Flow))
    beside = [
        _constant_beside(importer, node, value, flow, axis) for value in inputs if isinstance(value, Constant | Broadcast)
    ]
    before = sum(each.index_map.shape[axis] for each in beside[:place])
    after = sum(each.index_map.shape[axis] for each in beside[place:])
    if any(_numbers(each).any() for each in beside[:place]):
        if flow.time.late:
            raise node.refused("puts constants before the first step of what looks ahead; only zeros can be put there")
        if before > _MOST_ROWS:
            raise node.refused(f"puts {before} steps of constants before the first, more than {_MOST_ROWS} that are allowed")
        for row in [row for each in beside[:place] for row in np.moveaxis(_numbers(each), axis, 0)][::-1]:
            given = importer.applied(node, Delay(row.size, row.ravel(), importer.dtype), flow)
            flow = replace(given, index_map=given.index_map.reshape(flow.index_map.shape))
        return replace(flow, time=flow.time.padded(0, before + after))
    return longer(importer, node, flow, before, after)


def _numbers(flow: Flow) -> NDArray[np.float64]:
    """The numbers of a flow that is constant."""
    (fixed,) = flow.parts
    assert isinstance(fixed, Fixed)
    return fixed.values.reshape(flow.index_map.shape)


def _constant_beside(importer: Importer, node: Node, value: Constant | Broadcast, flow: Flow, axis: int) -> Flow:
    """A constant that is joined with a flow along an axis, as a flow of the same numbers in each step."""
    array = full_rank(value) if isinstance(value, Broadcast) else value.array
    sizes = list(flow.index_map.shape)
    sizes[axis] = int(shape(value)[axis])  # type: ignore[arg-type]  # the axis pass has looked
    for k, have in enumerate(array.shape):
        if have != sizes[k]:
            array = np.take(array, [0], k)
    numbers = np.broadcast_to(array, sizes).astype(np.float64)
    limit(node, numbers.size)
    return replace(flow, parts=(Fixed(numbers.ravel()),), index_map=np.arange(numbers.size).reshape(sizes))
