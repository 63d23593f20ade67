"""First stage: bytes to a checked graph of named nodes and constants. Nothing here knows what a node means.

onnx.checker accepts nearly every wrong tensor, so that all that later stages rely on is checked here or there, by name.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.external import with_data_inside
from streamrnn_converters.onnx.tensors import array_of
from streamrnn_converters.onnx.wire import check_wire
from streamrnn_converters.reading import read_file

OLDEST_OPSET = 7
_LONGEST_NAME = 2000
_MOST_NODES = 10_000
_MOST_INPUTS = 1000


@dataclass
class Node:
    """A node; its handler takes the attributes that it understands, and those that are left are refused."""

    name: str
    op: str
    inputs: tuple[str, ...]  # "" where an optional input is left out
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    most_values: int = 1 << 22  # that a constant made by it may have

    def take(self, attribute: str, default: Any = None) -> Any:
        """The value of an attribute, taken off the list of those not understood."""
        return self.attributes.pop(attribute, default)

    def refused(self, reason: str) -> ConversionError:
        """The error for a node that cannot be imported: which, why and what to do."""
        return ConversionError(f"node {self.name!r} ({self.op}): {reason}")


@dataclass(frozen=True)
class Input:
    """A graph input that no initializer fills: name and declared sizes, None where they are open or not told."""

    name: str
    sizes: tuple[int | None, ...]
    type: str = "float32"  # by NumPy's names

    @property
    def is_integer(self) -> bool:
        """Whether it brings integers: places in a table."""
        return self.type in ("int32", "int64")


@dataclass(frozen=True)
class Graph:
    """A checked graph: every name that a node reads is a constant, an input, or the output of a node before it."""

    name: str
    producer: str
    opset: int
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]  # only those that the outputs depend on
    constants: dict[str, NDArray[Any]]
    outside: tuple[str, ...] = ()  # what a graph within a node reads of the one around it


def read_bytes(source: str | os.PathLike[str] | bytes, *, allow_external_data: bool = False) -> bytes:
    """The content of an ONNX file. Raises ConversionError where it cannot be read.

    allow_external_data  tensors may lie in other files in the folder of `source`, then a path; they are put inside
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    data = read_file(source)
    return with_data_inside(_message(data), Path(source)) if allow_external_data else data


def _message(data: bytes) -> onnx.ModelProto:
    """The bytes as protobuf reads them, after a look at what would come of it."""
    check_wire(data)
    try:
        return onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ConversionError(f"not an ONNX model, or a truncated one ({error})") from None


def parse(data: bytes, fixed: Mapping[str, Any] | None = None) -> Graph:
    """The graph in the bytes of an ONNX file, the inputs in `fixed` turned into constants.

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
    constants = _initializers(graph)
    constants |= fixed_inputs(model, fixed or {})
    inputs = tuple(_input(info) for info in graph.input if info.name not in constants)
    if len(inputs) > _MOST_INPUTS:
        raise ConversionError(f"its graph has {len(inputs)} inputs; more than {_MOST_INPUTS} are not read, join them")
    nodes = _nodes(graph, constants, opset)
    outputs = tuple(info.name for info in graph.output)
    _check_names(nodes, {*constants, *(i.name for i in inputs)}, outputs)
    producer = f"{model.producer_name} {model.producer_version}".strip()
    return Graph(graph.name, producer, opset, inputs, outputs, needed(nodes, outputs), constants)


def _bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graphs within the nodes of a graph; those within them again are not understood."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g


def _initializers(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    """The constants of a graph, each given once, as its inputs are."""
    if graph.sparse_initializer:
        raise ConversionError("sparse initializers are not understood; export dense ones")
    for what, entries in (("initializer", graph.initializer), ("graph input", graph.input)):
        for name, count in Counter(entry.name for entry in entries).items():
            if count > 1:
                raise ConversionError(f"{what} {name!r}: is given {count} times; export the model again")
    return {tensor.name: array_of(tensor, f"initializer {tensor.name!r}") for tensor in graph.initializer}


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
    return Input(info.name, _sizes(info), _TYPES[tensor.elem_type])


def _sizes(info: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    dims = info.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims)


def fixed_inputs(model: onnx.ModelProto, fixed: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The values of graph inputs that are really constants, in the type and shape that each declares."""
    given = {info.name: info for info in model.graph.input}
    arrays = {}
    for name, value in fixed.items():
        if name not in given:
            raise ConversionError(f"constant {name!r}: the graph has no such input; it has {', '.join(map(repr, given))}")
        try:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(given[name].type.tensor_type.elem_type)
            array = np.asarray(value)
            if array.dtype.kind not in "biuf" or (array.astype(dtype) != array).any():
                raise ValueError(f"it is not of type {dtype}")
            sizes = _sizes(given[name])
            shape = array.shape if None in sizes else tuple(size for size in sizes if size is not None)
            arrays[name] = np.broadcast_to(array.astype(dtype), shape).copy()
            if arrays[name].ndim != len(sizes):
                raise ValueError(f"it has {array.ndim} axes, expected {len(sizes)}")
        except (KeyError, TypeError, ValueError) as error:
            raise ConversionError(f"constant {name!r}: {value!r} does not fit the graph input ({error})") from None
    return arrays


