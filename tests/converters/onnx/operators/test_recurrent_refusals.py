"""Recurrent nodes that cannot be streamed, or are broken, are refused by name and reason; onnx.checker accepts many of them."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import ConversionError

onnx = pytest.importorskip("onnx", reason="imports ONNX graphs, and onnx is not installed")

from streamrnn_converters import from_onnx  # noqa: E402
from tests.converters.onnx.onnx_graphs import RecurrentNode, random_node, recurrent_model  # noqa: E402

OPS = ("LSTM", "GRU", "RNN")
BATCH, N_INPUTS, HIDDEN = 2, 3, 5


def node(op: str, **attributes: Any) -> RecurrentNode:
    return random_node(np.random.default_rng(0), op, N_INPUTS, HIDDEN, batch=BATCH, **attributes)


def graph(nodes: RecurrentNode | list[RecurrentNode], **options: Any) -> Any:
    return recurrent_model(nodes, batch=BATCH, n_inputs=N_INPUTS, **options)


def refusal(model: Any) -> str:
    """The message with which a model, or its bytes, are refused."""
    with pytest.raises(ConversionError) as raised:
        from_onnx(model if isinstance(model, bytes) else model.SerializeToString())
    return str(raised.value)


def wrong_shapes(shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Shapes that are not `shape`: one more or less along each axis, an axis more or less, empty, turned around."""
    shapes = {"a number": (), "flat": (int(np.prod(shape)),), "one axis more": (*shape, 1), "one axis before": (1, *shape)}
    shapes |= {"without the first axis": shape[1:], "without the last axis": shape[:-1], "turned around": shape[::-1]}
    for axis, size in enumerate(shape):
        for change, other in (("longer", size + 1), ("doubled", 2 * size), ("shorter", size - 1), ("empty", 0)):
            shapes[f"axis {axis} {change}"] = (*shape[:axis], other, *shape[axis + 1 :])
    return {change: wrong for change, wrong in shapes.items() if wrong != shape}


WRONG_SHAPES = [
    pytest.param(op, layout, name, wrong, id=f"{op}-layout {layout}-{name}-{change}")
    for op in OPS
    for layout in (0, 1)
    for name, tensor in node(op, layout=layout).tensors.items()
    if layout == 0 or name.startswith("initial")
    for change, wrong in wrong_shapes(tensor.shape).items()
]


@pytest.mark.parametrize(("op", "layout", "name", "shape"), WRONG_SHAPES)
def test_a_tensor_of_a_wrong_shape_is_refused_by_the_names_of_node_and_tensor(
    op: str, layout: int, name: str, shape: tuple[int, ...]
) -> None:
    wrong = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    for hidden_size in ({"hidden_size": HIDDEN}, {}):
        broken = node(op, layout=layout).but("hidden_size", **{name: wrong}, **hidden_size)
        message = refusal(graph(broken))
        assert message.startswith(f"node 'my_{op.lower()}' ({op}): ")
        assert re.search(rf"\b{name}\b.*{re.escape(str(shape))}", message)


@pytest.mark.parametrize(("name", "shape"), [("W", (1, 15, 0)), ("R", (1, 0, 0)), ("initial_h", (1, 0, HIDDEN))])
def test_a_tensor_that_is_empty_where_the_graph_leaves_its_size_open_is_refused(name: str, shape: tuple[int, ...]) -> None:
    empty = node("GRU").but("hidden_size", **{name: np.zeros(shape, np.float32)})
    message = refusal(recurrent_model(empty, batch="batch", n_inputs="features"))
    assert message.startswith(f"node 'my_gru' (GRU): its input {name} has shape {shape}, expected (")


