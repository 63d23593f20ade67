"""An input without time beside a signal, as the knob of an amplifier: a stream takes it with each step."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from streamrnn import Stream
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
onnxruntime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn_converters import verify  # noqa: E402
from streamrnn_converters.onnx import read_onnx  # noqa: E402
from tests.converters.onnx.cell_graphs import Builder, I  # noqa: E402
from tests.converters.onnx.loop_graphs import Loops  # noqa: E402
from tests.converters.onnx.rewrite.test_one_step import scan, zeros  # noqa: E402
from tests.converters.onnx.sketch import HIDDEN, INPUTS, N_STEPS, TOLERANCE, Sketch, refusal  # noqa: E402
from tests.converters.onnx.step_graphs import BRIEF  # noqa: E402

KNOBS = 2
GRAPHS: dict[str, Callable[[Sketch], str]] = {}


def graph(draw: Callable[[Sketch], str]) -> Callable[[Sketch], str]:
    GRAPHS[draw.__name__.replace("_", "-")] = draw
    return draw


def joined(g: Sketch, knobs: str) -> str:
    """A GRU over the signal and the condition, which has been repeated along time."""
    return str(g.rnn(g.add("Concat", "x", knobs, axis=2), inputs=INPUTS + KNOBS)[0])


@graph
def repeated_as_often_as_there_are_steps(g: Sketch) -> str:
    steps = g.add("Gather", g.add("Shape", "x"), [0], axis=0)
    return joined(g, g.add("Tile", g.add("Unsqueeze", "knobs", [0]), g.add("Concat", steps, [1, 1], axis=0)))


@graph
def expanded_to_the_steps(g: Sketch) -> str:
    shape = g.add("Concat", g.add("Slice", g.add("Shape", "x"), [0], [1]), [1, KNOBS], axis=0)
    return joined(g, g.add("Expand", g.add("Unsqueeze", "knobs", [0]), shape))


@graph
def scaling_what_a_layer_gives(g: Sketch) -> str:
    scale = g.add("Unsqueeze", g.add("Tanh", g.add("MatMul", "knobs", g.draw(KNOBS, HIDDEN))), [0])
    return str(g.add("Mul", g.squeezed(g.rnn("x")[0], 1), scale))


@graph
def taken_from_the_left(g: Sketch) -> str:
    """Before the layer that tells which axis is time."""
    return str(g.rnn(g.add("Sub", g.add("MatMul", "knobs", g.draw(KNOBS, INPUTS)), "x"))[0])


def with_a_condition(draw: Callable[[Sketch], str], open_axes: str = "TB") -> bytes:
    g = Sketch("TBF", open_axes)
    g.inputs.append(g.info("knobs", ["B" if "B" in open_axes else 2, KNOBS]))
    return g.bytes(draw(g))


def assert_streams(data: bytes) -> None:
    imported = read_onnx(data)
    assert any("'knobs' has no axis of time" in remark for remark in imported.remarks)
    rng = np.random.default_rng(3)
    x, knobs = (rng.normal(size=size).astype(np.float32) for size in ((N_STEPS, 2, INPUTS), (2, KNOBS)))
    (expected,) = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x, "knobs": knobs})
    for signal in range(2):
        rows = np.concatenate([x[:, signal], np.tile(knobs[signal], (N_STEPS, 1))], 1)
        ours = Stream(imported.model).process(rows)
        assert np.abs(ours - expected.reshape(N_STEPS, -1, 2, ours.shape[1])[:, 0, signal]).max() <= TOLERANCE
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_condition_is_taken_with_each_step(name: str) -> None:
    assert_streams(with_a_condition(GRAPHS[name]))


def test_a_condition_is_repeated_along_time_where_all_sizes_are_fixed() -> None:
    def draw(g: Sketch) -> str:
        return joined(g, g.add("Expand", g.add("Unsqueeze", "knobs", [0]), [N_STEPS, 1, 1]))

    assert_streams(with_a_condition(draw, open_axes=""))


def test_a_condition_is_read_at_each_step_of_a_loop() -> None:
    """As torch.jit.script writes a cell that is given something else beside its row."""

    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        after = b.Add(b.Mul(s[0], kept), x[0])
        return [after], [after]

    g = Loops()
    kept = g.outer.Sigmoid("knobs")
    y = scan(g, body, [zeros(g)])[1]
    data = g.outer.model({"x": ["time", 2, I], "knobs": [2, I]}, {"y": y})
    imported = read_onnx(data)
    assert [(given.name, given.steady) for given in imported.inputs] == [("x", False), ("knobs", True)]
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)


def test_the_last_step_of_another_signal_is_no_condition() -> None:
    g = Sketch()
    g.inputs.append(g.info("other", ["S", "B", INPUTS]))
    last = g.rnn("other")[1]
    shape = g.add("Concat", g.add("Slice", g.add("Shape", "x"), [0], [1]), [1, HIDDEN], axis=0)
    both = g.add("Concat", "x", g.add("Expand", last, shape), axis=2)
    assert "every step of one with the last of another" in refusal(g.bytes(g.rnn(both, inputs=INPUTS + HIDDEN)[0]))


def test_what_is_repeated_along_no_time_lies_within_a_step() -> None:
    """As the columns of a table that one vector is compared with."""
    g = Sketch("BF")
    g.inputs.append(g.info("other", ["B", 1]))
    wide = g.add("Tile", "other", [1, INPUTS])
    model = read_onnx(g.bytes(g.add("MatMul", g.add("Mul", "x", wide), g.draw(INPUTS, 2)))).model
    assert (model.input_size, model.output_size) == (INPUTS + 1, 2)


def test_a_state_that_begins_with_what_a_condition_gives_is_refused() -> None:
    """A stream of it would begin anew with each step."""

    def draw(g: Sketch) -> str:
        h = g.add("Unsqueeze", g.add("MatMul", "knobs", g.draw(KNOBS, HIDDEN)), [0])
        return str(g.rnn("x", h=h)[0])

    message = refusal(with_a_condition(draw))
    assert "node 'my_GRU' (GRU): its initial_h is the output of a dense layer" in message
    assert "nor what a graph input brings" in message
