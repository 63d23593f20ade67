"""A copy of a graph that computes in float32: onnxruntime runs recurrent nodes in no other type of its own."""

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

_NAMES = {TensorProto.DOUBLE: "float64", TensorProto.FLOAT16: "float16"}


def in_single(data: bytes) -> tuple[bytes, list[str]]:
    """The model with FLOAT in place of DOUBLE and FLOAT16, weights and casts included, and what to say of it."""
    model = onnx.load_model_from_string(data)
    graphs = list(_graphs(model.graph))
    nodes = [node for graph in graphs for node in graph.node]
    ends = [info.type.tensor_type for graph in graphs for info in (*graph.input, *graph.output)]
    casts = [cast for node in nodes if node.op_type == "Cast" for cast in node.attribute if cast.name == "to"]
    found = {kind.elem_type for kind in ends} | {cast.i for cast in casts}
    others = [name for number, name in _NAMES.items() if number in found]
    if not others:
        return data, []
    for kind in [*ends, *(info.type.tensor_type for graph in graphs for info in graph.value_info)]:
        if kind.elem_type in _NAMES:
            kind.elem_type = TensorProto.FLOAT
    for cast in casts:
        if cast.i in _NAMES:
            cast.i = TensorProto.FLOAT
    _narrow(tensor for graph in graphs for tensor in graph.initializer)
    _narrow(attribute.t for node in nodes for attribute in node.attribute if attribute.HasField("t"))
    remark = f"onnxruntime runs a copy of the graph in float32, in place of {' and '.join(others)}"
    if "float64" in others:
        remark += ": it tells seven digits"
    return model.SerializeToString(), [remark]


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those within its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _narrow(tensors: Iterable[onnx.TensorProto]) -> None:
    for tensor in tensors:
        if tensor.data_type in _NAMES:
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and the comparison fails
                array = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
