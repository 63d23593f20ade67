"""Operators that pick from a signal and join signals: Slice, Gather, Split, Concat."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from streamrnn_converters.onnx.axes.arguments import END, INTEGERS, axis_indices, slice_argument, split_argument
from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules.signals import Inputs, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Constant, Kind, Signal, Size, describe

ONLY_THE_LAST = (
    "of time only the last step can be picked; if this is a loop over the steps, export the model with its recurrent node kept "
    "(torch: dynamo=False)"
)


def cut(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Slice."""
    own = signal(node, inputs[0], "data")
    axes = list(own.axes)
    for index, start, end, step in slice_argument(node, inputs, len(axes)):
        axes[index] = _cut(roles, node, own, index, start, end, step)
    return [replace(own, axes=tuple(axes))]


def _cut(roles: Roles, node: Node, own: Signal, index: int, start: Any, end: Any, step: Any) -> Axis:
    """What a range leaves of an axis: of values a part, of time all, or one step, which then is an inserted axis."""
    axis, role = own.axes[index], roles.role(own.axes[index])
    if role == "time" and own.surplus:
        return axis
    if start == 0 and step == 1 and (end == axis.size or (isinstance(end, int) and end >= END)):
        return axis
    if not all(isinstance(number, int) for number in (start, end, step)):
        raise node.refused("begins or ends at an index that depends on the input")
    if role in ("time", "unknown") and (start, step) == (-1, -1) and end <= -END:
        return axis
    if isinstance(axis.size, int):
        start, end, step = slice(start, end, step).indices(axis.size)
        if (start, end, step) == (0, axis.size, 1):
            return axis
        if role not in ("time", "batch"):
            n_left = len(range(start, end, step))
            if not n_left:
                raise node.refused(f"picks nothing of {describe(own)}")
            return axis._replace(size=n_left)
    if step == 1 and ((start == -1 and end >= END) or (isinstance(axis.size, int) and end == start + 1)):
        return inserted(node, index)
    raise node.refused(f"cuts {describe(own)}; {ONLY_THE_LAST}")


def split(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Split."""
    own = signal(node, inputs[0], "input")
    (index,) = axis_indices(node, [node.take("axis", 0)], len(own.axes))
    total = own.axes[index].size
    if not isinstance(total, int) or roles.role(own.axes[index]) in ("time", "batch"):
        raise node.refused(f"splits {describe(own)} along another axis than its values; {ONLY_THE_LAST}")
    bounds = np.cumsum([0, *split_argument(node, inputs, total)])
    parts = [_cut(roles, node, own, index, int(a), int(b), 1) for a, b in pairwise(bounds)]
    return [replace(own, axes=(*own.axes[:index], part, *own.axes[index + 1 :])) for part in parts]


def gather(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Gather with constant indices, or with a signal of indices into a constant table."""
    value, indices = inputs
    index = node.take("axis", 0)
    if isinstance(value, Constant) and isinstance(indices, Signal):
        return [Signal((*indices.axes, Axis(f"{node.outputs[0]}.feature", value.array.shape[1], "feature")))]
    own = signal(node, value, "data")
    if not isinstance(indices, Constant) or indices.array.dtype.kind not in INTEGERS:
        raise node.refused("its indices are not constant integers")
    (index,) = axis_indices(node, [index], len(own.axes))
    kind: Kind = "layer" if own.axes[index].kind == "layer" else "feature"
    added = [
        inserted(node, index + k) if size == 1 else Axis(f"{node.outputs[0]}.{k}", size, kind)
        for k, size in enumerate(indices.array.shape)
    ]
    return [replace(own, axes=(*own.axes[:index], *added, *own.axes[index + 1 :]))]


def concat(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Concat of signals, along an axis within a step."""
    index = node.take("axis")
    if index is None:
        raise node.refused("does not say along which axis")
    signals = [signal(node, value, f"{k}") for k, value in enumerate(inputs)]
    if len(signals) == 1:
        return signals
    (index,) = axis_indices(node, [index], len(signals[0].axes))
    axes = list(signals[0].axes)
    for other in signals[1:]:
        if len(other.axes) != len(axes):
            raise node.refused("joins what has different numbers of axes")
        for k, axis in enumerate(other.axes):
            axes[k] = _joined(roles, node, axes[k], axis, is_joined=k == index)
    axes[index] = _total(node, index, [own.axes[index] for own in signals])
    moved = frozenset[str]().union(*(own.moved for own in signals)) if all(own.moved for own in signals) else frozenset()
    return [replace(signals[0], axes=tuple(axes), moved=moved)]


def _joined(roles: Roles, node: Node, one: Axis, other: Axis, *, is_joined: bool) -> Axis:
    """The axis of two signals that are joined along it, or along another axis."""
    roles.bind_alike(node, one, other)
    broad = roles.broad(one), roles.broad(other)
    lone = not is_joined and "within" in broad and one.size == other.size == 1
    if (broad[0] != broad[1] and not lone) or (is_joined and broad[0] in ("time", "batch")):
        raise node.refused(
            "joins signals along time or batch, or signals that have these at different axes; only values within a step can be "
            "joined"
        )
    return other if broad[0] == "within" else one


def _total(node: Node, index: int, axes: Sequence[Axis]) -> Axis:
    """The axis along which signals are joined."""
    total = sum(axis.size for axis in axes if isinstance(axis.size, int)) or Size(1, (node.outputs[0],))
    kind: Kind = "layer" if all(axis.kind == "layer" for axis in axes) else "feature"
    return Axis(f"{node.outputs[0]}.{index}", total, kind)
