"""Operators that pick from a signal and join signals: Slice, Gather, Split, Concat."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from streamrnn_converters.onnx.axes.arguments import (
    END,
    INTEGERS,
    axis_indices,
    range_end,
    range_start,
    slice_argument,
    split_argument,
)
from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules.signals import Inputs, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import (
    Axis,
    Broadcast,
    Constant,
    Kind,
    Known,
    Signal,
    Size,
    are_every,
    describe,
    full_rank,
    n_windows,
    shape,
)
from streamrnn_converters.onnx.windows import LONG, Sliding

ONLY_THE_LAST = (
    "of time only the last step can be picked; if this is a loop over the steps, export the model with its recurrent node kept "
    "(torch: nn.LSTM, nn.GRU or nn.RNN, dynamo=False), or, where its cell is another, export one step, with its states as "
    "inputs and outputs"
)

_JOINS = (
    "joins signals along time or batch, or signals that have these at different axes; only values within a step can be joined"
)


def cut(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Slice."""
    own = signal(node, inputs[0], "data")
    axes = list(own.axes)
    for index, start, end, step in slice_argument(node, inputs, len(axes)):
        axes[index] = _cut(roles, node, own, index, start, end, step)
    return [replace(own, axes=tuple(axes))]


def _cut(roles: Roles, node: Node, own: Signal, index: int, start: Any, end: Any, step: Any) -> Axis:
    """What a range leaves of an axis: a part, or of time one step, which then is an inserted axis."""
    axis, role = own.axes[index], roles.role(own.axes[index])
    start, end = range_start(start, axis.size), range_end(end, axis.size)
    if start == 0 and step == 1 and (end == axis.size or (isinstance(end, int) and end >= END)):
        return axis
    if not all(isinstance(number, int) for number in (start, end, step)):
        raise node.refused("begins or ends at an index that depends on the input")
    if role in ("time", "unknown") and (start, step) == (-1, -1) and end <= -END:
        return axis
    is_last = step == 1 and start == -1 and end >= END
    if isinstance(axis.size, int):
        start, end, step = slice(start, end, step).indices(axis.size)
        n_left = len(range(start, end, step))
        if (start, end, step) == (0, axis.size, 1):
            return axis
        if not n_left:
            raise node.refused(f"picks nothing of {describe(own)}")
        is_last = n_left == 1 and start == axis.size - 1
        if roles.is_within(axis) or (role == "unknown" and not is_last):
            return roles.need(node, axis)._replace(size=n_left)
        if role == "time":
            return inserted(node, index) if n_left == 1 else axis._replace(size=n_left)
    is_first = (start, end, step) == (0, 1, 1)
    if (is_last or is_first) and role in ("time", "unknown"):
        return inserted(node, index)
    is_from_end = end < 0 or end >= END
    if isinstance(axis.size, Size) and role in ("time", "unknown") and step >= 1 and start >= 0 and is_from_end:
        roles.bind(node, axis, "time")
        return axis._replace(size=n_windows(axis.size, Sliding(LONG, 1, step, 1, -start, min(end, 0))))
    raise node.refused(f"cuts {describe(own)}{_across(roles, axis)}; {ONLY_THE_LAST}")


def _across(roles: Roles, axis: Axis) -> str:
    return f" along the {roles.role(axis)} axis{roles.told_by(axis)}"