@pytest.mark.parametrize(
    ("value", "sizes", "reason"),
    [
        (np.float32(0), [1, "batch", HIDDEN + 1], "its input initial_h has shape (1, "),
        (np.float32(0), [2, "batch", HIDDEN], "its input initial_h has shape (2, "),
        (np.float32(0), ["batch", 1, HIDDEN], "its input initial_h has shape ("),
        (np.float32(0), ["batch", HIDDEN], "its input initial_h has shape ("),
        (np.float32(np.nan), [1, "batch", HIDDEN], "its input initial_h has values that are not finite in float32"),
        (np.int64(1), [1, "batch", HIDDEN], "its input initial_h is of type int64, not of floats"),
    ],
)
def test_a_state_spread_over_an_open_batch_is_checked_like_any_other(value: Any, sizes: list[Any], reason: str) -> None:
    model = recurrent_model(node("GRU"), batch="batch")
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == "initial_h")
    model.graph.initializer.remove(tensor)
    numbers = {"place": [1], **{f"size.{size}": [size] for size in sizes if size != "batch"}}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.array(n, np.int64), name) for name, n in numbers.items())
    made = [
        onnx.helper.make_node("Shape", ["X"], ["shape"]),
        onnx.helper.make_node("Gather", ["shape", "place"], ["size.batch"]),
        onnx.helper.make_node("Concat", [f"size.{size}" for size in sizes], ["sizes"], axis=0),
        onnx.helper.make_node(
            "ConstantOfShape", ["sizes"], ["initial_h"], value=onnx.numpy_helper.from_array(np.array([value]), "value")
        ),
    ]
    nodes = [*made, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert refusal(model).startswith(f"node 'my_gru' (GRU): {reason}")


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "bool", "complex64", "object"])
@pytest.mark.parametrize(("op", "name"), [(op, name) for op in OPS for name in node(op).tensors])
def test_a_tensor_that_is_not_of_floats_is_refused(op: str, name: str, dtype: str) -> None:
    wrong = np.ones(node(op).tensors[name].shape).astype(dtype)
    if dtype == "object":
        wrong = wrong.astype(str).astype(object)  # what strings are to onnx
    message = refusal(graph(node(op).but(**{name: wrong})))
    assert message == f"node 'my_{op.lower()}' ({op}): its input {name} is of type {dtype}, not of floats"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
