"""Row numbers of a table that a graph counts from its end where they are negative."""

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime
from onnx import TensorProto

from streamrnn import Stream
from streamrnn_converters import from_onnx
from tests.converters.onnx.sketch import INPUTS, N_STEPS, Sketch, refusal

ROWS = 6


def embedded(how: str, shift: int = ROWS) -> bytes:
    """A GRU behind rows of a table; how negative ones are wrapped: by "where", or by the "products" of tf2onnx."""
    g = Sketch()
    g.inputs = [g.info("x", ["time", 1], TensorProto.INT32)]
    negative = g.add("Less", "x", np.int32(0))
    further = g.add("Add", "x", np.int32(shift))
    if how == "where":
        index = g.add("Where", negative, further, "x")
    else:
        kept, moved = (g.add("Cast", given, to=TensorProto.INT32) for given in (g.add("Not", negative), negative))
        index = g.add("Add", g.add("Mul", moved, further), g.add("Mul", "x", kept))
    return g.bytes(g.squeezed(g.rnn(g.add("Gather", g.draw(ROWS, INPUTS), index))[0], 1))


@pytest.mark.parametrize("how", ["where", "products"])
def test_an_index_that_is_wrapped_picks_the_rows_that_onnxruntime_picks(how: str) -> None:
    data = embedded(how)
    x = np.random.default_rng(0).integers(ROWS, size=(N_STEPS, 1))
    (right,) = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x.astype(np.int32)})
    assert np.abs(Stream(from_onnx(data)).process(x.astype(np.float32)) - right[:, 0]).max() <= 5e-6


def test_an_index_that_becomes_another_row_is_refused() -> None:
    assert "can only pick from a table" in refusal(embedded("where", shift=ROWS - 1))
