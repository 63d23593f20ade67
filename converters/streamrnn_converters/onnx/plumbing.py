"""What exporters put around recurrent nodes: moving axes, arithmetic with shapes, states of zeros.

Each handler works on constants (shapes among them, which may hold sizes not yet known) by NumPy, and on the signal and the
states by following their axes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.interpret import Walk, operator
from streamrnn_converters.onnx.parse import Node
from streamrnn_converters.onnx.values import Axis, Constant, Signal, Size, Spread, States, Value, describe, numbers, rank, shape

Inputs = Sequence[Value | None]
LARGEST = 1 << 27  # values that a folded constant may have
MOST_AXES = 8  # of a signal after a Reshape
_FLOAT = 1  # TensorProto.FLOAT
_INTEGERS = "iuO"  # kinds of NumPy types; sizes not yet known are objects
_ONLY_THE_LAST = (
    "only its last step can be picked, or the state of one layer; if this is a loop over the steps, export the model with its "
    "recurrent node kept (torch: dynamo=False)"
)


def _integers(node: Node, value: Value | None, what: str) -> list[Any]:
    """A constant list of integers, some of them perhaps sizes not yet known."""
    if not isinstance(value, Constant) or value.array.ndim > 1 or value.array.dtype.kind not in _INTEGERS:
        raise node.refused(f"its {what} must be a constant list of integers")
    return [item if isinstance(item, Size) else int(item) for item in value.array.ravel()]


def _axes(node: Node, inputs: Inputs, n_axes: int) -> list[int] | None:
    """The axes that Squeeze and Unsqueeze name: an attribute before opset 13, an input since; from 0 on."""
    axes = node.take("axes")
    if axes is None and len(inputs) > 1 and inputs[1] is not None:
        axes = _integers(node, inputs[1], "axes")
    return None if axes is None else places(node, axes, n_axes)


def places(node: Node, axes: list[int], n_axes: int) -> list[int]:
    """Axes counted from 0 on; each must exist, and be named once."""
    if any(not -n_axes <= axis < n_axes for axis in axes) or len({axis % n_axes for axis in axes}) != len(axes):
        raise node.refused(f"axes {axes} do not fit {n_axes} axes")
    return [axis % n_axes for axis in axes]


def _limit(node: Node, n_values: int) -> None:
    if n_values > LARGEST:
        raise node.refused(f"gives a constant of {n_values} values, more than {LARGEST} that are allowed")


@operator("Identity", "Dropout")
def _same(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    """Dropout does nothing in inference; its mask is not given."""
    node.take("ratio"), node.take("seed")
    if len(inputs) > 2 and inputs[2] is not None and not (isinstance(inputs[2], Constant) and not inputs[2].array.any()):
        raise node.refused("it is in training mode; export the model in evaluation mode")
    assert inputs[0] is not None
    return [inputs[0]]


@operator("Cast")
def _cast(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    to = node.take("to")
    node.take("saturate"), node.take("round_mode")
    value = inputs[0]
    assert value is not None
    if isinstance(value, Constant):
        if value.array.dtype == object:
            return [value]
        if value.array.dtype.kind == "c":
            raise node.refused("casts complex numbers, which are not understood")
        from onnx.helper import tensor_dtype_to_np_dtype

        return [Constant(value.array.astype(tensor_dtype_to_np_dtype(to)))]
    if to != _FLOAT:
        raise node.refused("casts to another type than FLOAT, which the engine computes in; export the model in float32")
    return [value]


@operator("Shape")
def _shape(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    assert inputs[0] is not None
    sizes = shape(inputs[0])
    return [Constant(numbers(sizes[slice(node.take("start", 0), node.take("end"))]))]


@operator("Transpose")
def _transpose(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    order = node.take("perm") or list(range(rank(value)))[::-1]
    if sorted(order) != list(range(rank(value))):
        raise node.refused(f"perm {order} does not fit {describe(value)} with {rank(value)} axes")
    if isinstance(value, Constant):
        return [Constant(value.array.transpose(order))]
    if isinstance(value, Spread):
        return [Spread(_full_rank(value).transpose(order), tuple(value.sizes[axis] for axis in order))]
    return [replace(value, axes=tuple(value.axes[axis] for axis in order))]


@operator("Squeeze")
def _squeeze(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
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
    if isinstance(value, Spread):
        array = np.squeeze(_full_rank(value), tuple(axes))
        return [Spread(array, tuple(size for axis, size in enumerate(value.sizes) if axis not in axes))]
    return [_without(walk, node, value, axes)]


@operator("Unsqueeze")
def _unsqueeze(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    axes = node.attributes.get("axes")
    if axes is None and len(inputs) > 1:
        axes = _integers(node, inputs[1], "axes")
    added = _axes(node, inputs, rank(value) + len(axes or []))
    if added is None:
        raise node.refused("does not say which axes it adds")
    if isinstance(value, Constant):
        return [Constant(np.expand_dims(value.array, tuple(added)))]
    if isinstance(value, Spread):
        sizes = list(value.sizes)
        for place in sorted(added):
            sizes.insert(place, 1)
        return [Spread(np.expand_dims(_full_rank(value), tuple(added)), tuple(sizes))]
    kept = list(value.axes)
    for place in sorted(added):
        kept.insert(place, walk.one())
    return [replace(value, axes=tuple(kept))]


@operator("Reshape")
def _reshape(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    target = _integers(node, inputs[1], "shape")
    if not node.take("allowzero", 0):
        target = [shape(value)[place] if size == 0 else size for place, size in enumerate(target)]
    if isinstance(value, Constant):
        return [Constant(value.array.reshape(target))]
    if isinstance(value, Spread):
        raise node.refused(f"reshapes {describe(value)}, which is not understood")
    axes = _aligned(walk, value.axes, target) if len(target) <= MOST_AXES and target.count(-1) <= 1 else None
    if axes is None:
        raise node.refused(
            f"shape {target} does not keep the axes of {describe(value)}; only axes of size 1 may come and go, "
            "export the model so that no other is merged, split or given a fixed size"
        )
    return [replace(value, axes=axes)]


def _aligned(walk: Walk, axes: tuple[Axis, ...], target: list[Any]) -> tuple[Axis, ...] | None:
    """The axes under a new shape that differs in axes of size 1 only; None if it differs otherwise. -1 stands for any size."""
    if axes and target and target[0] in (-1, axes[0].size) and not axes[0].is_one:
        rest = _aligned(walk, axes[1:], target[1:])
        if rest is not None:
            return (axes[0], *rest)
    if axes and axes[0].size == 1 and walk.role(axes[0]) not in ("time", "feature"):
        return _aligned(walk, axes[1:], target)
    if target and target[0] == 1:
        rest = _aligned(walk, axes, target[1:])
        return None if rest is None else (walk.one(), *rest)
    return None if axes or target else ()


@operator("Concat")
def _concat(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    axis = node.take("axis")
    if axis is None:
        raise node.refused("does not say along which axis")
    if all(isinstance(value, Constant) for value in inputs):
        arrays = [value.array for value in inputs if isinstance(value, Constant)]
        _limit(node, sum(array.size for array in arrays))
        return [Constant(np.concatenate(arrays, axis))]
    if all(isinstance(value, States) for value in inputs):
        states = [value for value in inputs if isinstance(value, States)]
        roles = [[walk.role(axis) for axis in value.axes] for value in states]
        if roles[0][axis] == "layer" and all(own == roles[0] for own in roles):
            entries = tuple(entry for value in states for entry in value.entries)
            axes = list(states[0].axes)
            axes[axis] = Axis("layer", len(entries))
            return [States(states[0].source, entries, tuple(axes))]
    raise node.refused("joins several signals or states; only the states of stacked layers may be joined")


@operator("Gather")
def _gather(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    value, indices = inputs
    axis = node.take("axis", 0)
    assert value is not None
    if not isinstance(indices, Constant) or indices.array.dtype.kind not in _INTEGERS:
        raise node.refused("its indices are not constant integers")
    if isinstance(value, Constant):
        _limit(node, value.array.size // max(1, value.array.shape[axis]) * indices.array.size)
        return [Constant(np.asarray(np.take(value.array, indices.array.astype(int), axis)))]
    if indices.array.size != 1 or isinstance(value, Spread):
        raise node.refused(
            f"picks several places of {describe(value)}; only the last step, or the state of a layer, can be picked"
        )
    index = int(indices.array.ravel()[0])
    (place,) = places(node, [axis], rank(value))
    picked = _picked(walk, node, value, place, index)
    for _ in range(indices.array.ndim):
        picked = _with_one(walk, picked, place)
    return [picked]


@operator("Slice")
def _slice(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    assert value is not None
    given = [_integers(node, entry, "ranges") if entry is not None else None for entry in inputs[1:]]
    given += [None] * (4 - len(given))
    starts, ends = given[0] or node.take("starts"), given[1] or node.take("ends")
    axes, steps = given[2] or node.take("axes"), given[3]
    if starts is None or ends is None:
        raise node.refused("does not say where it begins and ends")
    axes = places(node, axes or list(range(len(starts))), rank(value))
    for axis, start, end, step in list(zip(axes, starts, ends, steps or [1] * len(starts), strict=True)):
        value = _cut(walk, node, value, axis, start, end, step)
    return [value]


def _cut(walk: Walk, node: Node, value: Value, axis: int, start: Any, end: Any, step: Any) -> Value:
    size = shape(value)[axis]
    if start == 0 and step == 1 and (end == size or (isinstance(end, int) and end >= 2**31 - 1)):
        return value
    if not all(isinstance(number, int) for number in (start, end, step)):
        raise node.refused("begins or ends at a place that depends on the input")
    if isinstance(size, int) and not isinstance(value, Constant):
        start, end, step = slice(start, end, step).indices(size)
        if (start, end, step) == (0, size, 1):
            return value
    if isinstance(value, Constant):
        return Constant(value.array[(slice(None),) * axis + (slice(start, end, step),)])
    if isinstance(value, Spread) and isinstance(size, int):
        array = _full_rank(value)
        if array.shape[axis] != 1:
            array = array[(slice(None),) * axis + (slice(start, end, step),)]
        sizes = list(value.sizes)
        sizes[axis] = len(range(start, end, step))
        return Spread(array, tuple(sizes))
    if isinstance(value, Signal | States) and step == 1:
        if isinstance(size, int) and end == start + 1:
            return _with_one(walk, _picked(walk, node, value, axis, start), axis)
        if start == -1 and end >= 2**31 - 1:
            return _with_one(walk, _picked(walk, node, value, axis, -1), axis)
    raise node.refused(f"cuts {describe(value)}; {_ONLY_THE_LAST}")


def _picked(walk: Walk, node: Node, value: Signal | States, axis: int, index: int) -> Value:
    """One place of an axis, which vanishes: the last step of the signal, or the states of one layer."""
    picked, role = value.axes[axis], walk.role(value.axes[axis])
    if picked.size == 1 and index in (0, -1) and role != "time":
        return _without(walk, node, value, [axis])
    rest = tuple(other for place, other in enumerate(value.axes) if place != axis)
    if role == "layer" and isinstance(value, States) and -len(value.entries) <= index < len(value.entries):
        return States(value.source, (value.entries[index],), rest)
    if isinstance(value, Signal) and role == "time" and index in (-1, _minus_one(picked.size)):
        walk.remark("the graph gives the answer after the last step only; the stream gives that answer after every step")
        return replace(value, axes=rest, last=True)
    place = f"the {role} axis" if role in ("time", "batch", "feature", "layer") else f"axis {axis}"
    raise node.refused(f"picks place {index} of {place} of {describe(value)}; {_ONLY_THE_LAST}")


def _minus_one(size: int | Size) -> int | None:
    return size - 1 if isinstance(size, int) else None


def _without(walk: Walk, node: Node, value: Signal | States, axes: list[int]) -> Value:
    """The value without axes of size 1."""
    for axis in axes:
        if walk.role(value.axes[axis]) in ("time", "feature"):
            raise node.refused(
                f"removes the {walk.role(value.axes[axis])} axis of {describe(value)}; export it with that axis kept"
            )
    return replace(value, axes=tuple(other for place, other in enumerate(value.axes) if place not in axes))


def _with_one(walk: Walk, value: Value, place: int) -> Value:
    assert isinstance(value, Signal | States)
    return replace(value, axes=(*value.axes[:place], walk.one(), *value.axes[place:]))


@operator("ConstantOfShape")
def _constant_of_shape(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    sizes = _integers(node, inputs[0], "shape")
    value = np.asarray(node.take("value", np.zeros(1, np.float32))).reshape(())
    return [_spread(node, value, sizes)]


@operator("Expand")
def _expand(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    sizes = _integers(node, inputs[1], "shape")
    if isinstance(value, Signal | States) and len(sizes) == rank(value):
        if all(size in (1, axis.size) for size, axis in zip(sizes, value.axes, strict=True)):
            return [value]
        raise node.refused(f"repeats {describe(value)}")
    if not isinstance(value, Constant):
        raise node.refused("repeats something that is not a constant")
    own = value.array.shape
    sizes = [1] * (len(own) - len(sizes)) + sizes
    for place, size in enumerate(own[::-1], 1):
        if size != 1:
            if sizes[-place] not in (1, size):
                raise node.refused(f"shape {sizes} does not fit {describe(value)}")
            sizes[-place] = size
    return [_spread(node, value.array, sizes)]


def _spread(node: Node, array: NDArray[Any], sizes: list[Any]) -> Value:
    """A constant of a known shape, or one that waits for its shape; a large one is not written out either."""
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise node.refused(f"shape {sizes} has a negative size")
    known = all(isinstance(size, int) for size in sizes)
    if known and math.prod(sizes) <= 1 << 16:
        return Constant(np.broadcast_to(array, sizes).copy())
    return Spread(array, tuple(sizes))


def _full_rank(value: Spread) -> NDArray[Any]:
    """The array with as many axes as it is broadcast to."""
    return value.array.reshape((1,) * (len(value.sizes) - value.array.ndim) + value.array.shape)


def _arithmetic(name: str, function: Callable[[Any, Any], Any]) -> Callable[..., list[Value] | None]:
    """Fold an operation on two constants; None where one of them is not."""

    def fold(node: Node, inputs: Inputs) -> list[Value] | None:
        a, b = inputs
        if not isinstance(a, Constant) or not isinstance(b, Constant):
            return None
        _limit(node, math.prod(np.broadcast_shapes(a.array.shape, b.array.shape)))
        return [Constant(np.asarray(function(a.array, b.array)))]

    return fold


fold_add = _arithmetic("Add", np.add)
fold_multiply = _arithmetic("Mul", np.multiply)
fold_equal = _arithmetic("Equal", np.equal)


@operator("Mul")
def _multiply(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    folded = fold_multiply(node, inputs)
    if folded is None:
        raise node.refused("multiplies the signal, which is not understood; a dense layer can scale it")
    return folded


@operator("Equal")
def _equal(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    folded = fold_equal(node, inputs)
    if folded is None:
        raise node.refused("compares what is not constant, which is not understood")
    return folded


@operator("Where")
def _where(walk: Walk, node: Node, inputs: Inputs) -> list[Value]:
    condition, yes, no = (value.array for value in inputs if isinstance(value, Constant))
    _limit(node, math.prod(np.broadcast_shapes(condition.shape, yes.shape, no.shape)))
    return [Constant(np.where(condition.astype(bool), yes, no))]
