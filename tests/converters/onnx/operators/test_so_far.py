"""What goes over all of time: after each step a stream gives what the graph gives for the signal up to there."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime

from streamrnn import Stream
from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx
from tests.converters.onnx.sketch import HIDDEN, INPUTS, TOLERANCE, Sketch, refusal

Drawn = Callable[[Sketch, str], str]
N_STEPS = 60


def reduced(op: str, *axes: int) -> Drawn:
    """Of h, time first, over some axes."""
    return lambda g, h: g.add(op, h, list(axes), keepdims=0)


def pooled(op: str) -> Drawn:
    return lambda g, h: g.squeezed(g.add(op, g.add("Transpose", h, perm=[1, 2, 0])), 2)


def beside_another(g: Sketch, h: str) -> str:
    joined = g.add("Concat", reduced("ReduceMean", 0)(g, h), reduced("ReduceMax", 0)(g, h), axis=1)
    return str(g.add("MatMul", joined, g.draw(2 * HIDDEN, 2)))


SO_FAR: dict[str, Drawn] = {
    **{op: reduced(op, 0) for op in ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")},
    "over-time-and-features": reduced("ReduceMean", 0, 2),
    **{op: pooled(op) for op in ("GlobalAveragePool", "GlobalMaxPool")},
    "a-mean-beside-a-maximum": beside_another,
}


@pytest.mark.parametrize("name", SO_FAR)
def test_after_each_step_it_is_the_answer_to_the_signal_so_far(name: str) -> None:
    g = Sketch()
    data = g.bytes(SO_FAR[name](g, g.squeezed(g.rnn("x")[0], 1)))
    x = np.random.default_rng(1).normal(size=(N_STEPS, 1, INPUTS)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = [session.run(None, {"x": x[:end]})[0].ravel() for end in range(1, N_STEPS + 1)]
    np.testing.assert_allclose(Stream(read_onnx(data).model).process(x[:, 0]), expected, rtol=0, atol=4 * TOLERANCE)


@pytest.mark.parametrize("name", ["ReduceMean", "GlobalMaxPool"])
def test_it_is_proven(name: str) -> None:
    g = Sketch()
    data = g.bytes(SO_FAR[name](g, g.squeezed(g.rnn("x")[0], 1)))
    assert verify(read_onnx(data).model, data).proven


def later(g: Sketch, x: str) -> str:
    """A convolution that looks ahead by two steps, of a signal time first."""
    seen = g.add("Conv", g.add("Transpose", x, perm=[1, 2, 0]), g.draw(HIDDEN, INPUTS, 5), g.draw(HIDDEN), pads=[2, 2])
    return str(g.add("Transpose", seen, perm=[2, 0, 1]))


def assert_as_late(data: bytes, late: int) -> None:
    """A stream gives what the graph gives, so many steps later."""
    x = np.random.default_rng(1).normal(size=(N_STEPS, 1, INPUTS)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0].reshape(N_STEPS, HIDDEN)
    ours = Stream(read_onnx(data).model).process(x[:, 0])
    np.testing.assert_allclose(ours[late:], expected[: N_STEPS - late], rtol=0, atol=4 * TOLERANCE)


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("before", ["as-it-comes", "later"])
def test_a_running_sum_begins_with_the_signal(before: str, exclusive: int) -> None:
    g = Sketch()
    given = "x" if before == "as-it-comes" else later(g, "x")
    total = g.add("CumSum", given, np.int64(0), exclusive=exclusive)
    data = g.bytes(g.rnn(g.add("Tanh", total), inputs=INPUTS if given == "x" else HIDDEN)[0])
    assert_as_late(data, 0 if given == "x" else 2)


def counted_by_the_graph(g: Sketch, given: str) -> str:
    """1, 2, 3 and so on, as many as there are steps."""
    n_steps = g.squeezed(g.add("Gather", g.add("Shape", given), np.array([0])), 0)
    counts = g.add("Range", np.int64(1), g.add("Add", n_steps, np.int64(1)), np.int64(1))
    return str(g.add("Unsqueeze", g.add("Cast", counts, to=1), [1, 2]))


def counted_by_a_constant(g: Sketch, given: str) -> str:
    return g.constant(np.arange(1, N_STEPS + 1, dtype=np.float32).reshape(-1, 1, 1))


@pytest.mark.parametrize("counted", [counted_by_the_graph, counted_by_a_constant])
@pytest.mark.parametrize("before", ["as-it-comes", "later"])
def test_a_running_mean_may_count_the_steps(before: str, counted: Callable[[Sketch, str], str]) -> None:
    g = Sketch()
    if counted is counted_by_a_constant:
        g.inputs = [g.info("x", [N_STEPS, "B", INPUTS])]
    given = "x" if before == "as-it-comes" else later(g, "x")
    mean = g.add("Div", g.add("CumSum", given, np.int64(0)), counted(g, given))
    data = g.bytes(g.rnn(g.add("Sub", given, mean), inputs=INPUTS if given == "x" else HIDDEN)[0])
    assert_as_late(data, 0 if given == "x" else 2)


def test_of_each_value_another_progression_is_counted() -> None:
    g = Sketch()
    g.inputs = [g.info("x", [N_STEPS, "B", INPUTS])]
    numbers = 2 * np.arange(N_STEPS).reshape(-1, 1, 1) * np.array([1, -1, 0.5]) + np.array([0, 1, 2])
    data = g.bytes(g.rnn(g.add("Tanh", g.add("Add", "x", numbers.astype(np.float32))))[0])
    assert_as_late(data, 0)


def test_other_numbers_for_each_step_are_refused() -> None:
    g = Sketch()
    g.inputs = [g.info("x", [N_STEPS, "B", INPUTS])]
    squares = (np.arange(N_STEPS, dtype=np.float32) ** 2).reshape(-1, 1, 1)
    assert "it differs along the time axis" in refusal(g.bytes(g.rnn(g.add("Add", "x", squares))[0]))


def test_a_mean_beside_each_step_is_refused_where_they_meet() -> None:
    g = Sketch()
    h = g.squeezed(g.rnn("x")[0], 1)
    assert "my_Sub" in refusal(g.bytes(g.add("Sub", h, g.add("ReduceMean", h, [0]))))


def test_a_mean_of_what_comes_later_is_refused_since_it_depends_on_the_end() -> None:
    g = Sketch()
    assert "goes over all of time" in refusal(g.bytes(g.add("ReduceMean", g.rnn(later(g, "x"), inputs=HIDDEN)[0], [0])))


def test_a_sum_from_the_end_is_refused() -> None:
    g = Sketch()
    assert "from the end of the signal" in refusal(g.bytes(g.add("CumSum", g.rnn("x")[0], np.int64(0), reverse=1)))
