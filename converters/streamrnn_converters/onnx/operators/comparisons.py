"""Operators that compare signals and choose between them: 1 stands for true, 0 for false."""

from dataclasses import replace
from functools import reduce

import numpy as np
from onnx import TensorProto

from streamrnn import Activation, Where
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, needs_flow, operator
from streamrnn_converters.onnx.operators.elementwise import activated, combined, number_of, operands, scaled
from streamrnn_converters.onnx.operators.shape_ops import flow_of
from streamrnn_converters.onnx.precision import FLOATS
from streamrnn_converters.onnx.values import Broadcast, Constant, Flow, Value, full_rank

_INTEGER_TYPES = (TensorProto.INT32, TensorProto.INT64)
_COMPARISONS = {
    "And": "multiply",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Or": "maximum",
}


@operator(*_COMPARISONS)
def _compared(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Greater-13 and its like, And-7, Or-7."""
    a, b = inputs
    return [combined(importer, node, a, b, _COMPARISONS[node.op])]


@operator("Cast")
def _cast(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """To floats, as which all signals are computed; or to bool: what is not 0."""
    flow, to = flow_of(inputs[0]), node.take("to")
    node.take("saturate"), node.take("round_mode")
    if flow.integer and to in _INTEGER_TYPES:
        return [flow]
    if to == TensorProto.BOOL:
        zero = Constant(np.zeros(()))
        return [scaled(importer, node, combined(importer, node, flow, zero, "equal"), -1, 1)]
    if to not in FLOATS or flow.integer:
        raise node.refused("casts the signal from integers or to another type than floats; export the model in float32")
    return [flow]


@operator("Not")
def _not(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    return [scaled(importer, node, needs_flow(node, inputs[0], "X"), -1, 1)]


@operator("Xor")
def _xor(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    a, b = inputs
    return [scaled(importer, node, combined(importer, node, a, b, "equal"), -1, 1)]


@operator("Max", "Min")
def _bound(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Of any number of signals and constants (Max-13)."""
    flows = [value for value in inputs if isinstance(value, Flow)]
    numbers = [value for value in inputs if isinstance(value, Constant) and value.array.size == 1]
    if len(flows) == len(numbers) == 1 and len(inputs) == 2 and numbers[0].array.ndim <= len(flows[0].axes):
        bounds = {"alpha" if node.op == "Max" else "beta": number_of(node, numbers[0], "bound")}
        return [activated(importer, node, flows[0], Activation("clip", **bounds))]
    operation = "maximum" if node.op == "Max" else "minimum"
    return [reduce(lambda a, b: combined(importer, node, a, b, operation), operands(importer, node, inputs))]


@operator("Where")
def _where(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Where-16. If the condition is constant, values are only moved."""
    condition = inputs[0]
    if isinstance(condition, Flow):
        flows = operands(importer, node, inputs)
        return [importer.layered(node, Where(flows[0].index_map.size, importer.dtype), *flows)]
    _, yes, no = operands(importer, node, inputs)
    assert isinstance(condition, Constant | Broadcast)
    chosen = condition.array if isinstance(condition, Constant) else full_rank(condition)
    begin = sum(part.size for part in yes.parts)
    index_map = np.where(chosen.astype(bool), yes.index_map, begin + no.index_map)
    return [replace(yes, parts=(*yes.parts, *no.parts), index_map=index_map, axes=importer.axes_of(node))]
