"""Bytes to a checked graph of named nodes and constants. Nothing here knows what a node means.

onnx.checker accepts nearly every wrong tensor, so that everything that later stages rely on is checked here, by name.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Graph, Input, check_names, needed
from streamrnn_converters.onnx.parse.dequantised import dequantise
from streamrnn_converters.onnx.parse.external import with_data_inside
from streamrnn_converters.onnx.parse.nodes import MOST_INPUTS, initializers, nodes_of, sizes_of
from streamrnn_converters.onnx.parse.wire import check_wire
from streamrnn_converters.reading import read_file

OLDEST_OPSET = 7
_LONGEST_NAME = 2000
_MOST_NODES = 10_000


def read_bytes(source: str | os.PathLike[str] | bytes, *, allow_external_data: bool = False) -> bytes:
    """The content of an ONNX file. Raises ConversionError where it cannot be read.

    allow_external_data  tensors may be in other files in the folder of `source`, which then is a path; they are read into it
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    data = read_file(source)
    return with_data_inside(_message(data), Path(source)) if allow_external_data else data


def _message(data: bytes) -> onnx.ModelProto:
    """The bytes as protobuf reads them, after a check of how much memory that takes."""
    check_wire(data)
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ConversionError(f"not an ONNX model, or a truncated one ({error})") from None


def parse(data: bytes, fixed: Mapping[str, Any] | None = None) -> Graph:
    """The graph in the bytes of an ONNX file. The inputs in `fixed` become constants, and open sizes in it are declared.

    Raises ConversionError for anything broken, external or nested, and for a constant that does not fit.
    """
    model = _message(data)
    if not model.graph.node:
        raise ConversionError("not an ONNX model, or an empty one: its graph has no nodes")
    n_nodes = sum(len(graph.node) for graph in (model.graph, *_bodies(model.graph)))
    if n_nodes > _MOST_NODES:
        raise ConversionError(f"its graph has {n_nodes} nodes; more than {_MOST_NODES} are not read, simplify it")
    if model.functions:
        raise ConversionError(
            f"function {model.functions[0].name!r}: local functions are not understood; export with them inlined"
        )
    graph = model.graph
    opset = _opset(model)
    _check_text([model.producer_name, model.producer_version], [graph, *_bodies(graph)])
    remarks = tuple(dequantise(model))
    constants = initializers(graph)
    fixed = _without_sizes(graph, constants, fixed or {})
    defaults = tuple(_declared(info) for info in graph.input if info.name in constants and model.ir_version >= 4)
    constants |= fixed_inputs(model, fixed)
    inputs = tuple(_input(info) for info in graph.input if info.name not in constants)
    if len(inputs) > MOST_INPUTS:
        raise ConversionError(f"its graph has {len(inputs)} inputs; more than {MOST_INPUTS} are not read, join them")
    nodes = nodes_of(graph, constants, opset)
    outputs = tuple(info.name for info in graph.output)
    check_names(nodes, {*constants, *(i.name for i in inputs)}, outputs)
    producer = f"{model.producer_name} {model.producer_version}".strip()
    declared = {info.name: _declared(info) for info in graph.output if info.type.tensor_type.HasField("shape")}
    return Graph(
        graph.name, producer, opset, inputs, outputs, needed(nodes, outputs), constants, declared, defaults, remarks=remarks
    )


def _bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graphs within the nodes of a graph, and those within these."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
                yield from _bodies(attribute.g)


def _check_text(names: list[Any], graphs: Sequence[onnx.GraphProto]) -> None:
    """Every name is UTF-8; protobuf gives bytes where one is not."""
    for graph in graphs:
        names.append(graph.name)
        names += [entry.name for entries in (graph.node, graph.initializer, graph.input, graph.output) for entry in entries]
        names += [name for node in graph.node for name in (node.op_type, node.domain, *node.input, *node.output)]
        names += [attribute.name for node in graph.node for attribute in node.attribute]
    for name in names:
        if isinstance(name, str) and len(name) > _LONGEST_NAME:
            raise ConversionError(f"name {name[:20]!r}…: has {len(name)} characters; more than {_LONGEST_NAME} are not read")
        if not isinstance(name, str):
            raise ConversionError(f"name {name!r}: is not UTF-8; export the model again")


def _opset(model: onnx.ModelProto) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1:
        raise ConversionError("the model does not say, once, which ONNX opset it uses; export it again")
    if versions[0] < OLDEST_OPSET:
        raise ConversionError(
            f"opset {versions[0]} is too old, the oldest understood is {OLDEST_OPSET}; export with a newer one"
        )
    return int(versions[0])


#: ONNX's numbers of the types that an input may have, to NumPy's names.
_TYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT16: "float16",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
}


def _input(info: onnx.ValueInfoProto) -> Input:
    tensor = info.type.tensor_type
    known = {number: name for name, number in TensorProto.DataType.items()}
    kind = known.get(tensor.elem_type, "an unknown type") if info.type.HasField("tensor_type") else "not a tensor"
    if tensor.elem_type not in _TYPES:
        raise ConversionError(
            f"graph input {info.name!r}: {kind} cannot be streamed, only FLOAT, DOUBLE and FLOAT16; export the model in float32"
        )
    open_sizes = tuple(dim.dim_param for dim in tensor.shape.dim if dim.dim_param)
    return Input(info.name, sizes_of(info), _TYPES[tensor.elem_type], open_sizes)


def _declared(info: onnx.ValueInfoProto) -> Input:
    """What a graph says of an output; the type is "" where it does not say one."""
    kind = info.type.tensor_type.elem_type
    return Input(info.name, sizes_of(info), _TYPES.get(kind, "another type" if kind else ""))


def _without_sizes(graph: onnx.GraphProto, constants: Collection[str], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """What is fixed but for open sizes of graph inputs, by their names: those are declared in the graph then."""
    taken, sizes = {*constants, *(info.name for info in graph.input)}, set()
    for dim in (dim for info in graph.input for dim in info.type.tensor_type.shape.dim):
        name = dim.dim_param
        if name not in fixed or name in taken:
            continue
        size = fixed[name]
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < 1 << 31:
            raise ConversionError(f"constant {name!r}: {size!r} is no size of a graph input, which is a whole number from 1 on")
        dim.dim_value = size
        sizes.add(name)
    return {name: value for name, value in fixed.items() if name not in sizes}


def fixed_inputs(model: onnx.ModelProto, fixed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Graph inputs fixed to values, in the type and shape that each declares."""
    given = {info.name: info for info in model.graph.input}
    arrays = {}
    for name, value in fixed.items():
        if name not in given:
            raise ConversionError(
                f"constant {name!r}: the graph has no such input, nor an open size of that name; it has the inputs "
                f"{', '.join(map(repr, given))}"
            )
        try:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(given[name].type.tensor_type.elem_type)
            array = np.asarray(value)
            if array.dtype.kind not in "biuf" or (array.astype(dtype) != array).any():
                raise ValueError(f"it is not of type {dtype}")
            sizes = sizes_of(given[name])
            shape = array.shape if None in sizes else tuple(size for size in sizes if size is not None)
            arrays[name] = np.broadcast_to(array.astype(dtype), shape).copy()
            if arrays[name].ndim != len(sizes):
                raise ValueError(f"it has {array.ndim} axes, expected {len(sizes)}")
        except (KeyError, TypeError, ValueError) as error:
            raise ConversionError(f"constant {name!r}: {value!r} does not fit the graph input ({error})") from None
    return arrays
