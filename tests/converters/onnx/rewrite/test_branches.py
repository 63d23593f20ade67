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
from streamrnn_converters import from_onnx, verify
from streamrnn_converters.proof.trials import Case
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


def chosen(g: Sketch, condition: str, reads: str, name: str) -> Any:
    """A branch with a choice of its own between 2 x and -x."""
    bodies = {key: scaled(g, f"{name}.{key}", f, reads) for key, f in (("then_branch", 2.0), ("else_branch", -1.0))}
    return helper.make_graph(
        [helper.make_node("If", [condition], [name], f"{name}.if", **bodies)], name, [], [g.info(name, None)]
    )


def one_within_another(deeper: Any = chosen) -> bytes:
    """A GRU after x, 2 x or -x: by whether the rate is 16000, and, if so, by whether the second size of x is 2."""
    g = Sketch()
    g.inputs.append(g.info("rate", [], TensorProto.INT64))
    wide = g.add("Equal", g.add("Gather", g.add("Shape", g.add("Tanh", "x")), np.int64(1)), np.int64(N_SIGNALS))
    bodies = {"then_branch": deeper(g, wide, "x", "inner"), "else_branch": scaled(g, "outer", 1.0, "x")}
    return g.bytes(g.squeezed(g.rnn(g.add("If", by_rate(g), **bodies))[0], 1))


@pytest.mark.parametrize(("rate", "batch"), [(8000, 1), (16000, 1), (16000, 2)])
def test_a_branch_within_a_branch_is_decided_by_a_size_that_has_a_name(rate: int, batch: int) -> None:
    data = one_within_another()
    x = np.random.default_rng(1).normal(size=(N_STEPS, batch, INPUTS)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x, "rate": np.array(rate, np.int64)})[0]
    model = from_onnx(data, {"rate": rate, "B": batch})
    for signal in range(batch):
        found = Stream(model).process(x[:, signal])
        np.testing.assert_allclose(found, expected.reshape(N_STEPS, batch, -1)[:, signal], rtol=0, atol=2e-6)
    report = verify(model, data, cases=(Case("normal", 1.0, 20),))
    assert report.proven
    assert report.comparisons


def test_a_choice_that_an_open_size_decides_names_the_sizes_that_are_open() -> None:
    with pytest.raises(ConversionError, match=r"fix the open sizes 'T', 'B' in the same way"):
        from_onnx(one_within_another(), {"rate": 16000})


@pytest.mark.parametrize("size", [0, -1, 2.0, True, "two", [2], 1 << 31])
def test_what_is_no_size_is_refused(size: Any) -> None:
    with pytest.raises(ConversionError, match=r"constant 'B': .* is no size of a graph input"):
        from_onnx(one_within_another(), {"rate": 16000, "B": size})


def test_a_size_that_the_graph_does_not_have_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"constant 'N': the graph has no such input, nor an open size of that name"):
        from_onnx(one_within_another(), {"rate": 16000, "N": 2})


def looping(g: Sketch, condition: str, reads: str, name: str) -> Any:
    """A branch with a loop in it."""
    scan = helper.make_node(
        "Scan", [reads], [name], f"{name}.scan", body=scaled(g, f"{name}.body", 2.0, reads), num_scan_inputs=1
    )
    return helper.make_graph([scan], name, [], [g.info(name, None)])


def test_a_loop_within_a_branch_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"node 'inner\.scan' \(Scan\): graphs within nodes are only understood"):
        from_onnx(one_within_another(looping), {"rate": 16000})


def test_a_graph_of_too_many_choices_is_refused() -> None:
    g, x = Sketch(), "x"
    g.inputs.append(g.info("rate", [], TensorProto.INT64))
    condition = by_rate(g)
    for k in range(201):
        bodies = {key: scaled(g, f"{key}{k}", 1.0, x) for key in ("then_branch", "else_branch")}
        x = g.add("If", condition, **bodies)
    with pytest.raises(ConversionError, match="comes after 200 other choices"):
        from_onnx(g.bytes(g.rnn(x)[0]), {"rate": 16000})


def test_a_choice_without_the_branch_that_is_taken_is_refused() -> None:
    g = Sketch()
    y = g.add("If", np.array(True), else_branch=scaled(g, "other", 2.0, "x"))
    assert "lacks a branch" in refusal(g.bytes(y))


def test_a_size_of_a_size_decides_nothing() -> None:
    """A Gather out of the number that another Gather has taken from a shape."""
    g = Sketch()
    size = g.add("Gather", g.add("Shape", "x"), np.int64(2))
    bodies = {key: scaled(g, key, factor, "x") for key, factor in (("then_branch", 2.0), ("else_branch", -1.0))}
    y = g.add("If", g.add("Equal", g.add("Gather", size, np.int64(0)), np.int64(INPUTS)), **bodies)
    assert "its condition is not decided by constants" in refusal(g.bytes(y))
