"""Signals for graphs."""

import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="imports ONNX graphs, and onnx is not installed")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn import StreamRNNError  # noqa: E402
from streamrnn_converters import from_onnx, verify  # noqa: E402
from tests.converters.onnx.sketch import Sketch  # noqa: E402


@pytest.mark.parametrize("size", [2**28, 2**40, 2**62])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_axis_of_a_huge_size_is_refused_before_it_takes_any_memory(axis: int, size: int) -> None:
    g = Sketch()
    model = onnx.load_model_from_string(g.bytes(g.squeezed(g.rnn("x")[0], 1)))
    dim = model.graph.input[0].type.tensor_type.shape.dim[axis]
    dim.ClearField("dim_param")
    dim.dim_value = size
    data = model.SerializeToString()
    with pytest.raises(StreamRNNError) as refused:
        verify(from_onnx(data), data)
    assert str(size) in str(refused.value)
