"""Graphs whose weights are integers, as the graphs of floats that they stand for.

A weight becomes scale · (q − zero point), in float32: exactly the number that the graph says it is. Where the graph rounds a
signal to integers, the copy does not. It keeps their range: quantisers leave a relu to it.

copy                   the graph of floats in the making, and what is known of names that stand for integers
weights                integers with a scale and a zero point, as numbers
fixed_scales           nodes that round a signal with a scale that the graph knows; weights; rows of tables
found_scales           nodes of `quantize_dynamic`, which find the scale of a signal as they run
onnxruntime_operators  onnxruntime's own operators of integers

Sources: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, MatMulInteger and ConvInteger of ONNX; DynamicQuantizeLSTM,
DynamicQuantizeMatMul and MatMulIntegerToFloat of onnxruntime's ContribOperators.md. `onnxruntime.quantization` writes them.
"""

from collections.abc import Callable

import onnx

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.parse.dequantised import fixed_scales, found_scales, onnxruntime_operators
from streamrnn_converters.onnx.parse.dequantised.copy import REMEDY, Copy

#: What a node becomes in the copy, by operator. False: it stays as it is.
_HANDLERS: dict[str, Callable[[Copy, onnx.NodeProto, Node], bool]] = {
    "Cast": found_scales.cast,
    "ConvInteger": found_scales.sum_of_integers,
    "DequantizeLinear": fixed_scales.dequantize,
    "DynamicQuantizeLSTM": onnxruntime_operators.lstm,
    "DynamicQuantizeLinear": found_scales.quantize,
    "DynamicQuantizeMatMul": onnxruntime_operators.product,
    "Gather": fixed_scales.gather,
    "MatMulInteger": found_scales.sum_of_integers,
    "MatMulIntegerToFloat": onnxruntime_operators.product,
    "Mul": found_scales.multiply,
    "QuantizeLinear": fixed_scales.quantize,
}


def dequantised(data: bytes) -> tuple[bytes, list[str]]:
    """The bytes of a graph in floats, and what was changed, one sentence each.

    Raises ConversionError, naming the node and the reason, for integers that are not understood.
    """
    if b"Quantize" not in data and b"DequantizeLinear" not in data and b"Integer" not in data:
        return data, []
    model = onnx.load_model_from_string(data)
    remarks = dequantise(model)
    return (model.SerializeToString(), remarks) if remarks else (data, [])


def dequantise(model: onnx.ModelProto) -> list[str]:
    """Turn a graph into one of floats. Returns what was changed, one sentence each."""
    copy = Copy(model)
    for index, proto in enumerate(model.graph.node):
        node = Node(proto.name or f"#{index}", proto.op_type, tuple(proto.input), tuple(proto.output))
        with node.refusing():
            if node.op.startswith("QLinear") or node.op in ("QGemm", "QAttention"):
                raise node.refused(f"computes with integers between nodes, the form QOperator; {REMEDY}")
            handler = _HANDLERS.get(node.op)
            if handler is None or not handler(copy, proto, node):
                copy.keep(proto, node)
    return copy.finish()
