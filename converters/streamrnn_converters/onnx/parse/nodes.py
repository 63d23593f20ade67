"""The nodes of a graph, with the graphs within them: of a Loop or Scan, each checked as the one around it."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.graph import Graph, Input, Node, check_names, needed
from streamrnn_converters.onnx.parse import onnxruntime_nodes
from streamrnn_converters.onnx.parse.tensors import array_of

#: Inputs that a graph may have.
MOST_INPUTS = 1000


def initializers(graph: onnx.GraphProto) -> dict[str, NDArray[Any]]:
    """The constants of a graph, each given once, as its inputs are."""
    if graph.sparse_initializer:
        raise ConversionError("sparse initializers are not understood; export dense ones")
    for what, entries in (("initializer", graph.initializer), ("graph input", graph.input)):
        for name, count in Counter(entry.name for entry in entries).items():
            if count > 1:
                raise ConversionError(f"{what} {name!r}: is given {count} times; export the model again")
    return {tensor.name: array_of(tensor, f"initializer {tensor.name!r}") for tensor in graph.initializer}


def sizes_of(info: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    """The sizes that a graph declares of a value, None where they are open or not told."""
    dims = info.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims)


def nodes_of(graph: onnx.GraphProto, constants: dict[str, NDArray[Any]], opset: int, within: str = "") -> list[Node]:
    """The nodes of a graph. Constant nodes are added to `constants` instead.

    A Loop or Scan has its body, a `Graph`, among its attributes, and an If its two branches. After its own inputs come the
    names that these read from outside.

    within  the operator in which the graph is, "" for none: an If may be anywhere, a Loop or Scan only outside of all others
    """
    nodes = []
    most_values = Node.most_values + sum(array.size for array in constants.values())
    given = {*constants, *(info.name for info in graph.input)}
    for index, proto in enumerate(graph.node):
        node = Node(proto.name or f"#{index}", proto.op_type, tuple(proto.input), tuple(proto.output), {}, most_values)
        if proto.domain not in ("", "ai.onnx", onnxruntime_nodes.DOMAIN):
            raise onnxruntime_nodes.not_understood(node, proto.domain)
        if " " in node.op:  # as the importer's own operators have
            raise node.refused("this is no operator of ONNX; export the model again")
        for attribute in proto.attribute:
            if attribute.name in node.attributes:
                raise node.refused(f"attribute {attribute.name!r} is given twice; export the model again")
            is_loop = node.op in ("Loop", "Scan") and not within and proto.domain != onnxruntime_nodes.DOMAIN
            if is_loop and attribute.name == "body" and attribute.type == onnx.AttributeProto.GRAPH:
                body = _body(node, attribute.g, opset)
                node = replace(node, inputs=_with_outside(node, body))
                node.attributes[attribute.name] = body
                continue
            is_choice = node.op == "If" and attribute.name in ("then_branch", "else_branch")
            if is_choice and attribute.type == onnx.AttributeProto.GRAPH:
                branch = _body(node, attribute.g, opset)
                node = replace(node, inputs=(*node.inputs, *branch.outside))
                node.attributes[attribute.name] = branch
                continue
            node.attributes[attribute.name] = _attribute(node, attribute)
        for own in onnxruntime_nodes.in_onnx(node) if proto.domain == onnxruntime_nodes.DOMAIN else [node]:
            if own.op != "Constant":
                _check_form(own, opset)
                nodes.append(own)
                continue
            value = _constant(own)
            if own.outputs[0] in given:
                raise node.refused(f"its output {own.outputs[0]!r} is given twice in the graph; export it again")
            given.add(own.outputs[0])
            constants[own.outputs[0]] = value
    return nodes


def _check_form(node: Node, opset: int) -> None:
    """The node has the inputs that ONNX demands of its operator, and attributes of its types: nobody else has to check."""
    try:
        schema = onnx.defs.get_schema(node.op, min(opset, onnx.defs.onnx_opset_version()))
    except onnx.defs.SchemaError:  # an unknown operator is refused later
        return
    if len(node.inputs) < schema.min_input:
        least = f"the operator takes {schema.min_input} at least"
        raise node.refused(f"has {len(node.inputs)} inputs, but {least}; export the model again")
    for name, value in node.attributes.items():
        kind = schema.attributes[name].type if name in schema.attributes else None
        if kind not in _PYTHON_TYPES:
            continue
        of, repeated = _PYTHON_TYPES[kind]
        shown = f"{name}={repr(value)[:60]}" if isinstance(value, int | float | str | list) else f"attribute {name!r}"
        if isinstance(value, list) != repeated:
            raise node.refused(f"{shown} is {'not a list' if repeated else 'a list'}; export the model again")
        if not all(isinstance(item, of) for item in (value if repeated else [value])):
            raise node.refused(f"{shown} is not of type {of.__name__}; export the model again")


_Type = onnx.defs.OpSchema.AttrType
#: ONNX's types of attributes -> those that `_attribute` gives, and whether in a list.
_PYTHON_TYPES: dict[Any, tuple[type, bool]] = {
    _Type.FLOAT: (float, False),
    _Type.FLOATS: (float, True),
    _Type.GRAPH: (Graph, False),
    _Type.INT: (int, False),
    _Type.INTS: (int, True),
    _Type.STRING: (str, False),
    _Type.STRINGS: (str, True),
    _Type.TENSOR: (np.ndarray, False),
}


def _body(node: Node, graph: onnx.GraphProto, opset: int) -> Graph:
    """The graph within a Loop, Scan or If; after its inputs come those that it reads from outside, of unknown sizes."""
    constants = initializers(graph)
    if len(graph.input) > MOST_INPUTS:
        raise node.refused(f"its body has {len(graph.input)} inputs; more than {MOST_INPUTS} are not read")
    inputs = [Input(info.name, sizes_of(info), _type_of(info)) for info in graph.input]
    nodes = nodes_of(graph, constants, opset, node.op)
    outputs = tuple(info.name for info in graph.output)
    own = {*constants, *(entry.name for entry in inputs)}
    given = own | {name for inner in nodes for name in inner.outputs}
    read = dict.fromkeys(name for inner in nodes for name in inner.inputs if name and name not in given)
    read |= dict.fromkeys(name for name in outputs if name not in given)
    check_names(nodes, own | set(read), outputs)
    return Graph(graph.name, "", opset, tuple(inputs), outputs, needed(nodes, outputs), constants, outside=tuple(read))


def _type_of(info: onnx.ValueInfoProto) -> str:
    """The type of a tensor by NumPy's name; "" for something else, or where it is not told."""
    try:
        return str(onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))
    except (KeyError, TypeError, ValueError):
        return ""


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
        raise node.refused("graphs within nodes are only understood in a Loop or Scan; export a graph without control flow")
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
