"""onnxruntime's own operators of integers (ContribOperators.md)."""

import numpy as np
import onnx
from onnx import helper

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.parse.dequantised.copy import Copy
from streamrnn_converters.onnx.parse.dequantised.weights import numbers, refuse_others

_N_LSTM_INPUTS = 8  # of the LSTM of ONNX; after them come the scales and zero points


def lstm(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """DynamicQuantizeLSTM: an LSTM whose W and R are (directions, rows, 4 hidden) integers."""
    inputs = [*node.inputs, *[""] * (_N_LSTM_INPUTS + 4 - len(node.inputs))]
    for index, name in ((1, "W"), (2, "R")):
        scale, zero = inputs[_N_LSTM_INPUTS + 2 * (index - 1) :][:2]
        whole = copy.array(node, inputs[index])
        spread = [copy.array(node, one) if one else np.zeros(1, whole.dtype) for one in (scale, zero)]
        if whole.ndim != 3 or any(array.shape not in ((len(whole),), (len(whole), whole.shape[2])) for array in spread):
            shapes = ", ".join(str(array.shape) for array in (whole, *spread))
            raise node.refused(f"{name}, its scale and its zero point have the shapes {shapes}, which do not fit")
        by_direction = [array.reshape(len(whole), 1, -1) for array in spread]
        inputs[index] = copy.named(f"{node.inputs[index]}.floats")
        floats = numbers(node, whole, by_direction[0], by_direction[1], None)
        copy.add_weights(inputs[index], np.ascontiguousarray(np.swapaxes(floats, 1, 2)))
        copy.unread.update((node.inputs[index], scale, zero))
    copy.refuse_integers(node, *inputs)
    own = copy.add_copy_of(proto)
    own.op_type, own.domain = "LSTM", ""
    del own.input[:]
    own.input.extend(inputs[:_N_LSTM_INPUTS])
    while not own.input[-1]:
        own.input.pop()
    copy.rounds = True
    return True


def product(copy: Copy, proto: onnx.NodeProto, node: Node) -> bool:
    """DynamicQuantizeMatMul and MatMulIntegerToFloat: a product, and its bias."""
    refuse_others(proto, node)
    names = [*node.inputs, *[""] * 7]
    if node.op == "DynamicQuantizeMatMul":
        signal, weights, scale, zero, bias = names[:5]
        copy.rounds = True
    else:
        integers, weights, own_scale, scale, own_zero, zero, bias = names[:7]
        origin, signal = copy.integers.get(integers, ("", ""))
        if not origin or (copy.scales.get(own_scale) or ("",))[0] != origin or copy.zero_points.get(own_zero) != origin:
            raise node.refused("does not multiply a signal, as DynamicQuantizeLinear gives it, with its scale and zero point")
    copy.refuse_integers(node, signal, bias)
    whole = copy.array(node, weights)
    offset = copy.array(node, zero) if zero else np.zeros((), whole.dtype)
    name = copy.named(f"{weights}.floats")
    copy.add_weights(name, numbers(node, whole, copy.array(node, scale), offset, None))
    copy.unread.update((weights, scale, zero))
    summed = copy.named(f"{node.outputs[0]}.product") if bias else node.outputs[0]
    copy.nodes.append(helper.make_node("MatMul", [signal, name], [summed], node.name))
    if bias:
        copy.nodes.append(helper.make_node("Add", [summed, bias], [node.outputs[0]], f"{node.name}.bias"))
    return True
