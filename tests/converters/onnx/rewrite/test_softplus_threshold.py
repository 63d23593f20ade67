"""Softplus with the guard that torch's newer exporter puts around it."""

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")


from tests.converters.onnx.sketch import Sketch, assert_streams_what_onnxruntime_gives


def guarded(threshold: float, *, outer: float = 2.0, swapped: bool = False) -> bytes:
    """softplus(2 x) / outer, and x itself where 2 x is above a threshold."""
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    scaled = g.add("Mul", y, np.float32(2))
    smooth = g.add("Div", g.add("Softplus", scaled), np.float32(outer))
    choices = (smooth, y) if swapped else (y, smooth)
    return g.bytes(g.add("Where", g.add("Greater", scaled, np.float32(threshold)), *choices))


def test_the_guard_of_a_softplus_is_taken_away_where_it_changes_nothing() -> None:
    model = assert_streams_what_onnxruntime_gives(guarded(20), "TBF", "TBF").model
    assert "greater" not in [getattr(layer, "operation", "") for layer in model.layers]


@pytest.mark.parametrize("data", [guarded(14), guarded(20, outer=3), guarded(20, swapped=True), guarded(-1)])
def test_a_guard_that_changes_something_is_kept(data: bytes) -> None:
    model = assert_streams_what_onnxruntime_gives(data, "TBF", "TBF").model
    assert "greater" in [getattr(layer, "operation", "") for layer in model.layers]
