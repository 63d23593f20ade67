"""Computing with constants: functions, reductions and products, as NumPy gives them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamrnn_converters.onnx.axes.arguments import axes_argument, axis_indices, limit
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.values import Broadcast, Constant, Known, Size, describe, full_rank, shape

Inputs = Sequence[Known | None]


def _divided(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """a / b; integers are rounded towards zero (ONNX Div-14), also beside sizes that are not known yet."""
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)), a.dtype)
    return np.asarray(a // b if a.dtype == object else a / b)


def _clipped(array: NDArray[Any], least: NDArray[Any] | None = None, most: NDArray[Any] | None = None) -> NDArray[Any]:
    return np.clip(array, least, most) if least is not None or most is not None else array


#: Value by value; the results of floats have their type.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Ceil": np.ceil,
    "Clip": _clipped,
    "Cos": np.cos,
    "Div": _divided,
    "Equal": np.equal,
    "Exp": np.exp,
    "Floor": np.floor,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Max": lambda *arrays: np.max(np.broadcast_arrays(*arrays), axis=0),
    "Min": lambda *arrays: np.min(np.broadcast_arrays(*arrays), axis=0),
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Pow": lambda a, b: np.power(a, b).astype(a.dtype),
    "Reciprocal": lambda a: 1 / a,
    "Relu": lambda a: np.maximum(a, 0),
    "Sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "Sin": np.sin,
    "Softplus": lambda a: np.logaddexp(a, 0),
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
}
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceMax": np.max,
    "ReduceMean": np.mean,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceSum": np.sum,
}


def function(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    """Of constants that are broadcast, too: what is done value by value may be done before."""
    arrays = [
        None if value is None else full_rank(value) if isinstance(value, Broadcast) else _array(value) for value in inputs
    ]
    given = [array for array in arrays if array is not None]
    limit(node, math.prod(np.broadcast_shapes(*(array.shape for array in given))))
    narrow = given[0].dtype if given[0].dtype.kind == "f" else None
    found = np.asarray(FUNCTIONS[node.op](*arrays))
    found = found.astype(narrow) if narrow is not None and found.dtype.kind == "f" else found
    if not any(isinstance(value, Broadcast) for value in inputs):
        return [Constant(found)]
    return [Broadcast(found, _met(node, [value for value in inputs if value is not None]))]


def _array(value: Known) -> NDArray[Any]:
    assert isinstance(value, Constant)
    return value.array


def _met(node: Node, values: Sequence[Known]) -> tuple[int | Size, ...]:
    """The sizes of values that are broadcast to each other."""
    n_axes = max(len(shape(value)) for value in values)
    met: list[int | Size] = []
    for sizes in zip(*([*[1] * (n_axes - len(shape(value))), *shape(value)] for value in values), strict=True):
        wide = list(dict.fromkeys(size for size in sizes if size != 1)) or [1]
        if len(wide) > 1:
            raise node.refused(f"combines constants of sizes {wide[0]} and {wide[1]}")
        met.append(wide[0])
    return tuple(met)


def reduction(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    """Over axes; of all where none is named."""
    axes, keep = axes_argument(node, inputs), bool(node.take("keepdims", 1))
    if node.take("noop_with_empty_axes", 0) and not axes:
        return [constant(node, inputs[0])]
    array = constant(node, inputs[0]).array
    along = tuple(axis_indices(node, axes or list(range(array.ndim)), array.ndim))
    found = np.asarray(REDUCTIONS[node.op](array, axis=along, keepdims=keep))
    return [Constant(found if array.dtype == object else found.astype(array.dtype))]


def product(node: Node, inputs: Inputs) -> list[Constant | Broadcast]:
    """MatMul."""
    a, b = (constant(node, value).array for value in inputs)
    limit(node, math.prod(a.shape[:-1]) * math.prod(b.shape[:-2]) * b.shape[-1])
    return [Constant(np.asarray(a @ b))]


def constant(node: Node, value: Known | None) -> Constant:
    """The input as a constant of a known shape."""
    if not isinstance(value, Constant):
        raise node.refused(f"computes with {describe(value)}, which is not understood" if value else "has an input too few")
    return value
