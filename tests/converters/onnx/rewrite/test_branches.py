"""Choices between two graphs that constants or shapes decide: the branch that onnxruntime takes is imported."""

from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from streamrnn import ConversionError, Stream
from streamrnn_converters import from_onnx
from tests.converters.onnx.sketch import INPUTS, N_SIGNALS, N_STEPS, Sketch, refusal


def scaled(g: Sketch, name: str, factor: float, reads: str) -> Any:
    """A branch: the signal times a number, by names of its own."""
    number = numpy_helper.from_array(np.float32(factor), f"{name}.factor")
    node = helper.make_node("Mul", [reads, f"{name}.factor"], [name], f"{name}.mul")
    return helper.make_graph([node], name, [], [g.info(name, None)], [number])


def graph(condition: Any, open_axes: str = "TB", **names: str) -> bytes:
    """A GRU after a choice between x and 2 x; `condition` draws what decides, from the graph."""
    g = Sketch(open_axes=open_axes)
    g.inputs.append(g.info("rate", [], TensorProto.INT64))
    bodies = {key: scaled(g, names.get(key, key), factor, "x") for key, factor in (("then_branch", 2.0), ("else_branch", -1.0))}
    return g.bytes(g.squeezed(g.rnn(g.add("If", condition(g), **bodies))[0], 1))


def by_rate(g: Sketch) -> str:
    return str(g.add("Equal", "rate", np.int64(16000)))


def by_shape(g: Sketch) -> str:
    size = g.add("Gather", g.add("Shape", "x"), np.int64(1))
    rate = g.add("Mul", "rate", np.int64(0))
    return str(g.add("Equal", g.add("Add", size, rate), np.int64(N_SIGNALS)))


@pytest.mark.parametrize(("condition", "rate"), [(by_rate, 16000), (by_rate, 8000), (by_shape, 1)])
def test_the_branch_that_is_taken_is_imported(condition: Any, rate: int) -> None:
    data = graph(condition, open_axes="")
    x = np.random.default_rng(1).normal(size=(N_STEPS, N_SIGNALS, INPUTS)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x, "rate": np.array(rate, np.int64)})[0]
    model = from_onnx(data, {"rate": rate})
    for signal in range(N_SIGNALS):
        np.testing.assert_allclose(Stream(model).process(x[:, signal]), expected[:, signal], rtol=0, atol=2e-6)


def test_what_an_open_shape_decides_is_refused() -> None:
    with pytest.raises(ConversionError, match="its condition is not decided by constants"):
        from_onnx(graph(by_shape), {"rate": 1})


def test_a_branch_that_gives_a_name_again_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"its branch gives 'my_GRU\.0', which the graph around it gives too"):
        from_onnx(graph(by_rate, then_branch="my_GRU.0"), {"rate": 16000})


def test_what_a_signal_decides_is_refused() -> None:
    g = Sketch()
    bodies = {key: scaled(g, key, 2.0, "x") for key in ("then_branch", "else_branch")}
    condition = g.add("Greater", g.add("ReduceMax", "x"), np.float32(0))
    assert "its condition is not decided by constants" in refusal(g.bytes(g.rnn(g.add("If", condition, **bodies))[0]))
