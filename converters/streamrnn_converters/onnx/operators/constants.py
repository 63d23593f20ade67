"""What a graph knows beforehand, worked out: arithmetic with shapes, weights put together from pieces, states of zeros.

Shapes may hold sizes that are not yet known.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, operator
from streamrnn_converters.onnx.precision import FLOATS
from streamrnn_converters.onnx.values import Broadcast, Constant, Flow, Size, Value, describe, numbers, rank, shape

_INTEGER_TYPES = (6, 7)  # INT32, INT64
INTEGERS = "iuO"  # kinds of NumPy types; sizes not yet known are objects


def integers(node: Node, value: Value | None, what: str) -> list[Any]:
    """A constant list of integers, some of them perhaps sizes not yet known."""
    if not isinstance(value, Constant) or value.array.ndim > 1 or value.array.dtype.kind not in INTEGERS:
        raise node.refused(f"its {what} must be a constant list of integers")
    return [item if isinstance(item, Size) else int(item) for item in value.array.ravel()]


def limit(node: Node, n_values: int) -> None:
    """Refuse a constant that is too large to write out."""
    if n_values > node.most_values:
        raise node.refused(f"gives a constant of {n_values} values, more than {node.most_values} that are allowed")


def _divided(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """a / b; integers are rounded towards zero (ONNX Div-14)."""
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)), a.dtype)
    return np.asarray(a / b)


FOLDED: dict[str, Callable[..., Any]] = {
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


def folded(node: Node, inputs: Inputs) -> list[Value] | None:
    """What an operator gives for constants alone; None where one of its inputs is no constant."""
    arrays = [value.array for value in inputs if isinstance(value, Constant)]
    if len(arrays) < len(inputs):
        return None
    limit(node, math.prod(np.broadcast_shapes(*(array.shape for array in arrays))))
    return [Constant(np.asarray(FOLDED[node.op](*arrays)))]


@operator("Equal")
def _equal(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    values = folded(node, inputs)
    if values is None:
        raise node.refused("compares what is not constant, which is not understood")
    return values


@operator("Where")
def _where(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    condition, yes, no = (value.array for value in inputs if isinstance(value, Constant))
    limit(node, math.prod(np.broadcast_shapes(condition.shape, yes.shape, no.shape)))
    return [Constant(np.where(condition.astype(bool), yes, no))]


@operator("Identity", "Dropout")
def _same(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Dropout does nothing in inference; its mask is not given."""
    node.take("ratio"), node.take("seed")
    if len(inputs) > 2 and inputs[2] is not None and not (isinstance(inputs[2], Constant) and not inputs[2].array.any()):
        raise node.refused("it is in training mode; export the model in evaluation mode")
    assert inputs[0] is not None
    return [inputs[0]]


@operator("Cast")
def _cast(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    to = node.take("to")
    node.take("saturate"), node.take("round_mode")
    value = inputs[0]
    assert value is not None
    if isinstance(value, Constant):
        if value.array.dtype == object:
            return [value]
        if value.array.dtype.kind == "c":
            raise node.refused("casts complex numbers, which are not understood")
        return [Constant(value.array.astype(onnx.helper.tensor_dtype_to_np_dtype(to)))]
    if isinstance(value, Flow) and value.integer and to in _INTEGER_TYPES:
        return [value]
    if to not in FLOATS or (isinstance(value, Flow) and value.integer):
        raise node.refused("casts the signal from integers or to another type than floats; export the model in float32")
    return [value]


@operator("Shape")
def _shape(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    assert inputs[0] is not None
    sizes = shape(inputs[0])
    return [Constant(numbers(sizes[slice(node.take("start", 0), node.take("end"))]))]


@operator("ConstantOfShape")
def _constant_of_shape(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    sizes = integers(node, inputs[0], "shape")
    value = np.asarray(node.take("value", np.zeros(1, np.float32))).reshape(())
    return [_spread(node, value, sizes)]


@operator("Expand")
def _expand(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    value = inputs[0]
    sizes = integers(node, inputs[1], "shape")
    if isinstance(value, Flow) and len(sizes) == rank(value):
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
    return Broadcast(array, tuple(sizes))
