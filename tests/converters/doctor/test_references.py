"""A reference is a recording, or a graph that is run, and anything else is refused."""

from typing import Any

import numpy as np
import pytest

from streamrnn import VerificationError
from streamrnn_converters.doctor import diagnose, read_reference
from tests import reference
from tests.converters.doctor.test_doctor import as_torch, from_zero, onnx_file, wide
from tests.models import gru, one_width  # noqa: F401  (one_width is a fixture)


@pytest.mark.parametrize("options", [{}, {"layout": "batch"}, {"initial": True}, {"n_steps": 20}], ids=str)
def test_a_graph_is_run_for_the_reference_whatever_its_layout(options: dict[str, Any]) -> None:
    pytest.importorskip("onnxruntime", reason="runs a graph: pip install 'streamrnn[convert]'")
    layer = gru(np.random.default_rng(0), 3, 5)
    layer = layer if options.get("initial") else from_zero(layer)
    recording = read_reference(onnx_file(layer, **options), ".onnx")
    assert recording.input.shape == (options.get("n_steps", 47), 3)
    expected, _ = reference.run_layer(layer, recording.input)
    np.testing.assert_allclose(recording.output, expected, atol=2e-6)
    diagnosis = diagnose(wide(as_torch(layer)), recording)
    assert diagnosis.convention is not None
    assert diagnosis.convention.frameworks == ["torch", "cudnn"]


@pytest.mark.parametrize(
    ("data", "extension", "words"),
    [
        (b"", ".onnx", "no input"),
        (b"garbage", ".onnx", "not an ONNX model"),
        (b"garbage", ".npz", "not a recording"),
        (b"garbage", ".txt", "neither"),
    ],
)
def test_what_is_no_reference_is_refused(data: bytes, extension: str, words: str) -> None:
    pytest.importorskip("onnx", reason="reads a graph: pip install 'streamrnn[convert]'")
    with pytest.raises(VerificationError, match=words):
        read_reference(data, extension)


def test_a_graph_without_memory_is_no_reference() -> None:
    onnx = pytest.importorskip("onnx", reason="makes a graph: pip install 'streamrnn[convert]'")
    pytest.importorskip("onnxruntime", reason="runs a graph: pip install 'streamrnn[convert]'")
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["t", 1, 3]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Tanh", ["x"], ["y"])], "tanh", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=8)
    with pytest.raises(VerificationError, match=r"steps before.*np\.savez"):
        read_reference(model.SerializeToString(), ".onnx")
