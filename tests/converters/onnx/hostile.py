"""Files that want to do harm, made by hand: few bytes of which much would come, and graphs that lie."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.converters.onnx.loop_graphs import looped
from tests.converters.onnx.onnx_graphs import random_node, recurrent_model

#: Fields of the messages, by their numbers in onnx.proto.
GRAPH, NODE, INITIALIZER, VALUE_INFO = 7, 1, 5, 13
ATTRIBUTE, NODE_INPUT, SUBGRAPH = 5, 1, 6
INT32, STRINGS, INT64 = 5, 6, 7
INT4 = TensorProto.INT4


def varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def good(op: str = "GRU", hidden: int = 5, **options: Any) -> onnx.ModelProto:
    """A model that imports; `opset` is not the newest, for operators in their old forms."""
    node = random_node(np.random.default_rng(0), op, 3, hidden)
    return recurrent_model(node, **options)


def nested(depth: int) -> bytes:
    """Graphs within attributes of nodes within graphs."""
    content = b""
    for _ in range(depth):
        content = field(NODE, field(ATTRIBUTE, field(SUBGRAPH, content)))
    return field(GRAPH, content)


def initializer(**fields: Any) -> bytes:
    """A good model with one more initializer."""
    model = good()
    model.graph.initializer.append(TensorProto(name="more", **fields))
    return model.SerializeToString()  # type: ignore[no-any-return]


def weights(value: float, hidden: int) -> bytes:
    """A model of 3 · hidden² recurrent weights, the last of which has this value."""
    model = good(hidden=hidden)
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == "R")
    array = numpy_helper.to_array(tensor).copy()
    array.flat[-1] = value
    tensor.CopyFrom(numpy_helper.from_array(array, "R"))
    return model.SerializeToString()  # type: ignore[no-any-return]


def shaped(op: str, n: int, **attributes: Any) -> bytes:
    """A model whose initial state is what an operator makes of a shape of two large sizes."""
    model = good()
    (state,) = (tensor for tensor in model.graph.initializer if tensor.name == "initial_h")
    model.graph.initializer.remove(state)
    for name, value in (("sizes", [n, n]), ("one", [1.0]), ("zero", 0), ("many", n), ("step", 1)):
        array = np.array(value, np.float32 if name == "one" else np.int64)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    inputs = {"ConstantOfShape": ["sizes"], "Range": ["zero", "many", "step"], "OneHot": ["sizes", "many", "sizes"]}
    made = helper.make_node(op, inputs.get(op, ["one", "sizes"]), ["initial_h"], **attributes)
    nodes = [made, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()  # type: ignore[no-any-return]


def doubled(times: int) -> bytes:
    """A constant joined with itself, and that with itself, and so on."""
    model = good()
    joined = [helper.make_node("Concat", [f"twice{k}"] * 2, [f"twice{k + 1}"], axis=0) for k in range(times)]
    joined.append(helper.make_node("Identity", [f"twice{times}"], ["initial_h"]))
    (state,) = (tensor for tensor in model.graph.initializer if tensor.name == "initial_h")
    state.name = "twice0"
    nodes = [*joined, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()  # type: ignore[no-any-return]


def chain(op: str, n: int, **attributes: Any) -> bytes:
    """A good model behind whose output `n` nodes stand in a row."""
    model = good()
    name = "Y"
    for k in range(n):
        inputs = [name] * (2 if op == "Add" else 1)
        model.graph.node.append(helper.make_node(op, inputs, [f"Y.{k}"], **attributes))
        name = f"Y.{k}"
    model.graph.output[0].name = name
    return model.SerializeToString()  # type: ignore[no-any-return]


def conditions(n: int) -> bytes:
    """A Loop whose condition is asked twice for each of `n` others, one behind the other."""
    model = onnx.load_model_from_string(looped())
    body = next(attribute for node in model.graph.node for attribute in node.attribute if attribute.name == "body").g
    for k in range(n):
        name = body.output[0].name
        body.node.append(helper.make_node("And", [name, name], [f"and{k}"]))
        body.output[0].name = f"and{k}"
    return model.SerializeToString()  # type: ignore[no-any-return]


def products(n: int) -> bytes:
    """A product with a matrix, to which constants are added one after the other."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y0"])]
    nodes += [helper.make_node("Add", [f"y{k}", "b"], [f"y{k + 1}"]) for k in range(n)]
    nodes.append(helper.make_node("Sigmoid", [f"y{n}"], ["y"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy"]
    constants = [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in (("w", (4, 4)), ("b", (4,)))]
    graph = helper.make_graph(nodes, "products", ends[:1], ends[1:], constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()  # type: ignore[no-any-return]


def wide(op: str, n: int, **attributes: Any) -> bytes:
    """A good model with a node of as many inputs, or as many outputs."""
    model = good()
    inputs, outputs = (["Y"], [f"Y.{k}" for k in range(n)]) if op == "Split" else (["Y"] * n, ["Z"])
    model.graph.node.append(helper.make_node(op, inputs, outputs, **attributes))
    model.graph.output[0].name = outputs[-1]
    return model.SerializeToString()  # type: ignore[no-any-return]


def many_inputs(n: int) -> bytes:
    model = good()
    for k in range(n):
        model.graph.input.append(helper.make_tensor_value_info(f"x{k}", TensorProto.FLOAT, ["n_steps", 1, 1, 5]))
        model.graph.node.append(helper.make_node("Add", [f"y{k - 1}" if k else "Y", f"x{k}"], [f"y{k}"]))
    model.graph.output[0].name = f"y{n - 1}"
    return model.SerializeToString()  # type: ignore[no-any-return]


def many_outputs(n: int) -> bytes:
    model = good()
    for k in range(n):
        model.graph.node.append(helper.make_node("Tanh", ["Y"], [f"y{k}"]))
        model.graph.output.append(helper.make_tensor_value_info(f"y{k}", TensorProto.FLOAT, None))
    return model.SerializeToString()  # type: ignore[no-any-return]


def cells(n: int) -> bytes:
    """Recurrent nodes in a row."""
    rng = np.random.default_rng(0)
    nodes = [random_node(rng, "RNN", 1, 1) for _ in range(n)]
    return recurrent_model(nodes).SerializeToString()  # type: ignore[no-any-return]


def large_input(size: int, n: int) -> bytes:
    """Functions in a row of a step of so many values."""
    nodes = [helper.make_node("Tanh" if k % 2 else "Neg", [f"x{k}"], [f"x{k + 1}"]) for k in range(n)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "n_steps", size]) for name in ("x0", f"x{n}")]
    graph = helper.make_graph(nodes, "large", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()  # type: ignore[no-any-return]


def long_name() -> bytes:
    model = good()
    model.graph.node[0].name = "n" * 5_000_000
    return model.SerializeToString()  # type: ignore[no-any-return]


MANY = 5_000_000


def over_time_and_bands(op: str, *sizes: int, bands: int = 8, **attributes: Any) -> bytes:
    """A node behind an input (1, 2, time, bands) that also reads weights of these sizes, or these integers."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, "time", bands]) for name in "xy"]
    value = np.ones(sizes, np.float32) if op.startswith("Conv") else np.array(sizes, np.int64)
    nodes = [helper.make_node(op, ["x", "value"], ["y"], **attributes)]
    graph = helper.make_graph(nodes, "bands", ends[:1], ends[1:], [numpy_helper.from_array(value, "value")])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()  # type: ignore[no-any-return]


def resized(size: int) -> bytes:
    """Bands resized to so many."""
    model = onnx.load_model_from_string(over_time_and_bands("Resize", 1, 2, 1, size))
    model.graph.node[0].input[:] = ["x", "", "", "value"]
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1
    return model.SerializeToString()  # type: ignore[no-any-return]


def squared_size(times: int) -> bytes:
    """A size that is not known, multiplied with itself, and one more, and so on, as the length of a state."""
    model = good()
    nodes = [helper.make_node("Shape", ["x"], ["size0"])]
    for k in range(times):
        nodes.append(helper.make_node("Mul", [f"size{k}"] * 2, [f"square{k}"]))
        nodes.append(helper.make_node("Add", [f"square{k}", "one"], [f"size{k + 1}"]))
    nodes.append(helper.make_node("Expand", ["initial_h", f"size{times}"], ["long"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    model.graph.node[0].input[5] = "long"
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model.SerializeToString()  # type: ignore[no-any-return]


#: Each is refused. What the message says.
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "an empty one"),
    "noise": (lambda: np.random.default_rng(0).bytes(20_000_000), "not an ONNX model"),
    "zeros": (lambda: bytes(20_000_000), "not an ONNX model"),
    "truncated": (lambda: good().SerializeToString()[:-100], "not an ONNX model, or a truncated one"),
    "empty-nodes": (lambda: field(GRAPH, field(NODE, b"") * MANY), "more parts"),
    "empty-attributes": (lambda: field(GRAPH, field(NODE, field(ATTRIBUTE, b"") * MANY)), "more parts"),
    "empty-inputs": (lambda: field(GRAPH, field(NODE, field(NODE_INPUT, b"") * MANY)), "more parts"),
    "empty-initializers": (lambda: field(GRAPH, field(INITIALIZER, b"") * MANY), "more parts"),
    "empty-value-infos": (lambda: field(GRAPH, field(VALUE_INFO, b"") * MANY), "more parts"),
    "empty-strings": (lambda: field(GRAPH, field(INITIALIZER, field(STRINGS, b"") * MANY)), "more parts"),
    "unknown-fields": (lambda: varint(999 << 3) + b"\0" + (varint(999 << 3) + b"\0") * MANY, "more parts"),
    "small-integers": (lambda: field(GRAPH, field(INITIALIZER, field(INT64, bytes(10_000_000)))), "more integers"),
    "small-shorts": (lambda: field(GRAPH, field(INITIALIZER, field(INT32, bytes(20_000_000)))), "more integers"),
    "deep": (lambda: nested(40), "nested more than 24 deep"),
    "very-deep": (lambda: nested(3000), "nested more than 24 deep"),
    "dims-overflow": (lambda: initializer(dims=[2**62, 2**62], data_type=1, raw_data=b"1234"), "does not fit its shape"),
    "dims-product-zero": (lambda: initializer(dims=[2**32, 2**32], data_type=1, raw_data=b""), "does not fit its shape"),
    "dims-huge": (lambda: initializer(dims=[2**40], data_type=1, float_data=[1.0]), "does not fit its shape"),
    "dims-huge-halves": (lambda: initializer(dims=[2**40], data_type=INT4, int32_data=[1]), "does not fit its shape"),
    "dims-negative": (lambda: initializer(dims=[-1], data_type=1, raw_data=b""), "has a negative size"),
    "dims-many": (lambda: initializer(dims=[1] * 10_000, data_type=1, raw_data=b"1234"), "has 10000 axes"),
    "type-unknown": (lambda: initializer(dims=[1], data_type=99, raw_data=b"1234"), "its type 99"),
    "long-name": (long_name, "has 5000000 characters"),
    "nan": (lambda: weights(float("nan"), 2000), "not finite"),
    "infinity": (lambda: weights(float("inf"), 500), "not finite"),
    "constant-of-shape": (lambda: shaped("ConstantOfShape", 2**31), ""),
    "expand": (lambda: shaped("Expand", 2**31), ""),
    "tile": (lambda: shaped("Tile", 2**31), ""),
    "range": (lambda: shaped("Range", 2**40), ""),
    "one-hot": (lambda: shaped("OneHot", 2**31), ""),
    "doubled": (lambda: doubled(40), ""),
    "taps-far-apart": (
        lambda: over_time_and_bands("Conv", 2, 2, 3, 3, dilations=[2**38, 1], pads=[2**39, 1, 0, 1]),
        "that are allowed",
    ),
    "taps-too-far-apart": (lambda: over_time_and_bands("Conv", 2, 2, 3, 3, dilations=[2**61, 1]), "do not fit"),
    "transposed-taps-far-apart": (
        lambda: over_time_and_bands("ConvTranspose", 2, 2, 3, 3, dilations=[2**30, 1], pads=[0, 1, 2**31, 1]),
        "that are allowed",
    ),
    "late": (lambda: over_time_and_bands("Pad", 0, 0, 2**40, 0, 0, 0, -(2**40), 0), ""),
    "padded-bands": (lambda: over_time_and_bands("Pad", 0, 0, 0, 2**40, 0, 0, 0, 0), ""),
    "resized": (lambda: resized(2**30), "that are allowed"),
    "squared-size": (lambda: squared_size(60), ""),
    "too-many-inputs": (lambda: many_inputs(2_000), "has 2001 inputs"),
    "many-unknown-nodes": (lambda: chain("NoSuchOperator", 9_000), "operator is not understood"),
    "too-many-nodes": (lambda: chain("Identity", 20_000), "has 20001 nodes"),
}  # fmt: skip

#: Long graphs of which nothing is wrong but the length: they import or are refused.
LONG: dict[str, Callable[[], bytes]] = {
    "identities": lambda: chain("Identity", 5_000),
    "functions": lambda: chain("Tanh", 5_000),
    "conditions": lambda: conditions(5_000),
    "sums": lambda: chain("Add", 5_000),
    "products-summed": lambda: products(4_000),
    "transposes": lambda: chain("Transpose", 5_000, perm=[0, 1, 2, 3]),
    "one-sum-of-many": lambda: wide("Sum", 20_000),
    "one-join-of-many": lambda: wide("Concat", 20_000, axis=3),
    "many-outputs": lambda: wide("Split", 20_000),
    "many-graph-inputs": lambda: many_inputs(999),
    "many-graph-outputs": lambda: many_outputs(5_000),
    "many-cells": lambda: cells(1_000),
    "large-input": lambda: large_input(260_000, 2_000),
    "large-steps": lambda: large_input(5_000, 5_000),
}
