"""Copies of a graph give what it gives: with weights as inputs, with the outputs of all nodes, in float64."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'streamrnn[convert]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="runs graphs by onnxruntime, which is not installed")

from streamrnn_converters.onnx.rerun.float_types import to_float64  # noqa: E402
from streamrnn_converters.onnx.rerun.inner_outputs import with_inner_outputs  # noqa: E402
from streamrnn_converters.onnx.rerun.open_weights import open_weights  # noqa: E402
from tests.converters.onnx.loop_graphs import scanned  # noqa: E402
from tests.converters.onnx.sketch import INPUTS, N_SIGNALS, N_STEPS, good_file  # noqa: E402

X = np.random.default_rng(0).normal(size=(N_STEPS, N_SIGNALS, INPUTS)).astype(np.float32)


def session(data: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def test_weights_as_inputs_have_defaults_and_can_be_given() -> None:
    data = good_file()
    copy, weights = open_weights(data)
    assert [weight.array.shape for weight in weights] == [(1, 12, INPUTS), (1, 12, 4), (1, 24), (4, 2), (2,)]
    assert str(weights[0]) == "'c0' of the graph, read by node 'my_GRU' (GRU)"
    opened = session(copy)
    (expected,), (same,) = session(data).run(None, {"x": X}), opened.run(None, {"x": X})
    assert np.array_equal(same, expected)
    for weight in weights:
        (other,) = opened.run(None, {"x": X, weight.name: 2 * weight.array})
        assert not np.array_equal(other, expected)


def test_weights_that_a_body_reads_belong_to_its_node() -> None:
    for weight in open_weights(scanned())[1]:
        assert all("(Scan)" in reader for reader in weight.readers)


def test_a_graph_with_inner_outputs_gives_each_value_on_the_way() -> None:
    copy = session(with_inner_outputs(good_file()))
    assert [output.name for output in copy.get_outputs()] == [
        "my_Tanh.0", "my_GRU.0", "my_GRU.1", "my_Squeeze.0", "my_MatMul.0", "my_Add.0",
    ]  # fmt: skip
    assert copy.run(None, {"x": X})[1].shape == (N_STEPS, 1, N_SIGNALS, 4)


def test_a_graph_in_float64_has_no_float32_left() -> None:
    model = to_float64(good_file())
    types = {tensor.data_type for tensor in model.graph.initializer} | {model.graph.input[0].type.tensor_type.elem_type}
    assert types == {onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64}
