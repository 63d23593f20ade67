"""Integers with a scale and a zero point, as numbers."""

import numpy as np
import onnx
from onnx import helper

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.parse.dequantised.copy import Array, Copy

#: The smallest and the largest integer of a type.
RANGES = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (2, 4, 8, 16, 32)}
RANGES |= {f"uint{bits}": (0, 2**bits - 1) for bits in (2, 4, 8, 16)}
_FLOATS = ("float32", "float16")


def numbers(node: Node, integers: Array, scale: Array, zero: Array, axis: int | None) -> Array:
    """scale · (q − zero point), in the type of the scale.

    axis  of the scales, where these are a vector; None: they fit as they are
    """
    if integers.dtype.name not in RANGES or zero.dtype.name not in RANGES:
        raise node.refused(f"its weights are of type {integers.dtype}, not integers; export in float32")
    if scale.dtype.name not in _FLOATS:
        raise node.refused(f"its scale is of type {scale.dtype}, not FLOAT or FLOAT16; export in float32")
    scales, zeros = (along(node, array, integers.ndim, axis) for array in (scale, zero))
    found = (integers.astype(np.int64) - zeros.astype(np.int64)).astype(np.float32) * scales.astype(np.float32)
    if found.shape != integers.shape:
        raise node.refused(f"scales of the shape {scale.shape} do not fit weights of the shape {integers.shape}")
    return np.asarray(found, scale.dtype)


def along(node: Node, array: Array, n_axes: int, axis: int | None) -> Array:
    """A scale or zero point that broadcasts to integers of so many axes."""
    if axis is None or array.size == 1:
        return array.reshape(()) if array.size == 1 else array
    if array.ndim != 1 or not -n_axes <= axis < n_axes:
        raise node.refused(f"its scale has the shape {array.shape}; blocks with scales of their own are not understood")
    return array.reshape(-1, *[1] * (n_axes - 1 - axis % n_axes))


def axis_of(proto: onnx.NodeProto) -> int:
    """The axis along which a QuantizeLinear or DequantizeLinear has its scales."""
    return next((attribute.i for attribute in proto.attribute if attribute.name == "axis"), 1)


def scale_of(copy: Copy, proto: onnx.NodeProto, node: Node) -> tuple[Array, Array, str]:
    """The scale and zero point that a node reads, and the type of the integers."""
    scale = copy.array(node, node.inputs[1])
    kind = onnx.TensorProto.UINT8
    for attribute in proto.attribute:
        if attribute.name == "output_dtype" and attribute.i and node.op == "QuantizeLinear":
            kind = attribute.i
    if len(node.inputs) > 2 and node.inputs[2]:
        kind = copy.constants[node.inputs[2]].data_type if node.inputs[2] in copy.constants else kind
        zero = copy.array(node, node.inputs[2])
    else:
        zero = np.zeros(scale.shape, np.int32)
    name = np.dtype(helper.tensor_dtype_to_np_dtype(kind)).name
    if name not in RANGES:
        raise node.refused(f"its numbers are of type {name}, not integers; export in float32")
    copy.unread.update(node.inputs[1:])
    return scale, zero, name


def refuse_others(proto: onnx.NodeProto, node: Node, *understood: str) -> None:
    """Refuse attributes that are not understood, unless they are 0, their default."""
    for attribute in proto.attribute:
        if attribute.name not in understood and helper.get_attribute_value(attribute):
            raise node.refused(f"attribute {attribute.name!r} is not understood; export the model without it")
