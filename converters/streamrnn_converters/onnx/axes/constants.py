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
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Broadcast, Constant, Known, describe, numbers, shape

Inputs = Sequence[Known | None]
Folding = Callable[[Node, Inputs], list[Constant | Broadcast]]


def _divided(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """a / b; integers are rounded towards zero (ONNX Div-14)."""
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)), a.dtype)
    return np.asarray(a / b)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Div": _divided,
    "Equal": np.equal,
    "Max": lambda *arrays: np.max(np.broadcast_arrays(*arrays), axis=0),
    "Min": lambda *arrays: np.min(np.broadcast_arrays(*arrays), axis=0),
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pow": lambda a, b: np.power(a, b).astype(a.dtype),
    "Reciprocal": lambda a: np.asarray(1 / a, a.dtype),
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
}


def _function(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    arrays = [value.array for value in inputs if isinstance(value, Constant)]
    if len(arrays) < len(inputs):
        raise node.refused(f"computes with {describe(_other(inputs))}, which is not understood")
    limit(node, math.prod(np.broadcast_shapes(*(array.shape for array in arrays))))
    return [Constant(np.asarray(_FUNCTIONS[node.op](*arrays)))]


def _other(inputs: Inputs) -> Known:
    return next(value for value in inputs if value is not None and not isinstance(value, Constant))


def _where(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    condition, yes, no = (value.array for value in inputs if isinstance(value, Constant))
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
    **dict.fromkeys(_FUNCTIONS, _function),
    "Cast": _cast,
    "Concat": constant_moves.concat,
    "ConstantOfShape": _constant_of_shape,
    "Dropout": _identity,
    "Expand": _expand,
    "Flatten": constant_moves.reshape,
    "Gather": constant_moves.gather,
    "Identity": _identity,
    "Reshape": constant_moves.reshape,
    "Shape": _shape,
    "Slice": constant_moves.cut,
    "Split": constant_moves.split,
    "Squeeze": constant_moves.squeeze,
    "Transpose": constant_moves.transpose,
    "Unsqueeze": constant_moves.unsqueeze,
    "Where": _where,
}
