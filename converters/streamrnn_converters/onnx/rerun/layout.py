"""A copy of a graph in which time comes first: onnxruntime does not run recurrent nodes with layout=1."""

import onnx

from streamrnn_converters.onnx.recurrent_kinds import RECURRENT_KINDS


def time_first(data: bytes) -> tuple[bytes, list[str]]:
    """The model with every recurrent node of layout=1 replaced by one of layout=0 between transposes, and remarks."""
    model = onnx.load_model_from_string(data)
    nodes, remarks = [], []
    for index, node in enumerate(model.graph.node):
        layout = next((a for a in node.attribute if a.name == "layout"), None)
        if node.op_type not in RECURRENT_KINDS or layout is None or layout.i == 0:
            nodes.append(node)
            continue
        nodes.extend(_between_transposes(node, layout, f"time_first.{index}"))
        remarks.append(f"node {node.name!r} ({node.op_type}): layout=1 was rewritten as layout=0, which onnxruntime can run")
    if not remarks:
        return data, []
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString(), remarks


def _between_transposes(node: onnx.NodeProto, layout: onnx.AttributeProto, suffix: str) -> list[onnx.NodeProto]:
    before, after = [], []
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    inner.attribute.remove(layout)
    for index in (0, 5, 6):  # X, initial_h, initial_c
        if index < len(node.input) and node.input[index]:
            inner.input[index] = f"{node.input[index]}.{suffix}.{index}"
            before.append(onnx.helper.make_node("Transpose", [node.input[index]], [inner.input[index]], perm=[1, 0, 2]))
    for index, order in enumerate(([2, 0, 1, 3], [1, 0, 2], [1, 0, 2])):  # Y, Y_h, Y_c
        if index < len(node.output) and node.output[index]:
            inner.output[index] = f"{node.output[index]}.{suffix}"
            after.append(onnx.helper.make_node("Transpose", [inner.output[index]], [node.output[index]], perm=order))
    return [*before, inner, *after]