@pytest.mark.parametrize(("op", "name"), [(op, name) for op in OPS for name in node(op).tensors])
def test_a_value_that_is_not_finite_in_float32_is_refused(op: str, name: str, value: float) -> None:
    wrong = node(op).tensors[name].astype(np.float64 if value == 1e39 else np.float32)
    wrong.flat[wrong.size // 2] = value
    message = refusal(graph(node(op).but(**{name: wrong})))
    assert message.startswith(f"node 'my_{op.lower()}' ({op}): its input {name} has values that are not finite in float32")


@pytest.mark.parametrize("name", ["initial_h", "initial_c"])
@pytest.mark.parametrize("layout", [0, 1])
def test_a_state_that_differs_between_the_signals_of_a_batch_is_refused(name: str, layout: int) -> None:
    states = node("LSTM", layout=layout).tensors[name].copy()
    states.reshape(BATCH, HIDDEN)[1, 3] += 0.1
    message = refusal(graph(node("LSTM", layout=layout).but(**{name: states})))
    assert message.startswith(f"node 'my_lstm' (LSTM): its {name} differs between the signals of the batch")


ANY = [
    ({"direction": "reverse"}, "direction='reverse' cannot be streamed, the backward pass needs the end of the signal"),
    ({"direction": "bidirectional"}, "direction='bidirectional' cannot be streamed"),
    ({"direction": "Forward"}, "direction='Forward' is not one of forward, reverse, bidirectional"),
    ({"direction": 1}, "direction=1 is not of type str"),
    ({"sequence_lens": np.array([7, 7], np.int32)}, "sequence_lens is given"),
    ({"layout": 2}, "layout=2 is neither 0 nor 1"),
    ({"layout": 1.0}, "layout=1.0 is not of type int"),
    ({"hidden_size": HIDDEN + 1}, f"hidden_size={HIDDEN + 1}, but R has shape"),
    ({"hidden_size": [HIDDEN]}, f"hidden_size=[{HIDDEN}] is a list"),
    ({"clip": 0.0}, "clip=0.0 is not positive"),
    ({"clip": -1.0}, "clip=-1.0 is not positive"),
    ({"clip": float("nan")}, "clip=nan is not positive"),
    ({"clip": "1"}, "clip='1' is not of type float"),
    ({"output_sequence": 1}, "attribute 'output_sequence' is not understood"),
    ({"activations": "Tanh"}, "activations='Tanh' is not a list"),
    ({"activations": [1, 2]}, "activations=[1, 2] is not of type str"),
    ({"activations": ["Tanh"] * 4}, "activations=['Tanh', 'Tanh', 'Tanh', 'Tanh'] are 4, expected "),
    ({"activation_alpha": 0.5}, "activation_alpha=0.5 is not a list"),
    ({"activation_beta": ["x"]}, "activation_beta=['x'] is not of type float"),
    ({"activation_alpha": [0.5]}, "activation_alpha has 1 values more than "),
    ({"activation_beta": [0.5, 1.0]}, "activation_beta has 2 values more than "),
]


@pytest.mark.parametrize(("changes", "reason"), ANY)
@pytest.mark.parametrize("op", OPS)
def test_what_no_recurrent_node_can_be_is_refused(op: str, changes: dict[str, Any], reason: str) -> None:
    assert refusal(graph(node(op).but(**changes))).startswith(f"node 'my_{op.lower()}' ({op}): {reason}")


ONE = [
    ("LSTM", {"input_forget": 2}, "input_forget=2 is neither 0 nor 1"),
    ("LSTM", {"input_forget": 1.0}, "input_forget=1.0 is not of type int"),
    ("LSTM", {"linear_before_reset": 1}, "attribute 'linear_before_reset' is not understood"),
    ("GRU", {"linear_before_reset": -1}, "linear_before_reset=-1 is neither 0 nor 1"),
    ("GRU", {"input_forget": 0}, "attribute 'input_forget' is not understood"),
    ("RNN", {"linear_before_reset": 0}, "attribute 'linear_before_reset' is not understood"),
    ("LSTM", {"activations": ["Sigmoid", "Gelu", "Tanh"]}, "activation 'Gelu' is not one of ONNX's: affine, elu, "),
    ("GRU", {"activations": ["Sigmoid"]}, "activations=['Sigmoid'] are 1, expected 2"),
    ("RNN", {"activations": ["Softmax"]}, "activation 'Softmax' is not one of ONNX's"),
    ("RNN", {"activations": ["Elu"], "activation_alpha": [float("nan")]}, "activation 'elu': alpha=nan is not a finite number"),
    ("RNN", {"activations": ["Elu"], "activation_alpha": [float("inf")]}, "activation 'elu': alpha=inf is not a finite number"),
    ("RNN", {"clip": 1e-40}, "rnn layer, clip: 9.99994610111476e-41 is not a positive number"),
    ("RNN", {"activations": ["ScaledTanh"]}, "activation 'ScaledTanh' has no alpha, and ONNX gives it no default"),
    (
        "RNN",
        {"activations": ["ScaledTanh"], "activation_alpha": [1.0]},
        "activation 'ScaledTanh' has no beta, and ONNX gives it no default",
    ),
    (  # as many as there are activations: which is whose is not sure, and onnxruntime would give LeakyRelu the 0
        "GRU",
        {"activations": ["Sigmoid", "LeakyRelu"], "activation_alpha": [0.0, 0.3]},
        "activation_alpha has 1 values more than Sigmoid, LeakyRelu take",
    ),
]


@pytest.mark.parametrize(("op", "changes", "reason"), ONE)
def test_what_this_operator_does_not_have_is_refused(op: str, changes: dict[str, Any], reason: str) -> None:
    assert refusal(graph(node(op).but(**changes))).startswith(f"node 'my_{op.lower()}' ({op}): {reason}")


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("name", ["W", "R"])
def test_missing_weights_are_refused(op: str, name: str) -> None:
    assert refusal(graph(node(op).but(name))) == f"node 'my_{op.lower()}' ({op}): its input {name} is missing"


@pytest.mark.parametrize(("op", "name"), [(op, name) for op in OPS for name in node(op).tensors if "initial" not in name])
def test_a_tensor_that_is_given_when_the_graph_runs_is_refused(op: str, name: str) -> None:
    model = graph(node(op))
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    model.graph.initializer.remove(tensor)
    model.graph.input.append(onnx.helper.make_tensor_value_info(name, tensor.data_type, tensor.dims))
    message = refusal(model)
    assert message.startswith(f"node 'my_{op.lower()}' ({op}): its ")
    assert f"{name} is the signal of graph input '{name}'" in message


def test_the_node_that_is_refused_is_named_among_several() -> None:
    nodes = [replace(random_node(np.random.default_rng(index), "GRU", 3, 3), name=name) for index, name in enumerate("abc")]
    nodes[1] = nodes[1].but("initial_h", clip=-1.0)
    model = recurrent_model(nodes)
    assert refusal(model) == "node 'b' (GRU): clip=-1.0 is not positive"
    model.graph.node[2].name = ""
    assert refusal(model) == "node '#2' (GRU): clip=-1.0 is not positive"


@pytest.mark.parametrize("op", OPS)
def test_more_inputs_or_outputs_than_the_operator_has_are_refused(op: str) -> None:
    limits = {"LSTM": (8, 3)}.get(op, (6, 2))
    for place, what in enumerate(("inputs", "outputs")):
        model = graph(node(op))
        names = getattr(model.graph.node[0], ["input", "output"][place])
        names.extend([""] * (limits[place] - len(names)) + (["W"] if what == "inputs" else ["more"]))
        message = f"it has {limits[place] + 1} {what}, but the operator has {limits[place]}"
        assert refusal(model) == f"node 'my_{op.lower()}' ({op}): {message}"


def test_what_is_given_twice_is_refused() -> None:
    model = graph(node("GRU"))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("hidden_size", HIDDEN))
    assert refusal(model).startswith("node 'my_gru' (GRU): attribute 'hidden_size' is given twice")

    model = graph(node("GRU"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((1, 15, 3), np.float32), "W"))
    assert refusal(model).startswith("initializer 'W': is given 2 times")

    model = graph(node("GRU"))
    model.graph.input.append(model.graph.input[0])
    assert refusal(model).startswith("graph input 'X': is given 2 times")

    for name in ("W", "X", "Y"):
        model = graph(node("GRU"))
        tensor = onnx.numpy_helper.from_array(np.zeros((1, 15, 3), np.float32))
        model.graph.node.insert(0, onnx.helper.make_node("Constant", [], [name], "other", value=tensor))
        assert f"output {name!r} is given twice in the graph" in refusal(model)


