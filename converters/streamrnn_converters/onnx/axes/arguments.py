"""Arguments of nodes that are attributes in older opsets and constant inputs in newer ones: axes, shapes, ranges."""

import math
from collections.abc import Sequence
from typing import Any

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Constant, Signal, Size, Value, describe, rank

INTEGERS = "iuO"  # kinds of NumPy types; sizes that are not known yet are objects
END = 2**31 - 1  # an end of a range from here on means: all that is left
Inputs = Sequence[Value | Signal | None]


def integers(node: Node, value: object, what: str) -> list[Any]:
    """A constant list of integers; some may be sizes that are not known yet."""
    if not isinstance(value, Constant) or value.array.ndim > 1 or value.array.dtype.kind not in INTEGERS:
        raise node.refused(f"its {what} must be a constant list of integers")
    return [item if isinstance(item, Size) else int(item) for item in value.array.ravel()]


def limit(node: Node, n_values: int) -> None:
    """Refuse a constant that is too large to write out."""
    if n_values > node.most_values:
        raise node.refused(f"gives a constant of {n_values} values, more than {node.most_values} that are allowed")


def axis_indices(node: Node, axes: Sequence[int], n_axes: int) -> list[int]:
    """Indices of axes counted from 0. Each axis must exist, without duplicates."""
    if any(not -n_axes <= axis < n_axes for axis in axes) or len({axis % n_axes for axis in axes}) != len(axes):
        raise node.refused(f"axes {list(axes)} do not fit {n_axes} axes")
    return [axis % n_axes for axis in axes]


def range_end(end: Any, size: int | Size) -> Any:
    """The end of a range of an axis. One that is known by its distance from an open size counts backwards, or is END."""
    if isinstance(end, Size) and isinstance(size, Size) and isinstance(distance := end - size, int):
        return distance if distance < 0 else END
    return end


def range_start(start: Any, size: int | Size) -> Any:
    """The start of a range of an axis. One that counts backwards by a size that differs from the axis' by a number is known."""
    if isinstance(start, Size) and isinstance(size, Size) and isinstance(place := size - -start, int):
        return max(0, place)
    return start


def order_argument(node: Node, value: Value | Signal) -> list[int]:
    """The order of the axes that Transpose gives; by default the reverse."""
    order = node.take("perm") or list(range(rank(value)))[::-1]
    if sorted(order) != list(range(rank(value))):
        raise node.refused(f"perm {order} does not fit {describe(value)} with {rank(value)} axes")
    return list(order)


def axes_argument(node: Node, inputs: Inputs) -> list[int] | None:
    """What Squeeze, Unsqueeze and sums name as `axes`: an attribute before opset 13 (means: 18), else the second input."""
    axes = node.take("axes")
    if len(inputs) > 1 and inputs[1] is not None:
        axes = integers(node, inputs[1], "axes")
    return None if axes is None else list(axes)


def reshape_argument(node: Node, inputs: Inputs, sizes: Sequence[int | Size]) -> list[Any]:
    """The shape that Reshape-14 or Flatten-13 gives a value of these sizes; -1 stands for whatever is left."""
    if node.op == "Flatten":
        axis = node.take("axis", 1)
        return [math.prod(sizes[:axis]), math.prod(sizes[axis:])]
    target = integers(node, inputs[1], "shape")
    if not node.take("allowzero", 0):
        target = [sizes[index] if size == 0 else size for index, size in enumerate(target)]
    return target


def slice_argument(node: Node, inputs: Inputs, n_axes: int) -> list[tuple[int, Any, Any, Any]]:
    """What Slice cuts: axis, start, end and step of each axis that it names; attributes before opset 10."""
    given = [integers(node, entry, "ranges") if entry is not None else None for entry in inputs[1:]]
    given += [None] * (4 - len(given))
    starts, ends = given[0] or node.take("starts"), given[1] or node.take("ends")
    axes, steps = given[2] or node.take("axes"), given[3]
    if starts is None or ends is None:
        raise node.refused("does not say where it begins and ends")
    axes = axis_indices(node, axes or list(range(len(starts))), n_axes)
    return list(zip(axes, starts, ends, steps or [1] * len(starts), strict=True))


def split_argument(node: Node, inputs: Inputs, total: int) -> list[int]:
    """The sizes of the parts that Split-18 gives: an attribute before opset 13, else an input, else equal ones."""
    sizes = node.take("split")
    node.take("num_outputs")
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = integers(node, inputs[1], "split")
    n_parts = len(node.outputs)
    if sizes is None:
        most = -(-total // n_parts)
        sizes = [most] * (n_parts - 1) + [total - most * (n_parts - 1)]
    if sum(sizes) != total or len(sizes) != n_parts:
        raise node.refused(f"splits {total} values into {sizes} for {n_parts} outputs")
    return list(sizes)


def resize_argument(node: Node, inputs: Inputs, sizes: Sequence[Any]) -> list[tuple[Any, float]]:
    """The size that Resize-13 gives each axis, and by which factor it grows: 1 for one that stays what it is."""
    chosen = axis_indices(node, node.take("axes") or range(len(sizes)), len(sizes))
    scales, wanted = ([*inputs[1:], None, None, None][k] for k in (1, 2))
    found: list[tuple[Any, float]] = [(size, 1.0) for size in sizes]
    if isinstance(wanted, Constant) and wanted.array.size:
        given = [(size, 0.0) for size in integers(node, wanted, "sizes")]
    elif isinstance(scales, Constant) and scales.array.dtype.kind == "f":
        given = [(None, float(scale)) for scale in scales.array.ravel()]
    else:
        raise node.refused("has neither constant scales nor constant sizes")
    if len(given) != len(chosen):
        raise node.refused(f"resizes {len(given)} axes, expected {len(chosen)}")
    for axis, (size, scale) in zip(chosen, given, strict=True):
        own = sizes[axis]
        if scale == 1 or size == own:
            continue
        if not isinstance(own, int) or not isinstance(size, int | None):
            raise node.refused("resizes an axis whose size the graph leaves open; export it with a fixed one")
        whole = size if size is not None else int(own * scale) if 0 < scale < END else 0
        if not 0 < whole < END:
            raise node.refused(f"resizes {own} values to {whole}")
        found[axis] = whole, scale or whole / own
    return found