def split(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Split. A split into one part is the whole."""
    own = signal(node, inputs[0], "input")
    (index,) = axis_indices(node, [node.take("axis", 0)], len(own.axes))
    total = own.axes[index].size
    if len(node.outputs) == 1:
        node.take("split"), node.take("num_outputs")
        return [own]
    if not isinstance(total, int) or roles.role(own.axes[index]) in ("time", "batch", "merged"):
        raise node.refused(f"splits {describe(own)} along another axis than its values; {ONLY_THE_LAST}")
    sizes = split_argument(node, inputs, total)
    axis = roles.need(node, own.axes[index])
    return [replace(own, axes=(*own.axes[:index], axis._replace(size=size), *own.axes[index + 1 :])) for size in sizes]


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
    if are_every(indices, own.axes[index].size):
        added = [inserted(node, index + k) for k in range(indices.array.ndim)]
        sizes = indices.array.shape
        added[max(range(len(sizes)), key=lambda k: (sizes[k], k))] = own.axes[index]
        return [replace(own, axes=(*own.axes[:index], *added, *own.axes[index + 1 :]))]
    _pick(roles, node, own.axes[index], indices)
    kind: Kind = "layer" if own.axes[index].kind == "layer" else "feature"
    added = [
        inserted(node, index + k) if size == 1 else Axis(f"{node.outputs[0]}.{k}", size, kind)
        for k, size in enumerate(indices.array.shape)
    ]
    return [replace(own, axes=(*own.axes[:index], *added, *own.axes[index + 1 :]))]


def _pick(roles: Roles, node: Node, axis: Axis, indices: Constant) -> None:
    """Of time only one step can be picked, of batch only the lone signal; other picks need an axis within a step."""
    role, chosen = roles.role(axis), indices.array.ravel()
    if role in ("batch", "merged") and axis.size != 1:
        picked = ", ".join(map(str, chosen[:3]))
        raise node.refused(f"picks index {picked} of the {role} axis of the signal{roles.told_by(axis)}; {ONLY_THE_LAST}")
    last = (-1,) if not isinstance(axis.size, int) else (-1, axis.size - 1)
    if role == "unknown" and (chosen.size != 1 or chosen[0] not in last):
        roles.need(node, axis)


def scatter(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """ScatterND-18 with constant indices, of signals or constants: the axes that are indexed lie within a step."""
    data, indices, updates = inputs
    if node.take("reduction", "none") != "none":
        raise node.refused("combines what it writes with what is there, which is not understood; export without reduction")
    if not isinstance(indices, Constant) or indices.array.dtype.kind not in INTEGERS or indices.array.ndim < 1:
        raise node.refused("its indices are not constant integers")
    n_indexed = indices.array.shape[-1]
    if isinstance(data, Signal):
        for axis in data.axes[:n_indexed]:
            if not isinstance(roles.need(node, axis).size, int):
                raise node.refused("writes along an axis whose size the graph leaves open; export it with a fixed one")
        axes = data.axes
    else:
        assert data is not None
        sizes = enumerate(shape(data))
        axes = tuple(inserted(node, k) if n == 1 else Axis(f"{node.outputs[0]}.{k}", n, "feature") for k, n in sizes)
    given = updates.axes if isinstance(updates, Signal) else ()
    for one, other in zip(axes[n_indexed:], given[indices.array.ndim - 1 :], strict=False):
        roles.bind_alike(node, one, other)
    return [Signal(axes)]


def concat(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Concat of signals, and of constants beside them, along an axis within a step; of one signal with constants along time."""
    index = node.take("axis")
    if index is None:
        raise node.refused("does not say along which axis")
    signals = [value for value in inputs if isinstance(value, Signal)]
    if len(inputs) == 1:
        return signals
    (index,) = axis_indices(node, [index], len(signals[0].axes))
    axes = list(signals[0].axes)
    for other in signals[1:]:
        if len(other.axes) != len(axes):
            raise node.refused("joins what has different numbers of axes")
        for k, axis in enumerate(other.axes):
            if k != index:
                axes[k] = _beside(roles, node, axes[k], axis)
    for own in signals:
        role = roles.role(own.axes[index])
        if role in ("batch", "merged") or (role == "time" and len(signals) > 1):
            raise node.refused(_JOINS)
        if role == "unknown" and len(signals) == 1 and isinstance(own.axes[index].size, Size):
            roles.bind(node, own.axes[index], "time")
        elif role != "time":
            roles.need(node, own.axes[index])
    joined = [_axis_of(roles, node, f"{k}", value, axes, index) for k, value in enumerate(inputs)]
    alone = signals[0].axes[index]
    if len(signals) == 1 and not roles.is_within(alone):  # rows before the first step and after the last
        axes[index] = alone._replace(size=sum(axis.size for axis in joined))
    else:
        axes[index] = _total(node, index, joined)
    moved = frozenset[str]().union(*(own.moved for own in signals)) if all(own.moved for own in signals) else frozenset()
    return [replace(signals[0], axes=tuple(axes), moved=moved)]


def _axis_of(roles: Roles, node: Node, name: str, value: Known | None, axes: Sequence[Axis], index: int) -> Axis:
    """The axis along which something is joined; a constant must be the same in each step, and as large as the signals."""
    if isinstance(value, Signal):
        return value.axes[index]
    if value is None or value.array.dtype.kind != "f":
        raise node.refused(f"joins the signal with {describe(value) if value else 'nothing'}, which is not of floats")
    sizes, array = shape(value), full_rank(value) if isinstance(value, Broadcast) else value.array
    if len(sizes) != len(axes) or not isinstance(sizes[index], int):
        raise node.refused(f"its input {name} is {describe(value)}, which does not fit beside the signal")
    for k, axis in enumerate(axes):
        if k != index and sizes[k] != axis.size:
            raise node.refused(f"its input {name} is {describe(value)}, which does not fit beside the signal")
        if k != index and (array != np.take(array, [0], k)).any():
            roles.need(node, axis)
    return Axis(f"{node.outputs[0]}.{name}", sizes[index], "feature")


def _beside(roles: Roles, node: Node, one: Axis, other: Axis) -> Axis:
    """An axis of two signals that are joined along another."""
    roles.bind_alike(node, one, other)
    broad = roles.broad(one), roles.broad(other)
    lone = "within" in broad and one.size == other.size == 1
    if broad[0] != broad[1] and not lone and "unknown" not in broad:
        raise node.refused(_JOINS)
    return other if broad[0] == "within" else one


def _total(node: Node, index: int, axes: Sequence[Axis]) -> Axis:
    """The axis along which signals are joined."""
    total = sum(axis.size for axis in axes if isinstance(axis.size, int)) or Size(1, (node.outputs[0],))
    kind: Kind = "layer" if all(axis.kind == "layer" for axis in axes) else "feature"
    return Axis(f"{node.outputs[0]}.{index}", total, kind)
