"""Operators that move axes: Transpose, Squeeze, Unsqueeze, Reshape. Of a flow they move the places; nothing is computed."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, operator
from streamrnn_converters.onnx.operators.constants import integers
from streamrnn_converters.onnx.values import Axis, Broadcast, Constant, Flow, Size, Value, describe, full_rank, rank, shape

MOST_AXES = 8  # of a flow before and after a Reshape


def places(node: Node, axes: list[int], n_axes: int) -> list[int]:
    """Axes counted from 0 on; each must exist, and be named once."""
    if any(not -n_axes <= axis < n_axes for axis in axes) or len({axis % n_axes for axis in axes}) != len(axes):
        raise node.refused(f"axes {axes} do not fit {n_axes} axes")
    return [axis % n_axes for axis in axes]


def _axes(node: Node, inputs: Inputs, n_axes: int) -> list[int] | None:
    """The axes that Squeeze and Unsqueeze name: an attribute before opset 13, an input since; from 0 on."""
    axes = node.take("axes")
    if axes is None and len(inputs) > 1 and inputs[1] is not None:
        axes = integers(node, inputs[1], "axes")
    return None if axes is None else places(node, axes, n_axes)


def without(importer: Importer, node: Node, flow: Flow, axes: list[int]) -> Flow:
    """The flow without axes of size 1: a time of one step, a lone signal, or a single value."""
    kept = [place for place in range(len(flow.axes)) if place not in axes]
    for place in axes:
        if importer.role(flow.axes[place]) == "time" and flow.axes[place].size != 1:
            raise node.refused(f"removes the time axis of {describe(flow)}; export it with that axis kept")
    return replace(flow, axes=tuple(flow.axes[place] for place in kept), places=np.squeeze(flow.places, tuple(axes)))


@operator("Transpose")
def _transpose(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    order = node.take("perm") or list(range(rank(value)))[::-1]
    if sorted(order) != list(range(rank(value))):
        raise node.refused(f"perm {order} does not fit {describe(value)} with {rank(value)} axes")
    if isinstance(value, Constant):
        return [Constant(value.array.transpose(order))]
    if isinstance(value, Broadcast):
        return [Broadcast(full_rank(value).transpose(order), tuple(value.sizes[axis] for axis in order))]
    return [replace(value, axes=tuple(value.axes[axis] for axis in order), places=value.places.transpose(order))]


@operator("Squeeze")
def _squeeze(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    axes = _axes(node, inputs, rank(value))
    if axes is None:
        axes = [axis for axis, size in enumerate(shape(value)) if size == 1]
    if isinstance(value, Constant):
        return [Constant(np.squeeze(value.array, tuple(axes)))]
    for axis in axes:
        if shape(value)[axis] != 1:
            raise node.refused(f"removes axis {axis}, whose size is not known to be 1; declare it as 1, or export without it")
    if isinstance(value, Broadcast):
        array = np.squeeze(full_rank(value), tuple(axes))
        return [Broadcast(array, tuple(size for axis, size in enumerate(value.sizes) if axis not in axes))]
    return [without(importer, node, value, axes)]


@operator("Unsqueeze")
def _unsqueeze(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    axes = node.attributes.get("axes")
    if axes is None and len(inputs) > 1:
        axes = integers(node, inputs[1], "axes")
    added = _axes(node, inputs, rank(value) + len(axes or []))
    if added is None:
        raise node.refused("does not say which axes it adds")
    if isinstance(value, Constant):
        return [Constant(np.expand_dims(value.array, tuple(added)))]
    if isinstance(value, Broadcast):
        sizes = list(value.sizes)
        for place in sorted(added):
            sizes.insert(place, 1)
        return [Broadcast(np.expand_dims(full_rank(value), tuple(added)), tuple(sizes))]
    kept = list(value.axes)
    for place in sorted(added):
        kept.insert(place, importer.one(node, place))
    return [replace(value, axes=tuple(kept), places=np.expand_dims(value.places, tuple(added)))]


@operator("Reshape", "Flatten")
def _reshape(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    if node.op == "Flatten":
        target = _flattened(node, value)
    else:
        target = integers(node, inputs[1], "shape")
        if not node.take("allowzero", 0):
            target = [shape(value)[place] if size == 0 else size for place, size in enumerate(target)]
    if isinstance(value, Constant):
        return [Constant(value.array.reshape(target))]
    if isinstance(value, Broadcast):
        raise node.refused(f"reshapes {describe(value)}, which is not understood")
    few = len(target) <= MOST_AXES and rank(value) <= MOST_AXES
    axes = _aligned(importer, node, value.axes, target) if few and target.count(-1) <= 1 else None
    if axes is None:
        raise node.refused(
            f"shape {target} does not keep the axes of {describe(value)}; time and batch must stay as they are, export the "
            "model so that neither is merged, split or given a fixed size"
        )
    sizes = importer.extents(axes)
    fits = math.prod(sizes) == value.places.size  # on a lenient importer perhaps not
    return [replace(value, axes=axes, places=value.places.reshape(sizes) if fits else np.zeros(sizes, np.int64))]


def _flattened(node: Node, value: Value) -> list[Any]:
    """The two sizes that Flatten-13 gives."""
    sizes, axis = shape(value), node.take("axis", 1)
    before, behind = sizes[:axis], sizes[axis:]
    if _known(behind):
        return [-1, math.prod(size for size in behind if isinstance(size, int))]
    return [before[0] if before else 1, *before[1:], -1]


def _known(sizes: list[Any]) -> bool:
    return all(isinstance(size, int) for size in sizes)


def _aligned(importer: Importer, node: Node, axes: tuple[Axis, ...], target: list[Any]) -> tuple[Axis, ...] | None:
    """The axes under a new shape; None if time or batch would not be kept. -1 stands for any size.

    Time, batch and what is not understood yet keep their size, or vanish if that is 1; between two of them axes within a step
    are merged and split at will.
    """
    n_within = next((k for k, axis in enumerate(axes) if not importer.is_within(axis)), len(axes))
    total = math.prod(axis.size for axis in axes[:n_within] if isinstance(axis.size, int))
    for count in range(len(target) + 1):
        own = _within(node, axes[:n_within], target[:count], total, len(target))
        if own is None:
            continue
        left = target[count:]
        if n_within == len(axes):
            if not left:
                return own
            continue
        across, rest = axes[n_within], axes[n_within + 1 :]
        if left and left[0] in (-1, across.size):
            kept = _aligned(importer, node, rest, left[1:])
            if kept is not None:
                return (*own, across, *kept)
        if across.size == 1:
            kept = _aligned(importer, node, rest, left)
            if kept is not None:
                return (*own, *kept)
        if (
            importer.lenient
            and importer.role(across) == "unknown"
            and not any(importer.role(a) in ("time", "batch") for a in rest)
        ):
            return (*own, *_fresh(node, left, len(left)))
    return None


def _within(node: Node, axes: tuple[Axis, ...], target: list[Any], total: int, end: int) -> tuple[Axis, ...] | None:
    """Axes within a step of these sizes, the first `end` axes before the last; None if they do not hold `total` values."""
    if not _known(target):
        return None
    known = math.prod(size for size in target if size != -1)
    if known < 1 or total % known or (-1 not in target and known != total):
        return None
    sizes = [total // known if size == -1 else size for size in target]
    if sizes == [axis.size for axis in axes]:
        return axes
    kept = [axis for axis in axes if axis.size != 1]
    if [size for size in sizes if size != 1] == [axis.size for axis in kept]:
        return tuple(_fresh(node, [1], end - k)[0] if size == 1 else kept.pop(0) for k, size in enumerate(sizes))
    return _fresh(node, sizes, end)


def _fresh(node: Node, sizes: list[Any], end: int) -> tuple[Axis, ...]:
    """New axes; those of size 1 are such as a graph puts in."""
    axes = []
    for place, size in enumerate(sizes):
        name = f"{node.outputs[0]}.{end - place}"
        known = size if isinstance(size, int) and size > 0 else Size(1, (name,))
        axes.append(Axis(f"{name}.one", 1, "one") if size == 1 else Axis(name, known, "feature"))
    return tuple(axes)
