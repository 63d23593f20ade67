"""Operators that move axes, or leave them as they are. They only reorder the index map of a flow; nothing is computed."""

from dataclasses import replace

import numpy as np

from streamrnn_converters.onnx.axes.arguments import order_argument
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, operator
from streamrnn_converters.onnx.values import Constant, Flow, Value, describe


def flow_of(value: Value | None) -> Flow:
    """The first input of an operator that moves values: of constants alone, the axis pass has worked the node out."""
    assert isinstance(value, Flow)
    return value


@operator("Transpose")
def _transpose(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    flow, axes = flow_of(inputs[0]), importer.axes_of(node)
    return [replace(flow, axes=axes, index_map=flow.index_map.transpose(order_argument(node, flow)))]


@operator("Squeeze")
def _squeeze(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Of axes of size 1: a time of one step, a lone signal, or a single value."""
    flow, axes = flow_of(inputs[0]), importer.axes_of(node)
    return [replace(flow, axes=axes, index_map=flow.index_map.reshape(importer.roles.extents(axes)))]


@operator("Unsqueeze", "Reshape", "Flatten")
def _reshape(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    flow, axes = flow_of(inputs[0]), importer.axes_of(node)
    return [replace(flow, axes=axes, index_map=flow.index_map.reshape(importer.roles.extents(axes)))]


@operator("Expand", "Tile")
def _repeated(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Values of a step, given several times."""
    flow, axes = flow_of(inputs[0]), importer.axes_of(node)
    sizes = importer.roles.extents(axes)
    own = flow.index_map.reshape((1,) * (len(sizes) - flow.index_map.ndim) + flow.index_map.shape)
    repeats = [size // have for size, have in zip(sizes, own.shape, strict=True)]
    return [replace(flow, axes=axes, index_map=np.tile(own, repeats))]


@operator("Identity", "Dropout")
def _same(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """Dropout does nothing in inference; its mask is not given."""
    node.take("ratio"), node.take("seed")
    if len(inputs) > 2 and inputs[2] is not None and not (isinstance(inputs[2], Constant) and not inputs[2].array.any()):
        raise node.refused("it is in training mode; export the model in evaluation mode")
    return [flow_of(inputs[0])]


@operator("ConstantOfShape", "Range", "ReduceProd", "Shape", "Size")
def _of_constants_only(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """The axis pass has worked these out where their inputs are constants, and Shape always."""
    (name, value), *_ = ((name, value) for name, value in zip(node.inputs, inputs, strict=True) if isinstance(value, Flow))
    raise node.refused(
        f"this operator is not understood as part of a stream, and its input {name!r} is {describe(value)}; only constants are "
        "understood here"
    )
