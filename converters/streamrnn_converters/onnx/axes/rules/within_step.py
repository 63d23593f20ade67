"""Operators whose windows slide over axes within a step, and those of convolutions over time too: convolutions, pooling,
padding, and norms over such axes.
"""

from collections.abc import Sequence
from dataclasses import replace

from streamrnn_converters.onnx.axes.arguments import resize_argument
from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules.signals import Inputs, computed, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Constant, Signal, Size, n_windows
from streamrnn_converters.onnx.windows import LONG, Sliding, sliding_of, transposed_ends


def convolution(roles: Roles, node: Node, own: Signal, shape: Sequence[int]) -> list[Signal]:
    """Conv-11 of (batch, channels, ...) with weights of a shape: windows slide over axes within a step, and over time."""
    roles.need(node, own.axes[1], shape[1] * node.take("group", 1))
    return _slid(roles, node, own, shape[2:], shape[0])


def transposed_convolution(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """ConvTranspose-11."""
    own, weights = signal(node, inputs[0], "X"), inputs[1]
    if not isinstance(weights, Constant) or weights.array.ndim != len(own.axes) or weights.array.ndim < 3:
        raise node.refused("only transposed convolutions of (batch, channels, ...) with constant weights are understood")
    n_inputs, per_group, *taps = weights.array.shape
    roles.need(node, own.axes[1], n_inputs)
    moved = [_moves(node, k, count) for k, count in enumerate(taps)]
    sizes = [_size_or_long(roles, node, *each) for each in zip(own.axes[2:], moved, strict=True)]
    strides = node.attributes.get("strides") or [1] * len(taps)
    _, ends = transposed_ends(node, sizes, taps)
    longer = [axis.size + end - size for axis, end, size in zip(own.axes[2:], ends, sizes, strict=True)]
    outputs = per_group * node.take("group", 1)
    return _given(node, own, outputs, _replaced(roles, node, own, moved, strides, longer, ends))


def pooling(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """MaxPool-12 and AveragePool-11, over axes within a step and over time."""
    own, taps = signal(node, inputs[0], "X"), node.take("kernel_shape")
    if taps is None or len(own.axes) != len(taps) + 2:
        raise node.refused(f"its kernel_shape does not fit a signal of {len(own.axes)} axes")
    roles.need(node, own.axes[1])
    return _slid(roles, node, own, taps, None, ceil=bool(node.take("ceil_mode", 0)))


def global_pooling(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """GlobalAveragePool-1 and GlobalMaxPool-1: over all axes but batch and channels; also over time, so far."""
    own = signal(node, inputs[0], "X")
    for axis in own.axes[2:]:
        if not roles.over_time(axis):
            roles.need(node, axis)
    return computed(node, [*own.axes[:2], *(inserted(node, index) for index in range(2, len(own.axes)))])


def channel_normalization(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """InstanceNormalization-6 and GroupNormalization-21: over all axes but batch, in groups of channels."""
    own = signal(node, inputs[0], "input")
    for axis in own.axes[1:]:
        roles.need(node, axis)
    return computed(node, own.axes)


def resized(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Resize-13 to nearest values: axes that get another size lie within a step."""
    own = signal(node, inputs[0], "X")
    sizes = [size for size, _ in resize_argument(node, inputs, [axis.size for axis in own.axes])]
    axes = [
        axis if size == axis.size else _resized(roles, node, index, axis, size)
        for index, (axis, size) in enumerate(zip(own.axes, sizes, strict=True))
    ]
    return [replace(own, axes=tuple(axes), moved=frozenset())]


def _resized(roles: Roles, node: Node, index: int, axis: Axis, size: int) -> Axis:
    roles.need(node, axis)
    return inserted(node, index) if size == 1 else Axis(f"{node.outputs[0]}.{index}", size, "feature")


def padded(roles: Roles, node: Node, own: Signal, index: int, extra: int) -> Signal:
    """A signal with so many more entries along an axis within a step."""
    size = _needed(roles, node, own.axes[index]) + extra
    if size < 1:
        raise node.refused("cuts off all values of a step")
    axis = Axis(f"{node.outputs[0]}.{index}", size, "feature")
    return replace(own, axes=(*own.axes[:index], axis, *own.axes[index + 1 :]), moved=frozenset())


def _slid(
    roles: Roles, node: Node, own: Signal, taps: Sequence[int], outputs: int | None, *, ceil: bool = False
) -> list[Signal]:
    """What windows give. An axis with one tap, no stride and no padding stays what it is."""
    moved = [_moves(node, k, count) for k, count in enumerate(taps)]
    sizes = [_size_or_long(roles, node, *each) for each in zip(own.axes[2:], moved, strict=True)]
    windows: list[Sliding] = sliding_of(node, sizes, taps, ceil=ceil)
    for axis, one in zip(own.axes[2:], windows, strict=True):
        if roles.role(axis) == "unknown" and one.stride == 1 and one.before == one.reach > one.after == 0:
            roles.late.setdefault(axis.name, None)
    strides, ends = [one.stride for one in windows], [one.n_windows for one in windows]
    sizes_over_time = [n_windows(axis.size, one) for axis, one in zip(own.axes[2:], windows, strict=True)]
    return _given(node, own, outputs, _replaced(roles, node, own, moved, strides, sizes_over_time, ends))


def _size_or_long(roles: Roles, node: Node, axis: Axis, moves: bool) -> int:
    """The size of an axis of windows; a number that is large enough for time, and 1 for an axis that stays what it is."""
    if not moves:
        return 1
    if not isinstance(axis.size, int) and roles.role(axis) == "unknown":
        roles.bind(node, axis, "time")
    if roles.role(axis) == "time":
        return axis.size if isinstance(axis.size, int) else LONG
    return _needed(roles, node, axis)


def _replaced(
    roles: Roles,
    node: Node,
    own: Signal,
    moved: Sequence[bool],
    strides: Sequence[int],
    over_time: Sequence[int | Size],
    ends: Sequence[int],
) -> list[Axis]:
    """What windows leave of axes: time, of another size, or a new axis of so many values.

    An axis of which nothing is known, and which may be time, stays what it is.
    """
    axes = list(own.axes[2:])
    for k, axis in enumerate(axes):
        role = roles.role(axis)
        if moved[k] and (role == "time" or (role == "unknown" and strides[k] == 1)):
            axes[k] = axis._replace(size=over_time[k])
        elif moved[k]:
            axes[k] = _new(node, k, ends[k])
    return axes


def _new(node: Node, k: int, size: int) -> Axis:
    return inserted(node, 2 + k) if size == 1 else Axis(f"{node.outputs[0]}.{2 + k}", size, "feature")


def _given(node: Node, own: Signal, outputs: int | None, axes: Sequence[Axis]) -> list[Signal]:
    channels = own.axes[1] if outputs is None else Axis(f"{node.outputs[0]}.channels", outputs, "feature")
    return computed(node, [own.axes[0], channels, *axes])


def _moves(node: Node, k: int, taps: int) -> bool:
    """Whether windows of so many taps mix or move the values of the k-th axis."""
    pads = node.attributes.get("pads")
    strides, extra = node.attributes.get("strides"), node.attributes.get("output_padding")
    is_padded = pads is not None and any(pads[at] for at in (k, k + len(pads) // 2))
    return bool(taps != 1 or is_padded or (strides and strides[k] != 1) or (extra and extra[k]))


def _needed(roles: Roles, node: Node, axis: Axis) -> int:
    """The size of an axis that must lie within a step."""
    roles.need(node, axis)
    if not isinstance(axis.size, int):
        raise node.refused("its windows slide over an axis whose size the graph leaves open; export it with a fixed one")
    return axis.size
