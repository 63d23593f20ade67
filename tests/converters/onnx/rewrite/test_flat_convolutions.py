"""Convolutions over time that were written over two axes, one of size 1, as TensorFlow does."""

from typing import Any

import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from tests.converters.onnx.sketch import INPUTS, Sketch, assert_streams_what_onnxruntime_gives

CHANNELS, TAPS = 4, 3


def convolved(lone: int, opset: int = 18, behind: int = 0, **attributes: Any) -> bytes:
    """A causal convolution with an axis of size 1 as the first or last of its windows, and a GRU behind it.

    behind  entries of padding of the axis of size 1
    """
    g = Sketch("BTF", opset=opset)
    place = lone - 2
    pads = [0, 0, 0, 0]
    pads[1 - place], pads[place] = (TAPS - 1) * attributes.get("dilations", [1, 1])[1 - place], behind
    shape = [CHANNELS, INPUTS, TAPS, TAPS]
    shape[lone] = 1 + behind
    axes = {"axes": [lone]} if opset < 13 else {}
    given = [[lone]] if opset >= 13 else []
    x = g.add("Unsqueeze", g.add("Transpose", "x", perm=[0, 2, 1]), *given, **axes)
    y = g.add("Conv", x, g.draw(*shape), g.draw(CHANNELS), pads=pads, **attributes)
    y = g.add("Squeeze", y, *given, **axes)
    return g.bytes(g.squeezed(g.rnn(g.add("Transpose", y, perm=[2, 0, 1]), inputs=CHANNELS)[0], 1) if opset >= 13 else y)


@pytest.mark.parametrize("lone", [2, 3])
@pytest.mark.parametrize("attributes", [{}, {"dilations": [2, 2]}, {"strides": [1, 1]}], ids=["plain", "dilated", "strides"])
def test_a_convolution_over_an_axis_that_comes_and_goes_is_one_over_time(lone: int, attributes: dict[str, Any]) -> None:
    model = assert_streams_what_onnxruntime_gives(convolved(lone, **attributes), "BTF", "TBF").model
    assert [layer.kind for layer in model.layers] == ["conv1d", "gru"]


def test_axes_may_be_attributes() -> None:
    model = assert_streams_what_onnxruntime_gives(convolved(2, opset=11), "BTF", "BFT").model
    assert [layer.kind for layer in model.layers] == ["conv1d"]


def test_a_convolution_that_mixes_the_axis_with_its_padding_goes_over_both() -> None:
    model = assert_streams_what_onnxruntime_gives(convolved(2, behind=1), "BTF", "TBF").model
    assert [layer.kind for layer in model.layers] == ["frame", "select", "dense", "gru"]
