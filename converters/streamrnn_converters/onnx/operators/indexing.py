"""Operators that pick from a flow and join flows: Slice, Gather, Split, Concat. Of time only the last step can be picked."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from streamrnn import Embedding
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.constants import INTEGERS, integers, limit
from streamrnn_converters.onnx.operators.reversing import first_step, turned
from streamrnn_converters.onnx.operators.shape_ops import places, without
from streamrnn_converters.onnx.values import (
    Axis,
    Broadcast,
    Constant,
    Flow,
    Kind,
    Size,
    Value,
    describe,
    full_rank,
    rank,
    shape,
)
from streamrnn_converters.onnx.vectors import LayerOutput, Source, Vector

_END = 2**31 - 1  # from here on an end means: all that is left
_ONLY_THE_LAST = (
    "of time only the last step can be picked; if this is a loop over the steps, export the model with its recurrent node kept "
    "(torch: dynamo=False)"
)


@operator("Slice")
def _slice(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    given = [integers(node, entry, "ranges") if entry is not None else None for entry in inputs[1:]]
    given += [None] * (4 - len(given))
    starts, ends = given[0] or node.take("starts"), given[1] or node.take("ends")
    axes, steps = given[2] or node.take("axes"), given[3]
    if starts is None or ends is None:
        raise node.refused("does not say where it begins and ends")
    axes = places(node, axes or list(range(len(starts))), rank(value))
    for axis, start, end, step in list(zip(axes, starts, ends, steps or [1] * len(starts), strict=True)):
        value = _cut(importer, node, value, axis, start, end, step)
    return [value]


def _cut(importer: Importer, node: Node, value: Value, axis: int, start: Any, end: Any, step: Any) -> Value:
    size = shape(value)[axis]
    if isinstance(value, Flow) and importer.role(value.axes[axis]) == "time" and (value.surplus or value.padding != (0, 0)):
        return _without_surplus(node, value, start, end, step)
    if start == 0 and step == 1 and (end == size or (isinstance(end, int) and end >= _END)):
        return value
    if not all(isinstance(number, int) for number in (start, end, step)):
        raise node.refused("begins or ends at a place that depends on the input")
    if isinstance(value, Flow) and not importer.is_within(value.axes[axis]) and (start, step) == (-1, -1) and end <= -_END:
        if importer.role(value.axes[axis]) == "time":
            importer.whole_only.append(node.refused("turns a batch around with what lies behind the end of a short one"))
            return turned(importer, node, value)
        if importer.lenient:
            return value
    if isinstance(size, int) and not isinstance(value, Constant):
        start, end, step = slice(start, end, step).indices(size)
        if (start, end, step) == (0, size, 1):
            return value
    chosen = (slice(None),) * axis + (slice(start, end, step),)
    if isinstance(value, Constant):
        return Constant(value.array[chosen])
    if isinstance(value, Broadcast) and isinstance(size, int):
        array = full_rank(value)
        sizes = list(value.sizes)
        sizes[axis] = len(range(start, end, step))
        return Broadcast(array if array.shape[axis] == 1 else array[chosen], tuple(sizes))
    if isinstance(value, Flow):
        if isinstance(size, int) and (importer.is_within(value.axes[axis]) or importer.lenient):
            return _picked(importer, node, value, axis, np.arange(start, end, step))
        if step == 1 and ((start == -1 and end >= _END) or (isinstance(size, int) and end == start + 1)):
            flow = _last(importer, node, value, axis, start)
            one = importer.one(node, axis)
            return replace(flow, axes=(*flow.axes[:axis], one, *flow.axes[axis:]), places=np.expand_dims(flow.places, axis))
    raise node.refused(f"cuts {describe(value)}; {_ONLY_THE_LAST}")


def _without_surplus(node: Node, flow: Flow, start: Any, end: Any, step: Any) -> Flow:
    """Cut off the steps that a convolution has given behind the last one."""
    cut = -end if isinstance(end, int) and end < 0 else 0 if isinstance(end, int) and end >= _END else None
    if start != 0 or step != 1 or cut is None or cut > flow.surplus or flow.padding != (0, 0):
        raise node.refused(
            f"cuts a signal that has {flow.surplus} steps more at its end than the input; only those can be cut off"
        )
    return replace(flow, surplus=flow.surplus - cut)


def _picked(importer: Importer, node: Node, flow: Flow, axis: int, indices: Any) -> Flow:
    """Places along an axis within a step, which stays, with those places only."""
    if not len(indices):
        raise node.refused(f"picks nothing of {describe(flow)}")
    if not importer.is_within(flow.axes[axis]):  # on a lenient importer: who knows
        return replace(flow, axes=_with_size(flow, axis, len(indices)))
    return replace(flow, axes=_with_size(flow, axis, len(indices)), places=np.take(flow.places, indices, axis))


def _with_size(flow: Flow, axis: int, size: int) -> tuple[Axis, ...]:
    return (*flow.axes[:axis], flow.axes[axis]._replace(size=size), *flow.axes[axis + 1 :])


def _last(importer: Importer, node: Node, flow: Flow, axis: int, index: int) -> Flow:
    """The last step, or the only one of an axis; the axis vanishes."""
    picked = flow.axes[axis]
    size = picked.size if isinstance(picked.size, int) else None
    if size == 1 and index in (0, -1):
        return without(importer, node, flow, [axis])
    role = importer.role(picked)
    if role == "time" and index == 0 and (first := first_step(flow)) is not None:
        return replace(first, axes=_without_axis(flow, axis), places=np.squeeze(flow.places, axis))
    if role == "time" and index in (-1, None if size is None else size - 1) and not flow.surplus:
        importer.whole_only.append(
            node.refused("picks the last step of a batch, which lies behind the end of a short recording")
        )
        return replace(flow, axes=_without_axis(flow, axis), places=np.squeeze(flow.places, axis), last=True)
    name = f"axis {axis}" if picked.name in importer.axes.custom else f"the {role} axis"
    raise node.refused(f"picks place {index} of {name} of {describe(flow)}; {_ONLY_THE_LAST}")


@operator("Gather")
def _gather(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    value, indices = inputs
    axis = node.take("axis", 0)
    assert value is not None
    if isinstance(value, Constant) and isinstance(indices, Flow):
        return [_embedded(importer, node, value, indices, axis)]
    if not isinstance(indices, Constant) or indices.array.dtype.kind not in INTEGERS:
        raise node.refused("its indices are not constant integers")
    if isinstance(value, Constant):
        limit(node, value.array.size // max(1, value.array.shape[axis]) * indices.array.size)
        return [Constant(np.asarray(np.take(value.array, indices.array.astype(int), axis)))]
    if isinstance(value, Broadcast):
        raise node.refused(f"picks places of {describe(value)}, which is not understood")
    (axis,) = places(node, [axis], rank(value))
    chosen = indices.array.astype(int)
    unknown = importer.role(value.axes[axis]) == "unknown" and value.axes[axis].size != 1
    if (
        importer.is_within(value.axes[axis]) or unknown
    ):  # unknown on a lenient importer only, which may take it for one or the other
        chosen = chosen * 0 if unknown else chosen
        flow = replace(value, axes=_without_axis(value, axis), places=np.take(value.places, chosen, axis))
    elif chosen.size == 1:
        flow = _last(importer, node, value, axis, int(chosen.ravel()[0]))
        sizes = flow.places.shape
        flow = replace(flow, places=flow.places.reshape(*sizes[:axis], *chosen.shape, *sizes[axis:]))
    else:
        raise node.refused(f"picks several places of {describe(value)}; {_ONLY_THE_LAST}")
    kind: Kind = "layer" if value.axes[axis].kind == "layer" else "feature"
    added = [
        importer.one(node, axis + k) if size == 1 else Axis(f"{node.outputs[0]}.{k}", size, kind)
        for k, size in enumerate(chosen.shape)
    ]
    return [replace(flow, axes=(*flow.axes[:axis], *added, *flow.axes[axis:]))]


def _without_axis(flow: Flow, axis: int) -> tuple[Axis, ...]:
    return (*flow.axes[:axis], *flow.axes[axis + 1 :])


def _embedded(importer: Importer, node: Node, table: Constant, indices: Flow, axis: int) -> Flow:
    """Rows of a table: one for each index of a step."""
    if table.array.ndim != 2 or axis not in (0, -2) or table.array.dtype.kind != "f":
        raise node.refused(f"picks from {describe(table)} along axis {axis}; only rows of a matrix of floats can be picked")
    if not indices.integer:
        raise node.refused(f"its indices are {describe(indices)}: not integers")
    for part in indices.parts:
        if isinstance(part, Source):
            importer.entries[part.name] = min(len(table.array), importer.entries.get(part.name, len(table.array)))
    size = table.array.shape[1]
    whole = replace(indices, integer=False)
    limit(node, table.array.size * indices.places.size)
    rows: list[Vector] = []
    for place in indices.places.ravel():
        one = importer.vector(node, replace(whole, places=np.array([place])))
        rows.append(LayerOutput(Embedding(table.array.astype(np.float64), importer.dtype), (one,)))
    axes = (*indices.axes, Axis(f"{node.outputs[0]}.feature", size, "feature"))
    return replace(whole, parts=tuple(rows), axes=axes, places=np.arange(size * len(rows)).reshape(*indices.places.shape, size))


@operator("Split")
def _split(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Split-18: sizes as an attribute before opset 13, or equal ones, the last perhaps smaller."""
    value = inputs[0]
    (axis,) = places(node, [node.take("axis", 0)], rank(value) if value is not None else 0)
    sizes = node.take("split")
    node.take("num_outputs")
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = integers(node, inputs[1], "split")
    assert value is not None
    total = shape(value)[axis]
    if not isinstance(total, int) or (
        isinstance(value, Flow) and not importer.is_within(value.axes[axis]) and not importer.lenient
    ):
        raise node.refused(f"splits {describe(value)} along another axis than its values; {_ONLY_THE_LAST}")
    if sizes is None:
        most = -(-total // len(node.outputs))
        sizes = [most] * (len(node.outputs) - 1) + [total - most * (len(node.outputs) - 1)]
    if sum(sizes) != total or len(sizes) != len(node.outputs):
        raise node.refused(f"splits {total} values into {sizes} for {len(node.outputs)} outputs")
    bounds = np.cumsum([0, *sizes])
    return [_cut(importer, node, value, axis, int(a), int(b), 1) for a, b in pairwise(bounds)]


@operator("Concat")
def _concat(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    axis = node.take("axis")
    if axis is None:
        raise node.refused("does not say along which axis")
    if all(isinstance(value, Constant) for value in inputs):
        arrays = [value.array for value in inputs if isinstance(value, Constant)]
        limit(node, sum(array.size for array in arrays))
        return [Constant(np.concatenate(arrays, axis))]
    if len(inputs) == 1 and isinstance(inputs[0], Flow):
        return [inputs[0]]
    flows = [needs_flow(node, value, f"{index}") for index, value in enumerate(inputs)]
    (axis,) = places(node, [axis], rank(flows[0]))
    return [_joined(importer, node, flows, axis)]


def _joined(importer: Importer, node: Node, flows: Sequence[Flow], axis: int) -> Flow:
    """Flows one behind the other along an axis within a step."""
    first, axes = flows[0], list(flows[0].axes)
    for flow in flows[1:]:
        if len(flow.axes) != len(axes):
            raise node.refused("joins what has different numbers of axes")
        for place, own in enumerate(flow.axes):
            importer.alike(node, axes[place], own)
            roles = [importer.role(other) if not importer.is_within(other) else "within" for other in (axes[place], own)]
            lone = place != axis and "within" in roles and axes[place].size == own.size == 1
            if (roles[0] != roles[1] and not lone) or (place == axis and roles[0] in ("time", "batch")):
                raise node.refused(
                    f"joins {describe(first)} and {describe(flow)} along time or batch, or such as have these elsewhere; only "
                    "values within a step can be joined"
                )
            if roles[0] == "within":
                axes[place] = own
    if any((flow.last, flow.surplus) != (first.last, first.surplus) for flow in flows):
        raise node.refused("joins signals of different lengths, or every step of one with the last of another")
    sizes = [flow.axes[axis].size for flow in flows]
    total = sum(size for size in sizes if isinstance(size, int)) or Size(1, (node.outputs[0],))
    kind: Kind = "layer" if all(flow.axes[axis].kind == "layer" for flow in flows) else "feature"
    axes[axis] = Axis(f"{node.outputs[0]}.{axis}", total, kind)
    starts = np.cumsum([0, *(sum(part.size for part in flow.parts) for flow in flows)])
    return replace(
        first,
        parts=tuple(part for flow in flows for part in flow.parts),
        places=np.concatenate([flow.places + start for flow, start in zip(flows, starts, strict=False)], axis),
        axes=tuple(axes),
    )
