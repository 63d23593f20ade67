"""What nodes give for known arrays, by onnx's own evaluator: initial states that an exporter left to be computed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from streamrnn_converters.onnx.graph import Node


def evaluated(nodes: Sequence[Node], known: Mapping[str, NDArray[Any]], opset: int, name: str) -> NDArray[Any] | None:
    """The value of a name after some nodes; None where they read what is not known, or onnx cannot compute them."""
    made = {output for node in nodes for output in node.outputs}
    reads = {read for node in nodes for read in node.inputs if read and read not in made}
    if not reads <= known.keys():
        return None
    kinds = {read: onnx.helper.np_dtype_to_tensor_dtype(known[read].dtype) for read in reads}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(node.op, node.inputs, node.outputs, **_attributes(node)) for node in nodes],
        "known",
        [onnx.helper.make_tensor_value_info(read, kind, known[read].shape) for read, kind in kinds.items()],
        [onnx.ValueInfoProto(name=name)],
    )
    try:
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
        (result,) = ReferenceEvaluator(model).run(None, {read: known[read] for read in reads})
    except Exception:  # its operators raise many types
        return None
    return np.asarray(result)


def _attributes(node: Node) -> dict[str, Any]:
    """The attributes as onnx takes them."""
    return {
        key: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for key, value in node.attributes.items()
    }
