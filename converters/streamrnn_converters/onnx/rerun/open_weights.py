"""A copy of a graph whose weights are inputs with a default, so that onnxruntime can be given others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

_OLDEST_IR = 4  # since then an initializer may be overridden only if it is an input too


@dataclass(frozen=True)
class OpenWeight:
    """A constant of floats in a graph, and the nodes that read it."""

    name: str
    array: NDArray[Any]
    readers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name!r} of the graph, read by {' and '.join(self.readers)}"


def open_weights(data: bytes) -> tuple[bytes, list[OpenWeight]]:
    """The graph in float32, its float initializers and constants as inputs that need not be given, and what they are."""
    model = onnx.load_model_from_string(data)
    graph = model.graph
    for node in list(graph.node):
        tensor = next((a.t for a in node.attribute if a.name == "value" and a.HasField("t")), None)
        if node.op_type == "Constant" and tensor is not None and tensor.data_type == TensorProto.FLOAT:
            graph.initializer.add().CopyFrom(tensor)
            graph.initializer[-1].name = node.output[0]
            graph.node.remove(node)
    weights = []
    inputs = {info.name for info in graph.input}
    for tensor in graph.initializer:
        readers = tuple(_readers(graph, tensor.name))
        if tensor.data_type == TensorProto.FLOAT and readers:
            array = numpy_helper.to_array(tensor)
            if array.size:
                weights.append(OpenWeight(tensor.name, array, readers))
            if tensor.name not in inputs:
                graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, array.shape))
    model.ir_version = max(model.ir_version, _OLDEST_IR)
    return model.SerializeToString(), weights


def _readers(graph: onnx.GraphProto, name: str) -> Iterator[str]:
    """The nodes that read a value, also from within their bodies."""
    for index, node in enumerate(graph.node):
        inside = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
        if name in node.input or any(True for body in inside for _ in _readers(body, name)):
            yield f"node {node.name or f'#{index}'!r} ({node.op_type})"