def _nodes(graph: onnx.GraphProto, constants: dict[str, NDArray[Any]], opset: int, *, is_body: bool = False) -> list[Node]:
    """The nodes, Constant nodes put among the constants.

    A Loop or Scan has its body, a `Graph`, among its attributes, and behind its own inputs what the body reads from outside.
    """
    nodes = []
    most_values = Node.most_values + sum(array.size for array in constants.values())
    given = {*constants, *(info.name for info in graph.input)}
    for index, proto in enumerate(graph.node):
        node = Node(proto.name or f"#{index}", proto.op_type, tuple(proto.input), tuple(proto.output), {}, most_values)
        if proto.domain not in ("", "ai.onnx"):
            raise node.refused(f"operators of the domain {proto.domain!r} are not understood")
        _check_inputs(node, opset)
        for attribute in proto.attribute:
            if attribute.name in node.attributes:
                raise node.refused(f"attribute {attribute.name!r} is given twice; export the model again")
            is_loop = node.op in ("Loop", "Scan") and not is_body
            if is_loop and attribute.name == "body" and attribute.type == onnx.AttributeProto.GRAPH:
                body = _body(node, attribute.g, opset)
                node = replace(node, inputs=_with_outside(node, body))
                node.attributes[attribute.name] = body
                continue
            node.attributes[attribute.name] = _attribute(node, attribute)
        if node.op == "Constant":
            value = _constant(node)
            if node.outputs[0] in given:
                raise node.refused(f"its output {node.outputs[0]!r} is given twice in the graph; export it again")
            given.add(node.outputs[0])
            constants[node.outputs[0]] = value
        else:
            nodes.append(node)
    return nodes


def _check_inputs(node: Node, opset: int) -> None:
    """The node has at least the inputs that ONNX demands of its operator, so that whoever looks at them need not ask."""
    try:
        least = onnx.defs.get_schema(node.op, min(opset, onnx.defs.onnx_opset_version())).min_input
    except onnx.defs.SchemaError:  # nobody understands it
        return
    if len(node.inputs) < least:
        raise node.refused(f"has {len(node.inputs)} inputs, but the operator takes {least} at least; export the model again")


