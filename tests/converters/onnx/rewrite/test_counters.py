"""States of integers stream as whole numbers: counters, and what is decided by their remainders."""

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime

from streamrnn import Stream
from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof.trials import Case
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch, refusal

N_STEPS = 400


def clockwork(period: int, op: str = "Mod") -> bytes:
    """A cell whose answer h takes over at every `period`-th step; `count`, of int64, is how many there were."""
    g = Sketch("BF", "")
    counted = g.info("count", [1, 1], TensorProto.INT64)
    g.inputs = [g.info("x", [1, INPUTS]), g.info("h", [1, HIDDEN]), counted]
    count = g.add("Add", "count", np.int64(1))
    due = g.add("Equal", g.add(op, count, np.array([period], np.int64)), np.int64(0))
    sums = g.add("Add", g.add("MatMul", "x", g.draw(INPUTS, HIDDEN)), g.add("MatMul", "h", g.draw(HIDDEN, HIDDEN)))
    h = g.add("Where", due, g.add("Tanh", sums), "h")
    g.outputs = [g.add("MatMul", h, g.draw(HIDDEN, 2)), h, count]
    model = g.model()
    model.graph.output[2].type.CopyFrom(counted.type)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("period", [1, 3, 41, 47, 49])
def test_a_counter_decides_as_its_integers_do(period: int) -> None:
    data = clockwork(period)
    imported = read_onnx(data)
    assert {state.name: state.integers for state in imported.states} == {"h": "", "count": "int64"}
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    carried: dict[str, Any] = {"h": np.zeros((1, HIDDEN), np.float32), "count": np.zeros((1, 1), np.int64)}
    stream, x = Stream(imported.model), np.random.default_rng(0).normal(size=(N_STEPS, INPUTS)).astype(np.float32)
    for row in x:
        y, carried["h"], carried["count"] = session.run(None, {"x": row[None], **carried})
        assert np.abs(stream.step(row) - y[0]).max() <= 2e-6
    counts = [value for layer in stream.states for value in layer.values() if value.size == 1]
    assert counts == [np.float32([N_STEPS])]
    assert any("'count' is a state of int64" in remark for remark in imported.remarks)


def test_what_counts_is_proven_by_the_integers_of_the_graph() -> None:
    data = clockwork(3)
    report = verify(read_onnx(data).model, data, cases=(Case("normal", 1.0, 120),))
    assert report.proven, str(report)
    other = verify(read_onnx(clockwork(4)).model, data, cases=(Case("normal", 1.0, 120),))
    assert not other.proven


def test_a_remainder_is_right_for_all_counts_that_are_promised() -> None:
    rng = np.random.default_rng(0)
    for period in (*range(1, 200), 44100, 48000):
        count = np.unique([*range(300), *rng.integers(0, 2**22, 2000), *(period * rng.integers(0, 2**22 // period, 500))])
        counted, of = count.astype(np.float32), np.float32(1 / period)
        whole = np.floor((counted + np.float32(0.5)) * of)
        assert np.array_equal(counted - whole * np.float32(period), count % period), period


def test_a_division_of_integers_is_refused() -> None:
    assert "integers, which can only pick from a table" in refusal(clockwork(3, "Div"))
