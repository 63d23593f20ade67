"""A graph in float64 gives what the definitions of the operators say, and moves as rounding does where it is asked to."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'streamrnn[convert]'")

from onnx.reference import ReferenceEvaluator

from streamrnn import VerificationError
from streamrnn_converters.onnx.rerun.runnable import runnable
from streamrnn_converters.reference_runs.float64_graph import float64_runs
from tests.converters.onnx.definition import defined
from tests.converters.onnx.operators.test_random_nodes import OPS, drawn
from tests.converters.onnx.sketch import INPUTS, Sketch

N_CASES = 120


@pytest.mark.parametrize("op", OPS)
def test_random_nodes_are_as_onnx_defines_them(op: str) -> None:
    for seed in range(N_CASES):
        case = drawn(op, seed)
        rounded = {"clip", "activation_alpha", "activation_beta"} & case.node.attributes.keys()  # a file has them in float32
        (answers,) = float64_runs(runnable(case.model.SerializeToString())[0], [case.feed], {})
        for name, expected in zip(("Y", "Y_h", "Y_c"), defined(case.node, case.x, case.lengths), strict=False):
            if name in answers:
                assert answers[name].dtype == np.float64
                assert np.abs(answers[name] - expected).max() <= (3e-7 if rounded else 1e-12) * max(
                    1, np.abs(expected).max()
                ), (op, seed, name)


def carrying() -> bytes:
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [1, 1, INPUTS]), g.info("h", [1, 1, 4])]
    y, h = g.rnn("x", h="h")
    return g.bytes(y, h)


def test_states_go_on_from_run_to_run() -> None:
    data, x = carrying(), np.random.default_rng(0).normal(size=(5, 1, 1, INPUTS)).astype(np.float32)
    feeds = [{"x": row} for row in x]
    feeds[0]["h"] = np.zeros((1, 1, 4), np.float32)
    y, h = (name for name in float64_runs(data, feeds[:1], {})[0])
    together = float64_runs(data, feeds, {"h": h})
    last = feeds[0]["h"]
    for feed, answer in zip(feeds, together, strict=True):
        (alone,) = float64_runs(data, [feed | {"h": last}], {})
        assert np.array_equal(alone[y], answer[y])
        last = alone[h]


def test_rounding_moves_it_by_about_a_rounding_of_float32() -> None:
    data, feed = carrying(), {"x": np.ones((1, 1, INPUTS), np.float32), "h": np.full((1, 1, 4), 0.5, np.float32)}
    (exact,) = float64_runs(data, [feed], {})
    (moved,) = float64_runs(data, [feed], {}, np.random.default_rng(0))
    for name, value in exact.items():
        assert 2**-26 < np.abs(moved[name] - value).max() < 2**-20


@pytest.mark.parametrize("reduction", ["none", "add"])
def test_scattered_values_are_where_onnx_puts_them(reduction: str) -> None:
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [4, 5, 3])]
    places = np.array([[[0, 1], [3, 4]], [[2, 2], [1, 0]]])
    data = g.bytes(g.add("ScatterND", "x", places, g.draw(2, 2, 3), reduction=reduction))
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    ((found,),) = (run.values() for run in float64_runs(data, [{"x": x}], {}))
    (expected,) = ReferenceEvaluator(data).run(None, {"x": x})
    assert np.abs(found - expected).max() <= 1e-6
    assert np.abs(found - x).max() > 0.1


def test_what_onnx_cannot_run_is_said() -> None:
    with pytest.raises(VerificationError, match="onnx cannot run the graph in float64"):
        float64_runs(carrying(), [{"x": np.ones((1, 1, 7), np.float32), "h": np.zeros((1, 1, 4), np.float32)}], {})


def convolved(groups: int, n_axes: int) -> Sketch:
    """A transposed convolution over axes of 5 values, with all that its definition has."""
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [2, 2 * groups, *[5] * n_axes])]
    kernel = g.draw(2 * groups, 3, *[3] * n_axes)
    sizes = {"strides": [3] * n_axes, "dilations": [2] * n_axes, "output_padding": [1] * n_axes}
    g.add("ConvTranspose", "x", kernel, g.draw(3 * groups), group=groups, pads=[*[1] * n_axes, *[2] * n_axes], **sizes)
    return g


@pytest.mark.parametrize("n_axes", [1, 2])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_transposed_convolutions_of_groups_are_those_of_onnxruntime(groups: int, n_axes: int) -> None:
    _agrees(convolved(groups, n_axes).bytes("my_ConvTranspose.0"), (2, 2 * groups, *[5] * n_axes))


def test_batch_norms_of_old_graphs_with_a_momentum_take_the_statistics_of_the_graph() -> None:
    g = Sketch("TBF", "", opset=11)
    g.inputs = [g.info("x", [2, 3, 4])]
    y = g.add("BatchNormalization", "x", *(g.draw(3) for _ in range(3)), np.abs(g.draw(3)), momentum=0.9, epsilon=1e-3)
    _agrees(g.bytes(y), (2, 3, 4))


def _agrees(data: bytes, shape: tuple[int, ...]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    ((found,),) = (answers.values() for answers in float64_runs(data, [{"x": x}], {}))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5


def test_rounding_moves_no_exponent_and_no_value_that_is_only_moved() -> None:
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [1, 1, INPUTS])]
    square = g.add("Pow", g.add("Transpose", "x", perm=[0, 1, 2]), np.float32(2))
    feed = {"x": np.full((1, 1, INPUTS), -3.0, np.float32)}
    (moved,) = float64_runs(g.bytes(square), [feed], {}, np.random.default_rng(0))
    assert 0 < np.abs(moved[square] - 9).max() < 9 * 2**-22


def test_the_values_of_a_sequence_are_rounded_one_by_one() -> None:
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [1, 1, INPUTS])]
    whole = g.add("ConcatFromSequence", g.add("SequenceConstruct", g.add("Identity", "x"), "x"), axis=0)
    feed = {"x": np.ones((1, 1, INPUTS), np.float32)}
    (moved,) = float64_runs(g.bytes(whole), [feed], {}, np.random.default_rng(0))
    assert moved[whole].shape == (2, 1, INPUTS)
    assert 0 < np.abs(moved[whole] - 1).max() < 2**-21


def test_a_computed_value_within_a_graph_is_rounded_too() -> None:
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [1, 1, INPUTS])]
    apart = g.add("Sub", g.add("Add", "x", np.float32(1000)), np.float32(1000))
    feed = {"x": np.zeros((1, 1, INPUTS), np.float32)}
    (moved,) = float64_runs(g.bytes(apart), [feed], {}, np.random.default_rng(0))
    assert 1000 * 2**-25 < np.abs(moved[apart]).max() < 1000 * 2**-21
