"""The c of an LSTM as a signal: what layers read of Y_c is a StateOutput."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import numpy_helper

from streamrnn import Stream
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx
from tests.converters.onnx.sketch import HIDDEN, Sketch, assert_streams_what_onnxruntime_gives
from tests.converters.onnx.step_graphs import BRIEF, assert_streams, taking


def a_head_on_c(g: Sketch) -> str:
    return str(g.add("MatMul", g.squeezed(g.rnn("x", "LSTM")[2], 0), g.draw(HIDDEN, 2)))


def a_head_on_h_and_c(g: Sketch) -> str:
    _, h, c = g.rnn("x", "LSTM")
    return str(g.add("Gemm", g.add("Concat", g.squeezed(h, 0), g.squeezed(c, 0), axis=1), g.draw(2 * HIDDEN, 2)))


@pytest.mark.parametrize("draw", [a_head_on_c, a_head_on_h_and_c], ids=lambda draw: draw.__name__)
def test_layers_may_read_the_last_c(draw: Callable[[Sketch], str]) -> None:
    g = Sketch()
    data = g.bytes(draw(g))
    imported = assert_streams_what_onnxruntime_gives(data, "TBF", "BF")
    assert sum(layer.kind == "state-output" for layer in imported.model.layers) == 1
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)
    assert not report.unreached


def step(g: Sketch) -> tuple[str, str, str]:
    """A step of an LSTM whose caller carries the states, and a head on both."""
    taking(g, h=[1, 1, HIDDEN], c=[1, 1, HIDDEN])
    _, h, c = g.rnn("x", "LSTM", initial_h="h", initial_c="c")
    return g.add("MatMul", g.add("Concat", h, g.add("Tanh", c), axis=2), g.draw(2 * HIDDEN, 2)), h, c


def test_a_step_whose_states_are_carried_may_read_its_c() -> None:
    g = Sketch()
    y, h, c = step(g)
    assert_streams(g.bytes(y, h, c), {"h": h, "c": c}, y)


def test_it_begins_as_the_layer_does_whose_state_it_gives() -> None:
    g = Sketch()
    y, h, c = step(g)
    model = g.model()
    g.outputs = [y, h, c]
    begin = np.linspace(-1, 1, HIDDEN, dtype=np.float32).reshape(1, 1, HIDDEN)
    model = g.model()
    model.graph.initializer.extend([numpy_helper.from_array(begin, "c"), numpy_helper.from_array(begin / 2, "h")])
    imported = read_onnx(model.SerializeToString())
    states = [own for own in Stream(imported.model).states if own]
    assert len(states) == 2
    for own in states:
        assert np.array_equal(own["c"], begin.ravel())
        assert np.array_equal(own["h"], begin.ravel() / 2)


def test_a_single_step_begins_anew() -> None:
    g = Sketch()
    g.inputs = [g.info("x", [1, 2, 3])]
    y = g.add("MatMul", g.squeezed(g.rnn("x", "LSTM")[2], 0), g.draw(HIDDEN, 2))
    data = g.bytes(y)
    anew, kept = read_onnx(data), read_onnx(data, states="carry")
    assert not any(layer.states for layer in anew.model.layers)
    assert any(layer.kind == "state-output" for layer in kept.model.layers)
    for imported in (anew, kept):
        assert verify(imported.model, data, cases=BRIEF).proven


def test_the_c_of_an_lstm_over_bands_is_one_for_each_band() -> None:
    """A graph of one step, with a state for each band."""
    g = Sketch()
    taking(g, h=[1, 4, HIDDEN], c=[1, 4, HIDDEN])
    g.inputs[0] = g.info("x", [1, 4, 3])
    _, h, c = g.rnn("x", "LSTM", initial_h="h", initial_c="c")
    data = g.bytes(
        g.add("MatMul", g.add("Reshape", g.add("Concat", h, c, axis=2), [1, 8 * HIDDEN]), g.draw(8 * HIDDEN, 2)), h, c
    )
    imported = read_onnx(data)
    assert sorted(layer.row.kind for layer in imported.model.layers if layer.kind == "bank") == ["lstm", "state-output"]
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)
