"""One step of a loop in a graph over time: of a row the axis of time is gone, and it comes back where all steps are given."""

from dataclasses import replace

from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.importer import Importer, Inputs, operator
from streamrnn_converters.onnx.operators.over_time import count_of
from streamrnn_converters.onnx.operators.shape_ops import flow_of
from streamrnn_converters.onnx.own_nodes import LAST, ROW, STEPS
from streamrnn_converters.onnx.values import Value


@operator(ROW, STEPS)
def _step(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    """A state of a layer after a step is there at every step."""
    flow, axes = flow_of(inputs[0]), importer.axes_of(node)
    flow = replace(flow, parts=tuple(importer.readable(node, part) for part in flow.parts))
    if flow.time.late > 0:
        raise node.refused(f"goes over what looks {count_of(flow.time.late)} ahead, and cannot wait for it; export it without")
    if flow.time.rate > 1:
        raise node.refused(
            f"goes over a signal with a step for every {flow.time.rate} rows; export it without a stride before it"
        )
    if flow.last or flow.time.surplus:
        raise node.refused("goes over a signal that has more steps than the input, or only the last one")
    return [replace(flow, axes=axes, index_map=flow.index_map.reshape(importer.roles.extents(axes)))]


@operator(LAST)
def _last(importer: Importer, node: Node, inputs: Inputs) -> list[Value]:
    return [replace(flow_of(inputs[0]), last=True)]
