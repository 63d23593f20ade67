"""Nodes that only read constants, worked out: arithmetic with shapes, weights made of pieces, states of zeros.

Shapes may hold sizes that are not known yet. Operators that only move the values of constants are in `constant_moves`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from streamrnn_converters.onnx.axes import constant_moves
from streamrnn_converters.onnx.axes.arguments import integers, limit
from streamrnn_converters.onnx.axes.constant_math import FUNCTIONS, REDUCTIONS, constant, function, product, reduction
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import (
    Broadcast,
    Constant,
    Every,
    Known,
    Size,
    describe,
    full_rank,
    numbers,
    objects,
    shape,
)

Inputs = Sequence[Known | None]
Folding = Callable[[Node, Inputs], list[Constant | Broadcast]]


def _tile(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    """Tile-13. What is repeated along an axis of size 1 stays one, broadcast."""
    value, repeats = inputs[0], integers(node, inputs[1], "repeats")
    assert isinstance(value, Constant | Broadcast)
    sizes = shape(value)
    if len(repeats) != len(sizes):
        raise node.refused(f"repeats {describe(value)} by {repeats}, expected {len(sizes)} numbers")
    array = full_rank(value) if isinstance(value, Broadcast) else value.array
    whole = [1 if array.shape[axis] == 1 else repeat for axis, repeat in enumerate(repeats)]
    if not all(isinstance(repeat, int) for repeat in whole):
        raise node.refused(f"repeats {describe(value)} by a number that depends on the input, which is not understood")
    limit(node, array.size * math.prod(whole))
    return [_broadcast(node, np.tile(array, whole), [size * repeat for size, repeat in zip(sizes, repeats, strict=True)])]


def _range(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    arrays = [constant(node, value).array for value in inputs]
    start, end, step = (array.item() for array in arrays)
    if isinstance(end, Size) and not isinstance(start, Size) and step == 1 and start == int(start):
        return [Constant(objects([Every(end - int(start), start)]))]
    if any(isinstance(number, Size) for number in (start, end, step)):
        raise node.refused("counts to a size that depends on the input, which is not understood")
    count = max(0, math.ceil((end - start) / step))
    limit(node, count)
    return [Constant((start + step * np.arange(count)).astype(arrays[0].dtype))]


def _size(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    assert inputs[0] is not None
    return [Constant(numbers([math.prod(shape(inputs[0]))]).reshape(()))]


def _where(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    condition, yes, no = (constant(node, value).array for value in inputs)
    limit(node, math.prod(np.broadcast_shapes(condition.shape, yes.shape, no.shape)))
    return [Constant(np.where(condition.astype(bool), yes, no))]


def _identity(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    """Dropout does nothing in inference; its mask is not given."""
    value = inputs[0]
    node.take("ratio"), node.take("seed")
    if len(inputs) > 2 and inputs[2] is not None and not (isinstance(inputs[2], Constant) and not inputs[2].array.any()):
        raise node.refused("it is in training mode; export the model in evaluation mode")
    assert isinstance(value, Constant | Broadcast)
    return [value]


def _cast(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    value, to = inputs[0], node.take("to")
    node.take("saturate"), node.take("round_mode")
    assert isinstance(value, Constant | Broadcast)
    if isinstance(value, Broadcast) or value.array.dtype == object:
        return [value]
    if value.array.dtype.kind == "c":
        raise node.refused("casts complex numbers, which are not understood")
    return [Constant(value.array.astype(onnx.helper.tensor_dtype_to_np_dtype(to)))]


def _shape(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    """Of any value: that of a signal holds the sizes of its axes."""
    assert inputs[0] is not None
    return [Constant(numbers(shape(inputs[0])[slice(node.take("start", 0), node.take("end"))]))]


def _constant_of_shape(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    sizes = integers(node, inputs[0], "shape")
    value = np.asarray(node.take("value", np.zeros(1, np.float32))).reshape(())
    return [_broadcast(node, value, sizes)]


def _expand(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    value, sizes = inputs[0], integers(node, inputs[1], "shape")
    if not isinstance(value, Constant):
        raise node.refused("repeats something that is not a constant")
    own = value.array.shape
    sizes = [1] * (len(own) - len(sizes)) + sizes
    for index, size in enumerate(own[::-1], 1):
        if size != 1:
            if sizes[-index] not in (1, size):
                raise node.refused(f"shape {sizes} does not fit {describe(value)}")
            sizes[-index] = size
    return [_broadcast(node, value.array, sizes)]


def _broadcast(node: Node, array: NDArray[Any], sizes: list[Any]) -> Constant | Broadcast:
    """A constant broadcast to a shape. It is only written out if its shape is known and it is small."""
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise node.refused(f"shape {sizes} has a negative size")
    known = all(isinstance(size, int) for size in sizes)
    if known and math.prod(sizes) <= 1 << 16:
        return Constant(np.broadcast_to(array, sizes).copy())
    return Broadcast(array, tuple(sizes))


FOLDINGS: dict[str, Folding] = {
    **dict.fromkeys(FUNCTIONS, function),
    **dict.fromkeys(REDUCTIONS, reduction),
    "Cast": _cast,
    "Concat": constant_moves.concat,
    "ConstantOfShape": _constant_of_shape,
    "Dropout": _identity,
    "Expand": _expand,
    "Flatten": constant_moves.reshape,
    "Gather": constant_moves.gather,
    "Identity": _identity,
    "MatMul": product,
    "Range": _range,
    "Reshape": constant_moves.reshape,
    "ScatterND": constant_moves.scatter,
    "Shape": _shape,
    "Size": _size,
    "Slice": constant_moves.cut,
    "Split": constant_moves.split,
    "Squeeze": constant_moves.squeeze,
    "Tile": _tile,
    "Transpose": constant_moves.transpose,
    "Unsqueeze": constant_moves.unsqueeze,
    "Where": _where,
}
