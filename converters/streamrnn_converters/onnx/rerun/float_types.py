"""A copy of a graph that computes in float32, the only type in which onnxruntime runs recurrent nodes, or in float64."""

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

_NAMES = {TensorProto.DOUBLE: "float64", TensorProto.FLOAT16: "float16"}


def to_float32(data: bytes) -> tuple[bytes, list[str]]:
    """The model with FLOAT instead of DOUBLE and FLOAT16, in declarations, casts and tensors, and remarks."""
    model = onnx.load_model_from_string(data)
    graphs = list(_graphs(model.graph))
    found = {info.type.tensor_type.elem_type for graph in graphs for info in (*graph.input, *graph.output)}
    found |= {cast.i for cast in _casts(graphs)}
    others = [name for number, name in _NAMES.items() if number in found]
    if not others:
        return data, []
    _retype(graphs, set(_NAMES), TensorProto.FLOAT)
    return model.SerializeToString(), [_remark(others)]


def to_float64(data: bytes) -> onnx.ModelProto:
    """The model with DOUBLE instead of FLOAT, for an evaluator that has every operator in it."""
    model = onnx.load_model_from_string(data)
    _retype(list(_graphs(model.graph)), {TensorProto.FLOAT}, TensorProto.DOUBLE)
    return model


def _retype(graphs: list[onnx.GraphProto], types: set[int], wanted: int) -> None:
    """Replace types by another in declarations, casts and tensors."""
    for graph in graphs:
        for info in (*graph.input, *graph.output, *graph.value_info):
            if info.type.tensor_type.elem_type in types:
                info.type.tensor_type.elem_type = wanted
    for cast in _casts(graphs):
        if cast.i in types:
            cast.i = wanted
    for tensor in _tensors(graphs):
        if tensor.data_type in types:
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and the comparison fails
                array = numpy_helper.to_array(tensor).astype(onnx.helper.tensor_dtype_to_np_dtype(wanted))
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and those within its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _casts(graphs: Iterable[onnx.GraphProto]) -> Iterator[onnx.AttributeProto]:
    """The target types of all Cast nodes."""
    for graph in graphs:
        for node in graph.node:
            if node.op_type == "Cast":
                yield from (attribute for attribute in node.attribute if attribute.name == "to")


def _tensors(graphs: Iterable[onnx.GraphProto]) -> Iterator[onnx.TensorProto]:
    for graph in graphs:
        yield from graph.initializer
        for node in graph.node:
            yield from (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _remark(others: list[str]) -> str:
    remark = f"onnxruntime runs a copy of the graph in float32, in place of {' and '.join(others)}"
    return f"{remark}: it tells seven digits" if "float64" in others else remark
