"""Operators that move axes: Transpose, Squeeze, Unsqueeze, Reshape, Flatten; and those that leave them as they are."""

import math
from dataclasses import replace
from typing import Any

from streamrnn_converters.onnx.axes.arguments import axes_argument, axis_indices, integers, order_argument, reshape_argument
from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules.signals import Inputs, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Signal, Size, describe

_MOST_AXES = 8  # of a signal before and after a Reshape


def same(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Cast, Dropout, Identity, and an Expand that repeats nothing."""
    own = signal(node, inputs[0], "X")
    if node.op == "Expand":
        sizes = integers(node, inputs[1], "shape")
        if len(sizes) != len(own.axes) or not all(size in (1, axis.size) for size, axis in zip(sizes, own.axes, strict=True)):
            raise node.refused(f"repeats {describe(own)}")
    return [own]


def transpose(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """The axes in another order."""
    own = signal(node, inputs[0], "data")
    return [replace(own, axes=tuple(own.axes[axis] for axis in order_argument(node, own)))]


def squeeze(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Without axes of size 1."""
    own, axes = signal(node, inputs[0], "data"), axes_argument(node, inputs)
    if axes is None:
        axes = [index for index, axis in enumerate(own.axes) if axis.size == 1]
    removed = axis_indices(node, axes, len(own.axes))
    for axis in removed:
        if own.axes[axis].size != 1:
            raise node.refused(f"removes axis {axis}, whose size is not known to be 1; declare it as 1, or export without it")
    return [replace(own, axes=tuple(axis for index, axis in enumerate(own.axes) if index not in removed))]


def unsqueeze(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """With axes of size 1 inserted."""
    own, axes = signal(node, inputs[0], "data"), axes_argument(node, inputs)
    if axes is None:
        raise node.refused("does not say which axes it adds")
    kept = list(own.axes)
    for index in sorted(axis_indices(node, axes, len(kept) + len(axes))):
        kept.insert(index, inserted(node, index))
    return [replace(own, axes=tuple(kept))]


def reshape(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Reshape and Flatten: axes within a step are merged and split at will, time and batch must stay."""
    own = signal(node, inputs[0], "data")
    target = reshape_argument(node, inputs, [axis.size for axis in own.axes])
    few = len(target) <= _MOST_AXES and len(own.axes) <= _MOST_AXES
    axes = _aligned(roles, node, own.axes, target) if few and target.count(-1) <= 1 else None
    if axes is None:
        raise node.refused(
            f"shape {target} does not keep the axes of {describe(own)}; time and batch must stay as they are, export the "
            "model so that neither is merged, split or given a fixed size"
        )
    return [replace(own, axes=axes)]


def _aligned(roles: Roles, node: Node, axes: tuple[Axis, ...], target: list[Any]) -> tuple[Axis, ...] | None:
    """The axes under a new shape; None if time or batch would not be kept. -1 stands for any size.

    Time, batch and axes of unknown role keep their size, or vanish if it is 1. Between two of them, axes within a step are
    merged and split at will. Where no time or batch is known to follow, what comes after an unknown axis is taken as new.
    """
    n_within = next((index for index, axis in enumerate(axes) if not roles.is_within(axis)), len(axes))
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
            kept = _aligned(roles, node, rest, left[1:])
            if kept is not None:
                return (*own, across, *kept)
        if across.size == 1:
            kept = _aligned(roles, node, rest, left)
            if kept is not None:
                return (*own, *kept)
        if roles.role(across) == "unknown" and not any(roles.role(axis) in ("time", "batch") for axis in rest):
            return (*own, *_fresh(node, left, len(left)))
    return None


def _within(node: Node, axes: tuple[Axis, ...], target: list[Any], total: int, end: int) -> tuple[Axis, ...] | None:
    """Axes within a step of these sizes, the first `end` axes before the last; None if they do not hold `total` values."""
    if not all(isinstance(size, int) for size in target):
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
    """New axes, named by their distance from the end; those of size 1 count as inserted by the graph."""
    axes = []
    for index, size in enumerate(sizes):
        name = f"{node.outputs[0]}.{end - index}"
        known = size if isinstance(size, int) and size > 0 else Size(1, (name,))
        axes.append(Axis(f"{name}.one", 1, "one") if size == 1 else Axis(name, known, "feature"))
    return tuple(axes)
