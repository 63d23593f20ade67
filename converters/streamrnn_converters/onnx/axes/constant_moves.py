"""Operators that move the values of constants: Transpose, Squeeze, Unsqueeze, Reshape, Slice, Split, Gather, Concat."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from streamrnn_converters.onnx.axes.arguments import (
    END,
    INTEGERS,
    axes_argument,
    axis_indices,
    limit,
    order_argument,
    reshape_argument,
    slice_argument,
    split_argument,
)
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Broadcast, Constant, Known, describe, full_rank, rank, shape

Inputs = Sequence[Known | None]
Moved = list[Constant | Broadcast]


def _first(inputs: Inputs) -> Constant | Broadcast:
    value = inputs[0]
    assert isinstance(value, Constant | Broadcast)
    return value


def transpose(node: Node, inputs: Inputs) -> Moved:
    """Transpose: the axes in another order."""
    value = _first(inputs)
    order = order_argument(node, value)
    if isinstance(value, Constant):
        return [Constant(value.array.transpose(order))]
    return [Broadcast(full_rank(value).transpose(order), tuple(value.sizes[axis] for axis in order))]


def squeeze(node: Node, inputs: Inputs) -> Moved:
    """Squeeze: without axes of size 1."""
    value, axes = _first(inputs), axes_argument(node, inputs)
    if axes is None:
        axes = [axis for axis, size in enumerate(shape(value)) if size == 1]
    axes = axis_indices(node, axes, rank(value))
    if isinstance(value, Constant):
        return [Constant(np.squeeze(value.array, tuple(axes)))]
    for axis in axes:
        if value.sizes[axis] != 1:
            raise node.refused(f"removes axis {axis}, whose size is not known to be 1; declare it as 1, or export without it")
    array = np.squeeze(full_rank(value), tuple(axes))
    return [Broadcast(array, tuple(size for axis, size in enumerate(value.sizes) if axis not in axes))]


def unsqueeze(node: Node, inputs: Inputs) -> Moved:
    """Unsqueeze: with axes of size 1 inserted."""
    value, axes = _first(inputs), axes_argument(node, inputs)
    if axes is None:
        raise node.refused("does not say which axes it adds")
    added = axis_indices(node, axes, rank(value) + len(axes))
    if isinstance(value, Constant):
        return [Constant(np.expand_dims(value.array, tuple(added)))]
    sizes = list(value.sizes)
    for axis in sorted(added):
        sizes.insert(axis, 1)
    return [Broadcast(np.expand_dims(full_rank(value), tuple(added)), tuple(sizes))]


def reshape(node: Node, inputs: Inputs) -> Moved:
    """Reshape and Flatten."""
    value = _first(inputs)
    target = reshape_argument(node, inputs, shape(value))
    if isinstance(value, Broadcast):
        raise node.refused(f"reshapes {describe(value)}, which is not understood")
    return [Constant(value.array.reshape(target))]


def cut(node: Node, inputs: Inputs) -> Moved:
    """Slice."""
    value = _first(inputs)
    for axis, start, end, step in slice_argument(node, inputs, rank(value)):
        value = _cut(node, value, axis, start, end, step)
    return [value]


def _cut(node: Node, value: Constant | Broadcast, axis: int, start: Any, end: Any, step: Any) -> Constant | Broadcast:
    """A range of an axis. Of sizes that are not known yet only the whole can be taken."""
    size = shape(value)[axis]
    if start == 0 and step == 1 and (end == size or (isinstance(end, int) and end >= END)):
        return value
    if not all(isinstance(number, int) for number in (start, end, step)):
        raise node.refused("begins or ends at an index that depends on the input")
    chosen = (slice(None),) * axis + (slice(start, end, step),)
    if isinstance(value, Constant):
        return Constant(value.array[chosen])
    if not isinstance(size, int):
        raise node.refused(f"cuts {describe(value)}, which is not understood")
    array, sizes = full_rank(value), list(value.sizes)
    sizes[axis] = len(range(*slice(start, end, step).indices(size)))
    return Broadcast(array if array.shape[axis] == 1 else array[chosen], tuple(sizes))


def split(node: Node, inputs: Inputs) -> Moved:
    """Split."""
    value = _first(inputs)
    (axis,) = axis_indices(node, [node.take("axis", 0)], rank(value))
    total = shape(value)[axis]
    if not isinstance(total, int):
        raise node.refused(f"splits {describe(value)}, which is not understood")
    bounds = np.cumsum([0, *split_argument(node, inputs, total)])
    return [_cut(node, value, axis, int(a), int(b), 1) for a, b in pairwise(bounds)]


def gather(node: Node, inputs: Inputs) -> Moved:
    """Gather."""
    value, indices = _first(inputs), inputs[1]
    if not isinstance(indices, Constant) or indices.array.dtype.kind not in INTEGERS:
        raise node.refused("its indices are not constant integers")
    (axis,) = axis_indices(node, [node.take("axis", 0)], rank(value))
    chosen = indices.array.astype(int)
    if isinstance(value, Constant):
        limit(node, value.array.size // max(1, value.array.shape[axis]) * chosen.size)
        return [Constant(np.asarray(np.take(value.array, chosen, axis)))]
    array = full_rank(value)
    if array.shape[axis] == 1:  # all entries are the same
        chosen = np.zeros_like(chosen)
    limit(node, array.size // max(1, array.shape[axis]) * chosen.size)
    return [Broadcast(np.take(array, chosen, axis), (*value.sizes[:axis], *chosen.shape, *value.sizes[axis + 1 :]))]


def scatter(node: Node, inputs: Inputs) -> Moved:
    """ScatterND."""
    data, indices, updates = inputs
    if not isinstance(data, Constant) or not isinstance(indices, Constant) or not isinstance(updates, Constant):
        raise node.refused("writes to or from a constant of a shape that depends on the input, which is not understood")
    if node.take("reduction", "none") != "none":
        raise node.refused("combines what it writes with what is there, which is not understood; export without reduction")
    written = data.array.copy()
    written[tuple(np.moveaxis(indices.array.astype(int), -1, 0))] = updates.array
    return [Constant(written)]


def concat(node: Node, inputs: Inputs) -> Moved:
    """Concat. Of constants that are broadcast, only the axis along which they are joined is written out."""
    axis = node.take("axis")
    if axis is None:
        raise node.refused("does not say along which axis")
    values = [value for value in inputs if isinstance(value, Constant | Broadcast)]
    arrays = [full_rank(value) if isinstance(value, Broadcast) else value.array for value in values]
    if all(isinstance(value, Constant) for value in values):
        limit(node, sum(array.size for array in arrays))
        return [Constant(np.concatenate(arrays, axis))]
    (axis,) = axis_indices(node, [axis], arrays[0].ndim)
    sizes = [shape(value) for value in values]
    others = {tuple(own[:axis] + own[axis + 1 :]) for own in sizes}
    lengths = [own[axis] for own in sizes]
    if len(others) != 1 or not all(isinstance(length, int) for length in lengths):
        raise node.refused("joins constants whose shapes depend on the input in different ways, which is not understood")
    common = np.broadcast_shapes(*((*array.shape[:axis], 1, *array.shape[axis + 1 :]) for array in arrays))
    targets = [(*common[:axis], length, *common[axis + 1 :]) for length in lengths]
    limit(node, sum(math.prod(target) for target in targets))
    joined = np.concatenate([np.broadcast_to(array, target) for array, target in zip(arrays, targets, strict=True)], axis)
    return [Broadcast(joined, (*sizes[0][:axis], sum(lengths), *sizes[0][axis + 1 :]))]
