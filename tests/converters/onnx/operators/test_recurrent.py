"""LSTM, GRU and RNN nodes, imported and streamed, against the operators' definitions in float64 and against onnxruntime."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import Stream
from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="imports ONNX graphs, and onnx is not installed")

from streamrnn_converters import from_onnx  # noqa: E402
from streamrnn_converters.onnx import read_onnx  # noqa: E402
from tests.converters.onnx.definition import ALPHAS, BETAS, DEFAULTS, FUNCTIONS, defined  # noqa: E402
from tests.converters.onnx.onnx_graphs import NEWEST_OPSET, RecurrentNode, random_node, recurrent_model  # noqa: E402

Array = NDArray[Any]
TOLERANCE = 5e-6
OPS = ("LSTM", "GRU", "RNN")


def streamed(model: "onnx.ModelProto", x: Array, layout: int = 0) -> list[Array]:
    """Y, Y_h and Y_c of the last node, from the imported model: half of each signal by step, the rest as a chunk."""
    imported = from_onnx(model.SerializeToString())
    ys, ends = [], []
    for signal in x if layout else x.swapaxes(0, 1):
        stream, half = Stream(imported), len(signal) // 2
        ys.append(np.concatenate([[stream.step(row) for row in signal[:half]], stream.process(signal[half:])]))
        ends.append(stream.states[-1])
    Y = np.array(ys)
    states = [np.array([end[name] for end in ends]) for name in ends[0]]
    if layout:
        return [Y[:, :, None], *(state[:, None] for state in states)]
    return [Y.swapaxes(0, 1)[:, None], *(state[None] for state in states)]


def by_onnxruntime(model: "onnx.ModelProto", x: Array) -> list[Array]:
    """What onnxruntime computes, of any version that knows opset 22."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results: list[Array] = session.run(None, {"X": x})
    return results


def error(results: Sequence[Array], expected: Sequence[Array]) -> float:
    """The largest, of values and states; relative to the largest of them where that is above 1, so that LSTMs whose
    activations are not bounded may grow.
    """
    assert [result.shape for result in results] == [wanted.shape for wanted in expected]
    scale = max(1.0, *(float(np.abs(wanted).max()) for wanted in expected))
    largest = max(float(np.abs(result - wanted).max()) for result, wanted in zip(results, expected, strict=True))
    return largest / scale


def signal(rng: np.random.Generator, n_steps: int, batch: int, n_inputs: int, layout: int) -> Array:
    return rng.normal(size=(batch, n_steps, n_inputs) if layout else (n_steps, batch, n_inputs)).astype(np.float32)


def parameters(*names: str) -> dict[str, list[Any]]:
    """`activations` with an alpha and a beta for each function that has one."""
    alphas = [sum(ALPHAS[name]) / 2 for name in names if name in ALPHAS]
    betas = [sum(BETAS[name]) / 2 for name in names if name in BETAS]
    return {"activations": list(names), "activation_alpha": alphas, "activation_beta": betas}