@pytest.mark.parametrize("opset", [-1, 0, 1, 6])
def test_an_opset_before_7_is_refused(opset: int) -> None:
    model = graph(node("LSTM"))
    model.opset_import[0].version = opset
    assert refusal(model) == f"opset {opset} is too old, the oldest understood is 7; export with a newer one"


def test_a_model_without_an_opset_or_with_two_is_refused() -> None:
    model = graph(node("LSTM"))
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx", 21))
    assert "does not say, once, which ONNX opset it uses" in refusal(model)
    del model.opset_import[:]
    assert "does not say, once, which ONNX opset it uses" in refusal(model)


def test_a_node_of_another_domain_is_refused_whatever_its_name() -> None:
    model = graph(node("LSTM"))
    model.graph.node[0].domain = "com.microsoft"
    message = (
        "node 'my_lstm' (LSTM): operators of the domain 'com.microsoft' are not understood; import the graph as it was exported"
    )
    assert refusal(model).startswith(message)


@pytest.mark.parametrize("n_axes", [1, 2, 4])
def test_an_input_that_has_not_three_axes_is_refused(n_axes: int) -> None:
    model = graph(node("RNN"))
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [3] * n_axes))
    assert refusal(model).startswith(f"node 'my_rnn' (RNN): its input X has {n_axes} axes, expected 3")


def test_a_node_that_is_not_fed_by_the_signal_is_refused() -> None:
    model = graph(node("RNN"))
    model.graph.node[0].input[0] = ""
    assert refusal(model).startswith("node 'my_rnn' (RNN): its input X is not the signal")


@pytest.mark.parametrize(("number", "kind"), [(16, "BFLOAT16"), (8, "STRING"), (99, "an unknown type")])
def test_an_input_of_another_type_than_floats_is_refused(number: int, kind: str) -> None:
    model = graph(node("RNN"))
    model.graph.input[0].type.tensor_type.elem_type = number
    assert refusal(model).startswith(f"graph input 'X': {kind} cannot be streamed, only FLOAT")


def test_a_node_that_no_output_needs_is_not_asked_for_anything() -> None:
    model = graph(node("GRU").but("B"))
    idle = graph(node("GRU", direction="reverse")).graph.node[0]
    idle.output[:] = ["", "elsewhere"]
    idle.input[3] = ""
    model.graph.node.insert(0, idle)
    assert from_onnx(model.SerializeToString()).output_size == HIDDEN


@pytest.mark.parametrize("op", OPS)
def test_broken_bytes_are_refused_or_read_and_nothing_else_happens(op: str) -> None:
    rng = np.random.default_rng(3)
    whole = np.frombuffer(graph(node(op, clip=0.5)).SerializeToString(), np.uint8)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1000):
        data: NDArray[np.uint8] = whole.copy()
        data[rng.integers(len(data), size=rng.integers(1, 4))] = rng.integers(256)
        if rng.random() < 0.2:
            data = data[: rng.integers(len(data))]
        try:
            from_onnx(data.tobytes())
            outcomes["read"] += 1
        except ConversionError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 50


def test_a_name_that_is_not_text_is_refused() -> None:
    data = graph(node("GRU")).SerializeToString()
    assert data.count(b"my_gru") == 1
    assert refusal(data.replace(b"my_gru", b"my_\xff\xfeu")) == r"name b'my_\xff\xfeu': is not UTF-8; export the model again"


@pytest.mark.parametrize("name", ["value", "value_float", "value_floats", "value_int", "value_ints"])
def test_a_constant_whose_value_is_of_a_wrong_type_is_refused(name: str) -> None:
    model = graph(node("GRU"))
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["more"], "constant", **{name: ["text"]}))
    message = f"attribute {name!r} is of a wrong type; export the model again"
    assert refusal(model) == f"node 'constant' (Constant): {message}"
