"""Nodes of `quantize_dynamic`, which find the scale of a signal as they run."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.parse.dequantised.copy import Array, Copy, Sums
from streamrnn_converters.onnx.parse.dequantised.fixed_scales import pick_floats
from streamrnn_converters.onnx.parse.dequantised.weights import refuse_others

_TABLE = "table"  # the origin of integers that are rows of a constant table; no node gives it


def quantize(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """DynamicQuantizeLinear: a signal, which the copy leaves as it is."""
    refuse_others(proto, node)
    x, (integers, scale, zero) = node.inputs[0], node.outputs
    copy.refuse_integers(node, x)
    copy.integers[integers] = integers, x
    copy.scales[scale], copy.zero_points[zero] = (integers, np.ones((), np.float32)), integers
    copy.rounds = True
    return True


def sum_of_integers(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """MatMulInteger and ConvInteger."""
    names = [*node.inputs, "", ""][:4]
    origin, signal = copy.integers.get(names[0]) or _whole_rows(copy, node, names[0], names[2])
    if not signal or names[1] not in copy.constants:
        raise node.refused("does not multiply a signal, as DynamicQuantizeLinear gives it, with constant weights")
    if origin != _TABLE and copy.zero_points.get(names[2]) != origin:
        raise node.refused("its zero point is not that of the signal that it multiplies")
    weights, zero = copy.array(node, names[1]).astype(np.int32), np.zeros((), np.int32)
    if names[3]:
        zero = copy.array(node, names[3]).astype(np.int32)
    if node.op == "ConvInteger" and zero.ndim:
        zero = zero.reshape(-1, *[1] * (weights.ndim - 1))
    copy.unread.update(names[1:])
    copy.sums[node.outputs[0]] = Sums(origin, signal, np.asarray(weights - zero, np.float32), proto)
    return True


def _whole_rows(copy: Copy, node: Node, name: str, zero: str) -> tuple[str, str]:
    """Rows of a table of integers, as floats without their scale, which comes with that of the weights."""
    if name not in copy.picked:
        return "", ""
    offset = copy.array(node, zero) if zero else np.zeros((), np.int8)
    floats = copy.named(f"{name}.floats")
    pick_floats(copy, node, name, floats, np.ones((), np.float32), offset, None)
    copy.unread.add(zero)
    return _TABLE, floats


def cast(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """Cast of a sum of integers to floats."""
    if node.inputs[0] not in copy.sums:
        return False
    (to,) = (attribute.i for attribute in proto.attribute if attribute.name == "to")
    if to != TensorProto.FLOAT:
        raise node.refused("its input is a sum of integers, which can only become FLOAT")
    copy.sums[node.outputs[0]] = copy.sums[node.inputs[0]]
    return True


def multiply(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """Mul of the two scales, and of their product with a sum of integers."""
    a, b = node.inputs
    if all(name in copy.constants and len(copy.constants[name].dims) < 2 for name in (a, b)):
        product = copy.array(node, a) * copy.array(node, b)
        copy.constants[node.outputs[0]] = numpy_helper.from_array(product, node.outputs[0])
        copy.unread.add(node.outputs[0])
        return False
    for one, other in ((a, b), (b, a)):
        if one in copy.scales and other in copy.constants:
            origin, scale = copy.scales[one]
            copy.scales[node.outputs[0]] = origin, np.asarray(scale * copy.array(node, other))
            copy.unread.add(other)
            return True
        if one in copy.sums and (other in copy.scales or other in copy.constants):
            sums = copy.sums[one]
            origin, scale = copy.scales.get(other) or (_TABLE, copy.array(node, other))
            if origin != sums.origin:
                raise node.refused("multiplies a sum of integers with the scale of another signal")
            _multiply_floats(copy, node, sums, scale)
            return True
    return False


def _multiply_floats(copy: Copy, node: Node, sums: Sums, scale: Array) -> None:
    """What a sum of integers is, times its scales: a product of the signal with weights."""
    is_convolution = sums.proto.op_type == "ConvInteger"
    if is_convolution and scale.size > 1:
        n_axes, channels = sums.weights.ndim, len(sums.weights)
        if scale.ndim < n_axes - 1 or scale.size != channels or scale.shape[1 - n_axes] != channels:
            raise node.refused(f"its scales have the shape {scale.shape}, which is not one for each channel")
        scale = scale.reshape(channels, *[1] * (n_axes - 1))
    name = copy.named(f"{sums.proto.input[1]}.floats")
    copy.add_weights(name, np.asarray(sums.weights * scale, np.float32))
    op = "Conv" if is_convolution else "MatMul"
    own = helper.make_node(op, [sums.signal, name], [node.outputs[0]], sums.proto.name or node.name)
    own.attribute.extend(sums.proto.attribute)
    copy.nodes.append(own)