def present(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes without empty lists, which onnx.helper cannot give a type."""
    return {name: value for name, value in attributes.items() if value != []}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("op", "place"), [(op, place) for op in OPS for place in range(len(DEFAULTS[op]))])
def test_every_activation_has_its_meaning_at_every_place(op: str, place: int, name: str) -> None:
    rng = np.random.default_rng(1)
    names = [*DEFAULTS[op][:place], name, *DEFAULTS[op][place + 1 :]]
    x = signal(rng, 10, 2, 3, 0)
    node = random_node(rng, op, 3, 6, batch=2, gain=0.7, **present(parameters(*names)))
    model = recurrent_model(node, batch=2)
    expected = defined(node, x)
    assert error(streamed(model, x), expected) <= TOLERANCE
    assert error(by_onnxruntime(model, x), expected) <= TOLERANCE
    if name != "ScaledTanh":
        node = node.but("activation_alpha", "activation_beta")
        assert error(streamed(recurrent_model(node, batch=2), x), defined(node, x)) <= TOLERANCE


@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_names_of_activations_are_read_in_any_case_as_onnxruntime_does(spelled: Any) -> None:
    names = ["HardSigmoid", "LeakyRelu", "Softsign"]
    node = random_node(np.random.default_rng(2), "LSTM", 2, 4, **parameters(*names))
    other = node.but(activations=[spelled(name) for name in names])
    x = signal(np.random.default_rng(3), 10, 1, 2, 0)
    assert error(streamed(recurrent_model(other), x), defined(node, x)) <= TOLERANCE
    assert error(by_onnxruntime(recurrent_model(other), x), defined(node, x)) <= TOLERANCE


@pytest.mark.parametrize("opset", range(7, NEWEST_OPSET + 1))
@pytest.mark.parametrize("op", OPS)
def test_every_opset_from_7_on_is_read(op: str, opset: int) -> None:
    rng = np.random.default_rng(opset)
    nodes = [random_node(rng, op, 2, 5), random_node(rng, op, 5, 4)]
    model, x = recurrent_model(nodes, opset=opset), signal(rng, 12, 1, 2, 0)
    onnx.checker.check_model(model)
    inner = defined(nodes[0], x)[0][:, 0]
    assert error(streamed(model, x), defined(nodes[1], inner)) <= TOLERANCE


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("batch", [2, "batch"])
def test_stacked_nodes_feed_each_other_and_end_in_states_of_their_own(batch: int | str, layout: int) -> None:
    rng = np.random.default_rng(5)
    sizes = [3, 7, 4, 9, 2]
    nodes = [
        random_node(rng, op, n_inputs, hidden, batch=2, layout=layout)
        for op, n_inputs, hidden in zip(("LSTM", "GRU", "RNN", "LSTM"), sizes, sizes[1:], strict=False)
    ]
    nodes[1] = nodes[1].but(linear_before_reset=1)
    x = signal(rng, 20, 2, 3, layout)
    model = recurrent_model(nodes, batch=batch)
    stream = Stream(from_onnx(model.SerializeToString()))
    stream.process(x[1] if layout else x[:, 1])
    flowing = x
    for node, ours in zip(nodes, stream.states, strict=True):
        expected = defined(node, flowing)
        flowing = expected[0][:, :, 0] if layout else expected[0][:, 0]
        ends = [end[1, 0] if layout else end[0, 1] for end in expected[1:]]
        assert error(list(ours.values()), ends) <= TOLERANCE
    assert error(streamed(model, x, layout), expected) <= TOLERANCE


def everything(op: str) -> RecurrentNode:
    """A node that uses all that its operator has."""
    names = ["HardSigmoid", "ScaledTanh", "Affine"] if op == "LSTM" else ["HardSigmoid", "ScaledTanh"]
    attributes: dict[str, Any] = {"clip": 0.4, **parameters(*(["ScaledTanh"] if op == "RNN" else names))}
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    return random_node(np.random.default_rng(7), op, 3, 4, **attributes)


def changes(op: str) -> dict[str, RecurrentNode]:
    """Nodes that each differ from `everything` in one thing: a number of one gate in one tensor, an attribute."""
    whole = everything(op)
    different = {}
    for name, tensor in whole.tensors.items():
        rows = tensor.reshape(-1, tensor.shape[-1]) if tensor.ndim == 3 else tensor.reshape(-1, 1)
        for row in range(0, len(rows), 4):
            other = rows.copy()
            other[row] += 0.2
            different[f"{name}, row {row}"] = whole.but(**{name: other.reshape(tensor.shape)})
        different[f"{name}, left out"] = whole.but(name) if name not in ("W", "R") else whole.but(**{name: tensor * 0.9})
    for name in ("activation_alpha", "activation_beta"):
        for place, value in enumerate(whole.attributes[name]):
            other_values = [*whole.attributes[name]]
            other_values[place] = value + 0.1
            different[f"{name}[{place}]"] = whole.but(**{name: other_values})
    different["activations"] = whole.but("activations", "activation_alpha", "activation_beta")
    different["clip"] = whole.but(clip=0.3)
    different["clip, left out"] = whole.but("clip")
    if op == "LSTM":
        different["input_forget"] = whole.but(input_forget=1)
    if op == "GRU":
        different["linear_before_reset"] = whole.but(linear_before_reset=0)
    return different


@pytest.mark.parametrize(("op", "change"), [(op, change) for op in OPS for change in changes(op)])
def test_no_tensor_and_no_attribute_is_ignored(op: str, change: str) -> None:
    x = signal(np.random.default_rng(8), 12, 1, 3, 0)
    node = changes(op)[change]
    before, after = (streamed(recurrent_model(each), x) for each in (everything(op), node))
    assert max(float(np.abs(a - b).max()) for a, b in zip(before, after, strict=True)) > 1e-4
    assert error(after, defined(node, x)) <= TOLERANCE
    assert error(after, by_onnxruntime(recurrent_model(node), x)) <= TOLERANCE


@pytest.mark.parametrize("op", OPS)
def test_layout_says_which_axis_is_the_time_where_sizes_do_not(op: str) -> None:
    x = signal(np.random.default_rng(9), 4, 4, 4, 0)
    axes = []
    for layout in (0, 1):
        node = random_node(np.random.default_rng(10), op, 4, 4, batch=4, layout=layout)
        model = recurrent_model(node, batch=4, n_steps=4)
        assert error(streamed(model, x, layout), defined(node, x)) <= TOLERANCE
        axes.append(read_onnx(model.SerializeToString()).input.axes)
    assert axes == [("time", "batch", "feature"), ("batch", "time", "feature")]


@pytest.mark.parametrize("op", OPS)
def test_a_clip_bounds_preactivations_on_both_sides(op: str) -> None:
    node = random_node(np.random.default_rng(11), op, 2, 5, clip=0.25, gain=9.0)
    x = 10 * signal(np.random.default_rng(12), 20, 1, 2, 0)
    results = streamed(recurrent_model(node), x)
    assert error(results, defined(node, x)) <= TOLERANCE
    if op == "RNN":
        assert np.abs(np.unique(results[0])[[0, -1]] - [-np.tanh(0.25), np.tanh(0.25)]).max() <= TOLERANCE


@pytest.mark.parametrize("clip", [3.3e38, float("inf")])
def test_a_clip_that_bounds_nothing_is_none(clip: float) -> None:
    node = random_node(np.random.default_rng(13), "GRU", 2, 3)
    with_clip, without = (from_onnx(recurrent_model(each).SerializeToString()) for each in (node.but(clip=clip), node))
    assert with_clip.fingerprint == without.fingerprint


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("way", ["nodes", "overridable", "empty-names"])
def test_weights_are_found_wherever_a_graph_keeps_them(op: str, way: str) -> None:
    node = random_node(np.random.default_rng(14), op, 2, 3)
    if way == "empty-names":
        node = node.but("B", "initial_h", "initial_c")
    model, x = recurrent_model(node), signal(np.random.default_rng(15), 8, 1, 2, 0)
    graph = model.graph
    if way == "nodes":
        made = [onnx.helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in graph.initializer]
        nodes = [*made, *graph.node]
        del graph.initializer[:], graph.node[:]
        graph.node.extend(nodes)
    if way == "overridable":
        for tensor in graph.initializer:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    if way == "empty-names":
        inputs = [*graph.node[0].input]
        del graph.node[0].input[:]
        graph.node[0].input.extend([*inputs, *[""] * ((8 if op == "LSTM" else 6) - len(inputs))])
    assert error(streamed(model, x), defined(node, x)) <= TOLERANCE


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("op", OPS)
def test_initial_states_may_be_spread_over_an_open_batch(op: str, layout: int) -> None:
    node = random_node(np.random.default_rng(20), op, 2, 3, batch=2, layout=layout)
    model = recurrent_model(node, batch="batch")
    graph = model.graph
    made = [
        onnx.helper.make_node("Shape", ["X"], ["shape"]),
        onnx.helper.make_node("Gather", ["shape", "place"], ["size"]),
        onnx.helper.make_node("Concat", ["size", "ones"] if layout else ["one", "size", "one"], ["sizes"], axis=0),
    ]
    numbers = {"place": [1 - layout], "one": [1], "ones": [1, 1]}
    graph.initializer.extend(onnx.numpy_helper.from_array(np.array(n), name) for name, n in numbers.items())
    for tensor in graph.initializer:
        if tensor.name.startswith("initial"):
            row = onnx.numpy_helper.to_array(tensor).reshape(-1, 1, 3)[:1]
            made.append(onnx.helper.make_node("Expand", [f"{tensor.name}.row", "sizes"], [tensor.name]))
            tensor.CopyFrom(onnx.numpy_helper.from_array(row, f"{tensor.name}.row"))
    nodes = [*made, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    x = signal(np.random.default_rng(21), 8, 2, 2, layout)
    assert error(streamed(model, x, layout), defined(node, x)) <= TOLERANCE
    if layout == 0:
        assert error(by_onnxruntime(model, x), defined(node, x)) <= TOLERANCE


@pytest.mark.parametrize("op", OPS)
def test_a_node_in_double_keeps_sixteen_digits(op: str) -> None:
    rng = np.random.default_rng(22)
    node = random_node(rng, op, 2, 5)
    node = node.but(**{name: rng.normal(size=tensor.shape) / 3 for name, tensor in node.tensors.items()})
    model, x = recurrent_model(node), rng.normal(size=(30, 1, 2))
    for end in (*model.graph.input, *model.graph.output):
        end.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    results = streamed(model, x)
    assert all(result.dtype == np.float64 for result in results)
    assert error(results, defined(node, x)) <= 1e-14
    assert "converted" not in " ".join(read_onnx(model.SerializeToString()).remarks)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_weights_of_other_float_types_are_converted_with_a_remark(op: str, dtype: str) -> None:
    node = random_node(np.random.default_rng(16), op, 2, 3)
    node = node.but(**{name: tensor.astype(dtype) for name, tensor in node.tensors.items()})
    model, x = recurrent_model(node), signal(np.random.default_rng(17), 8, 1, 2, 0)
    assert error(streamed(model, x), defined(node, x)) <= TOLERANCE
    remarks = " ".join(read_onnx(model.SerializeToString()).remarks)
    for name in node.tensors:
        assert f"node 'my_{op.lower()}' ({op}): {name} was converted from {dtype} to float32" in remarks


@pytest.mark.parametrize("name", ["Affine", "ThresholdedRelu"])
def test_a_parameter_left_out_has_the_default_of_onnx_and_a_remark_tells_what_onnxruntime_takes(name: str) -> None:
    node = random_node(np.random.default_rng(18), "RNN", 2, 5, gain=0.8, activations=[name])
    model, x = recurrent_model(node), 2 * signal(np.random.default_rng(19), 8, 1, 2, 0)
    assert error(streamed(model, x), defined(node, x)) <= TOLERANCE
    missing = "alpha and beta" if name == "Affine" else "alpha"
    remarks = read_onnx(model.SerializeToString()).remarks
    assert any(f"'my_rnn' (RNN): {name} has no {missing}: ONNX's default" in remark for remark in remarks)
    zeros = node.but(**{f"activation_{parameter}": [0.0] for parameter in missing.split(" and ")})
    assert error(by_onnxruntime(model, x), defined(zeros, x)) <= TOLERANCE
