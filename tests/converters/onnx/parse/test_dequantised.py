"""Graphs whose weights are integers become graphs of floats: each weight bit for bit, and each signal without rounding.

The files are those of onnxruntime.quantization (tests/converters/fixtures/make_quantized.py). What a weight is,
onnxruntime's own DequantizeLinear says.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamrnn import ConversionError, Embedding, Model, Stream
from streamrnn.gates import reorder
from streamrnn.target.machine import this_machine
from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof.trials import Case
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch, refusal

FILES = Path(__file__).parents[2] / "fixtures" / "quantized"
STREAMED = sorted(path.stem for path in FILES.glob("*.onnx") if path.stem != "gru-qoperator")


def constants(name: str) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(FILES / f"{name}.onnx").graph.initializer}


def by_onnxruntime(q: NDArray[Any], scale: NDArray[Any], zero: NDArray[Any], axis: int = 1) -> NDArray[Any]:
    """scale · (q − zero point), by onnxruntime."""
    names = ["q", "scale", "zero"]
    tensors = [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in zip(names, (q, scale, zero), strict=True)]
    node = helper.make_node("DequantizeLinear", names, ["y"], axis=axis)
    graph = helper.make_graph([node], "one", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    answer: NDArray[Any] = session.run(None, {})[0]
    return answer


@pytest.mark.parametrize("name", ["lstm-dynamic", "lstm-dynamic-per-channel", "lstm-dynamic-unsigned"])
def test_weights_of_a_dynamic_lstm_are_the_floats_that_its_integers_stand_for(name: str) -> None:
    lstm, hidden, head = read_onnx(FILES / f"{name}.onnx").model.layers
    given = constants(name)
    for own, tensor in ((lstm.input_weights, "W"), (lstm.recurrent_weights, "R")):
        scale, zero = given[f"{tensor}_scale"].ravel(), given[f"{tensor}_zero_point"].ravel()
        per_tensor = scale.size == 1
        floats = by_onnxruntime(given[f"{tensor}_quantized"][0], *(a[0] if per_tensor else a for a in (scale, zero)))
        assert np.array_equal(own, reorder(floats.T.reshape(4, own.shape[1], -1), "lstm", "onnx"))
    for layer, tensor in ((hidden, "M"), (head, "N")):
        names = (f"{tensor}_quantized", f"{tensor}_scale", f"{tensor}_zero_point")
        assert np.array_equal(layer.weights, by_onnxruntime(*(given[own] for own in names)).T)


@pytest.mark.parametrize("name", ["gru-qdq", "gru-qdq-per-channel"])
def test_weights_behind_dequantize_linear_are_the_floats_that_it_gives(name: str) -> None:
    dense = [layer for layer in read_onnx(FILES / f"{name}.onnx").model.layers if layer.kind == "dense"]
    given = constants(name)
    for layer, tensor in zip(dense, "MN", strict=True):
        names = (f"{tensor}_quantized", f"{tensor}_scale", f"{tensor}_zero_point")
        assert np.array_equal(layer.weights, by_onnxruntime(*(given[own] for own in names)).T)


def test_rows_of_a_table_keep_the_scale_for_the_weights_behind_them() -> None:
    table, head = read_onnx(FILES / "embedding-dynamic.onnx").model.layers
    given = constants("embedding-dynamic")
    assert isinstance(table, Embedding)
    whole = given["table_quantized"].astype(np.float32) - given["table_zero_point"]
    assert np.array_equal(table.table, whole)
    scale = given["table_scale"] * given["M_scale"]
    assert np.array_equal(head.weights, ((given["M_quantized"].astype(np.float32) - given["M_zero_point"]) * scale).T)


#: Graphs that multiply signed weights of 8 bits with unsigned inputs. On an x86-64 CPU without VNNI onnxruntime adds two such
#: products in 16 bits, where they saturate: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
SIGNED = ("embedding-dynamic", "lstm-dynamic", "lstm-dynamic-per-channel")
SATURATES = this_machine().architecture == "x86_64" and not any(map(this_machine().has, ("avx512vnni", "avxvnni")))


@pytest.mark.few(3)
@pytest.mark.parametrize("name", STREAMED)
def test_a_graph_of_integers_is_proven_as_floats_and_its_own_rounding_is_told(name: str) -> None:
    data = (FILES / f"{name}.onnx").read_bytes()
    report = verify(from_onnx(data), data, cases=(Case("normal", 1.0, 60),))
    assert report.proven, report
    told = [remark for remark in report.remarks if "the graph of integers differs" in remark]
    assert len(told) == 1
    moved = float(told[0].split("floats by ")[1].split()[0])
    assert moved > 0
    if not SATURATES or name not in SIGNED:
        assert moved < 0.05  # outputs are about 1: gates in a wrong order, or a lost zero point, would move them further


def with_rounding(g: Sketch, x: str, scale: float, zero: NDArray[Any]) -> str:
    q = g.add("QuantizeLinear", x, np.float32(scale), zero)
    return str(g.add("DequantizeLinear", q, np.float32(scale), zero))


def test_a_rounded_signal_keeps_to_the_range_of_its_integers() -> None:
    g = Sketch("BF", "B")
    model = from_onnx(g.bytes(g.add("Mul", with_rounding(g, "x", 0.01, np.array(-128, np.int8)), np.float32(2))))
    y = Stream(model).step(np.array([-3, 0.5, 9], np.float32))
    np.testing.assert_allclose(y, [0, 1, 2 * 2.55], rtol=1e-6)


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
def test_recurrent_nodes_read_weights_through_dequantize_linear(op: str) -> None:
    g = Sketch()
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    rng = np.random.default_rng(0)
    w = rng.integers(-127, 128, (1, gates * HIDDEN, INPUTS), np.int8)
    r = rng.integers(0, 256, (1, gates * HIDDEN, HIDDEN), np.uint8)
    scales = rng.uniform(0.001, 0.01, gates * HIDDEN).astype(np.float32)
    zeros = np.zeros(gates * HIDDEN, np.int8)
    own = [
        g.add("DequantizeLinear", w, scales, zeros, axis=1),
        g.add("DequantizeLinear", r, np.float32(0.003), np.array(131, np.uint8)),
    ]
    y = g.add(op, "x", *own, n=2, hidden_size=HIDDEN)[0]
    (layer,) = from_onnx(g.bytes(g.squeezed(y, 1))).layers
    floats = by_onnxruntime(w, scales, zeros, axis=1).reshape(gates, HIDDEN, INPUTS)
    assert np.array_equal(layer.input_weights, reorder(floats, op.lower(), "onnx") if op != "RNN" else floats)
    floats = by_onnxruntime(r, np.float32(0.003), np.array(131, np.uint8)).reshape(gates, HIDDEN, HIDDEN)
    assert np.array_equal(layer.recurrent_weights, reorder(floats, op.lower(), "onnx") if op != "RNN" else floats)


def test_weights_that_a_graph_rounds_itself_are_rounded_as_onnxruntime_does() -> None:
    g = Sketch("BF", "B")
    w, zero = g.draw(INPUTS, 2), np.array(3, np.int8)
    model = from_onnx(g.bytes(g.add("MatMul", "x", with_rounding(g, g.constant(w), 0.01, zero))))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # else it rounds x too
    session = onnxruntime.InferenceSession(g.bytes(*g.outputs), options, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": np.eye(INPUTS, dtype=np.float32)})[0]
    (layer,) = model.layers
    np.testing.assert_allclose(layer.weights.T, expected, rtol=2e-7)


SCALE, ZERO = np.float32(0.1), np.array(0, np.int8)
REFUSED: dict[str, tuple[Any, str]] = {
    "sums": (lambda g: g.add("Add", g.add("QuantizeLinear", "x", SCALE, ZERO), ZERO), "computes with the integers of a signal"),
    "another scale": (
        lambda g: g.add("DequantizeLinear", g.add("QuantizeLinear", "x", SCALE, ZERO), np.float32(0.2), ZERO),
        "is not that with which the signal was rounded",
    ),
    "integers out": (lambda g: g.add("QuantizeLinear", "x", SCALE, ZERO), "gives integers, which stand for numbers"),
    "a scale for each value": (
        lambda g: g.add("QuantizeLinear", "x", g.draw(INPUTS), np.zeros(INPUTS, np.int8)),
        "a scale for each of its values",
    ),
    "floats of 8 bits": (
        lambda g: g.add("QuantizeLinear", "x", SCALE, g.add("Cast", ZERO, to=TensorProto.FLOAT8E4M3FN)),
        "is not a constant",
    ),
    "blocks": (
        lambda g: g.add(
            "MatMul", "x", g.add("DequantizeLinear", np.ones((INPUTS, 2), np.int8), g.draw(INPUTS, 2), block_size=1)
        ),
        "attribute 'block_size' is not understood",
    ),
    "an input of integers": (lambda g: g.add("DequantizeLinear", "x", SCALE, ZERO), "neither constant weights nor a signal"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_integers_that_are_not_understood_are_refused_by_node_and_reason(what: str) -> None:
    draw, reason = REFUSED[what]
    g = Sketch("BF", "B")
    assert reason in refusal(g.bytes(draw(g)))


def test_integers_between_nodes_are_refused_with_a_remedy() -> None:
    with pytest.raises(ConversionError, match=r"'hidden_quant' \(QLinearMatMul\): computes with integers .*QuantFormat.QDQ"):
        from_onnx(FILES / "gru-qoperator.onnx")


def test_onnxruntime_s_fused_product_becomes_a_dense_layer() -> None:
    g = Sketch("BF", "B")
    q, scale, zero, bias = np.full((INPUTS, 2), 7, np.int8), np.float32([0.5, 0.25]), np.array([1, 2], np.int8), g.draw(2)
    y = g.add("DynamicQuantizeMatMul", "x", q, scale, zero, bias, domain="com.microsoft")
    (layer,) = from_onnx(with_domain(g.bytes(y))).layers
    assert np.array_equal(layer.weights.T, by_onnxruntime(q, scale, zero))
    assert np.array_equal(layer.bias, bias)


def with_domain(data: bytes) -> bytes:
    model = onnx.load_model_from_string(data)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return bytes(model.SerializeToString())


def test_a_model_of_floats_is_left_as_it_is() -> None:
    g = Sketch()
    assert isinstance(from_onnx(g.bytes(g.rnn("x")[0])), Model)
    assert not read_onnx(g.bytes(g.rnn("x")[0])).remarks