def _body(node: Node, graph: onnx.GraphProto, opset: int) -> Graph:
    """The graph within a Loop or Scan; what it reads from outside stands behind its inputs, of unknown sizes."""
    constants = _initializers(graph)
    if len(graph.input) > _MOST_INPUTS:
        raise node.refused(f"its body has {len(graph.input)} inputs; more than {_MOST_INPUTS} are not read")
    inputs = [Input(info.name, _sizes(info)) for info in graph.input]
    nodes = _nodes(graph, constants, opset, is_body=True)
    outputs = tuple(info.name for info in graph.output)
    own = {*constants, *(entry.name for entry in inputs)}
    given = own | {name for inner in nodes for name in inner.outputs}
    read = dict.fromkeys(name for inner in nodes for name in inner.inputs if name and name not in given)
    read |= dict.fromkeys(name for name in outputs if name not in given)
    _check_names(nodes, own | set(read), outputs)
    return Graph(graph.name, "", opset, tuple(inputs), outputs, needed(nodes, outputs), constants, tuple(read))


def _with_outside(node: Node, body: Graph) -> tuple[str, ...]:
    if node.op == "Loop":
        node = replace(node, inputs=node.inputs + ("",) * (2 - len(node.inputs)))
    if len(node.inputs) != len(body.inputs):
        raise node.refused(f"has {len(node.inputs)} inputs, and its body {len(body.inputs)}; they must be as many")
    return (*node.inputs, *body.outside)


def _attribute(node: Node, attribute: onnx.AttributeProto) -> Any:
    if attribute.ref_attr_name:
        raise node.refused(f"attribute {attribute.name!r} refers to a function's; export with functions inlined")
    if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
        raise node.refused("graphs within nodes are understood of a Loop or Scan alone; export a graph without control flow")
    if attribute.type == onnx.AttributeProto.TENSOR:
        return array_of(attribute.t, f"node {node.name!r} ({node.op}), attribute {attribute.name!r}")
    try:
        value = onnx.helper.get_attribute_value(attribute)
    except ValueError as error:
        raise node.refused(f"attribute {attribute.name!r} cannot be read ({error})") from None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in value]
    return value


def _constant(node: Node) -> NDArray[Any]:
    if len(node.outputs) != 1 or len(node.attributes) != 1:
        raise node.refused("one value and one output are expected")
    ((name, value),) = node.attributes.items()
    kinds: dict[str, tuple[type, Any]] = {
        "value": (np.ndarray, None),
        "value_float": (float, np.float32),
        "value_floats": (list, np.float32),
        "value_int": (int, np.int64),
        "value_ints": (list, np.int64),
    }
    if name not in kinds:
        raise node.refused(f"attribute {name!r} is not understood")
    kind, dtype = kinds[name]
    try:
        if isinstance(value, kind):
            return np.asarray(value, dtype)
    except ValueError:
        pass
    raise node.refused(f"attribute {name!r} is of a wrong type; export the model again")


def _check_names(nodes: list[Node], given: set[str], outputs: tuple[str, ...]) -> None:
    """Every name is given once and before it is read, which excludes cycles too."""
    produced = Counter(name for node in nodes for name in node.outputs if name)
    for node in nodes:
        for name in node.outputs:
            if name and (produced[name] > 1 or name in given):
                raise node.refused(f"its output {name!r} is given twice in the graph; export it again")
    known, everything = set(given), given | produced.keys()
    for node in nodes:
        body = node.attributes.get("body")
        if isinstance(body, Graph):
            inside = {*body.constants, *(entry.name for entry in body.inputs), *(o for n in body.nodes for o in n.outputs)} - {
                ""
            }
            if again := sorted(inside & everything):
                raise node.refused(f"its body gives {again[0]!r}, which the graph around it gives too; export it again")
        missing = [name for name in node.inputs if name and name not in known]
        if missing:
            raise node.refused(f"reads {missing[0]!r}, which nothing before it gives; export the model again")
        known.update(node.outputs)
    for name in outputs:
        if name not in known:
            raise ConversionError(f"graph output {name!r}: nothing in the graph gives it; export the model again")
    if not outputs:
        raise ConversionError("the graph has no outputs; export the model again")


def needed(nodes: Sequence[Node], outputs: tuple[str, ...]) -> tuple[Node, ...]:
    """The nodes on which the outputs depend."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            kept.append(node)
            wanted.update(filter(None, node.inputs))
    return tuple(reversed(kept))
