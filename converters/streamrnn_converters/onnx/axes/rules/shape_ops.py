"""Operators that move axes: Transpose, Squeeze, Unsqueeze, Reshape, Flatten; and those that leave them as they are."""

from dataclasses import replace
from typing import Any, NamedTuple

from streamrnn_converters.onnx.axes.alignment import blocks, resolved
from streamrnn_converters.onnx.axes.arguments import axes_argument, axis_indices, integers, order_argument, reshape_argument
from streamrnn_converters.onnx.axes.roles import Roles, inserted
from streamrnn_converters.onnx.axes.rules.signals import Inputs, signal
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Axis, Signal, Size, axis_behind, describe

_MOST_AXES = 8  # of a signal before and after a Reshape


def same(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Cast, Dropout, Identity."""
    return [signal(node, inputs[0], "X")]


def repeated(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Tile and Expand: axes within a step are repeated; time and batch stay as they are.

    What does not depend on all signals, as a condition that is given once, may be repeated along the time of another.
    """
    own = signal(node, inputs[0], "input")
    numbers = integers(node, inputs[1], "shape" if node.op == "Expand" else "repeats")
    if node.op == "Expand":
        n_new = max(0, len(numbers) - len(own.axes))
        axes = (*(inserted(node, index) for index in range(n_new)), *own.axes)
        numbers = [1] * (len(axes) - len(numbers)) + numbers
        for size, axis in zip(numbers, axes, strict=True):
            if isinstance(size, int) and size > 1 and axis.kind == "input" and isinstance(axis.size, Size):
                roles.fix(node, axis.name, size)  # to the length of the exporter's example
        axes = tuple(axis._replace(size=roles.sizes.get(axis.name, axis.size)) for axis in axes)
        repeats = [1 if size in (1, axis.size) else size for size, axis in zip(numbers, axes, strict=True)]
        if any(repeat != 1 != axis.size for repeat, axis in zip(repeats, axes, strict=True)):
            raise node.refused(f"repeats {describe(own)} of shape {[axis.size for axis in axes]} as {numbers}")
    else:
        axes, repeats = own.axes, numbers
    apart = node.inputs[0] in roles.apart
    along = [_axis_of(repeat) if apart and axis.size == 1 else "" for axis, repeat in zip(axes, repeats, strict=False)]
    known = all(other or (isinstance(repeat, int) and repeat > 0) for repeat, other in zip(repeats, along, strict=False))
    if len(repeats) != len(axes) or not known:
        raise node.refused(f"repeats {describe(own)} of {len(axes)} axes by {repeats}")
    given = []
    for index, (axis, repeat) in enumerate(zip(axes, repeats, strict=True)):
        if repeat == 1:
            given.append(axis)
            continue
        if other := along[index]:
            given.append(Axis(other, repeat, "input"))
            continue
        if apart and axis.size == 1:
            given.append(Axis(f"{node.outputs[0]}.{index}", repeat, "repeated"))
            continue
        roles.need(node, axis)
        if not isinstance(axis.size, int):
            raise node.refused("repeats an axis whose size the graph leaves open; export it with a fixed one")
        given.append(Axis(f"{node.outputs[0]}.{index}", axis.size * repeat, "feature"))
    return [replace(own, axes=tuple(given))]


def _axis_of(size: object) -> str:
    """The axis whose size this is, as the graph leaves it open; "" where it is no such size."""
    axes = size.axes if isinstance(size, Size) and (size.factor, size.plus) == (1, 0) else ()
    return axes[0] if len(axes) == 1 and isinstance(axes[0], str) else ""


def transpose(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """The axes in another order."""
    own = signal(node, inputs[0], "data")
    return [replace(own, axes=tuple(own.axes[axis] for axis in order_argument(node, own)))]


def squeeze(roles: Roles, node: Node, inputs: Inputs) -> list[Signal]:
    """Without axes of size 1. An axis that is named has that size; where none is named, open axes are taken to be larger."""
    own, axes = signal(node, inputs[0], "data"), axes_argument(node, inputs)
    if axes is None:
        axes = [index for index, axis in enumerate(own.axes) if axis.size == 1]
        roles.several |= {axis.name for axis in own.axes if axis.kind == "input" and isinstance(axis.size, Size)}
    removed = axis_indices(node, axes, len(own.axes))
    for index in removed:
        axis = own.axes[index]
        if axis.kind == "input" and isinstance(axis.size, Size):
            roles.fix(node, axis.name, 1)
        elif axis.size != 1:
            raise node.refused(f"removes axis {index}, whose size is not 1 but {axis.size}; export the model without it")
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
    """Reshape and Flatten. Axes within a step are merged and split at will. Time and batch stay, or are merged with others for
    a while; a size of theirs that the graph leaves open is fixed where the shape says so.
    """
    own = signal(node, inputs[0], "data")
    target = reshape_argument(node, inputs, [axis.size for axis in own.axes])
    given = [part for axis in own.axes for part in axis.parts or (axis,)]
    found = None
    if len(target) <= _MOST_AXES and len(given) <= _MOST_AXES and target.count(-1) <= 1:
        found = _reshaped(roles, node, given, target) or _fixed(roles, node, given, target)
    if found is None:
        raise node.refused(
            f"shape {target} does not keep the axes of {describe(own)}; time and batch must stay as they are, export the "
            "model so that neither is split, or merged with the values of a step"
        )
    for axis in found.needed:
        roles.need(node, axis)
    return [replace(own, axes=found.axes)]


class _Reshaped(NamedTuple):
    """Axes after a Reshape, and those before it that must lie within a step for that."""

    axes: tuple[Axis, ...]
    needed: list[Axis]


def _fixed(roles: Roles, node: Node, given: list[Axis], target: list[Any]) -> _Reshaped | None:
    """The axes under a shape that fixes one open size of a graph input; None where none fits, or more than one."""
    fitting = []
    for index, axis in enumerate(given):
        if axis.kind != "input" or not isinstance(axis.size, Size):
            continue
        for size in sorted({size for size in target if isinstance(size, int) and size > 0}):
            fixed = axis._replace(size=size)
            found = _reshaped(roles, node, [*given[:index], fixed, *given[index + 1 :]], target)
            behind = axis_behind(axis.size, size)
            if found is not None and behind is not None and behind[1] > 0 and (fixed in found.axes or size == 1):
                fitting.append((behind, size, found))
    kept = [entry for entry in fitting if entry[1] != 1]  # an axis that is kept is more than one that vanishes
    fitting = kept or fitting
    if len(fitting) != 1:
        return None
    ((behind, _, found),) = fitting
    roles.fix(node, *behind)
    return found


def _reshaped(roles: Roles, node: Node, given: list[Axis], target: list[Any]) -> _Reshaped | None:
    """The axes under a new shape, of axes that were not merged; None if time or batch would not be kept."""
    sizes = resolved([axis.size for axis in given], target)
    if sizes is None:
        return None
    axes: list[Axis | None] = [None] * len(sizes)
    needed: list[Axis] = []
    starts = {len(given): len(sizes)}  # of blocks, and the end: by index before, index after
    for block in blocks([axis.size for axis in given], sizes):
        held = [given[index] for index in block.given]
        if len(held) == len(block.target) == 1:
            axes[block.target[0]] = held[0]
        elif len(block.target) == 1 and not all(roles.is_within(axis) for axis in held):
            axes[block.target[0]] = Axis(f"{node.outputs[0]}.{block.target[0]}", sizes[block.target[0]], "merged", tuple(held))
        elif any(not roles.is_within(axis) and (roles.role(axis) != "unknown" or isinstance(axis.size, Size)) for axis in held):
            return None
        else:
            needed += held
            for index in block.target:
                axes[index] = Axis(f"{node.outputs[0]}.{index}", sizes[index], "feature")
        starts[block.given[0]] = block.target[0]
    first = min(starts)
    for index in range(min(first, starts[first])):  # those before all others stay from the outermost on
        axes[index] = given[index]
    for before, after in starts.items():
        if before != first:
            _keep_ones(given[:before], axes, sizes, after)
    return _Reshaped(tuple(axis or inserted(node, index) for index, axis in enumerate(axes)), needed)


def _keep_ones(given: list[Axis], axes: list[Axis | None], sizes: list[Any], end: int) -> None:
    """Axes of size 1 before an index stay where the shape has as many there."""
    while given and given[-1].size == 1 and end and sizes[end - 1] == 1:
        end -= 1
        axes[end] = given.pop()
