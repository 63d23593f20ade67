"""A graph in float64 gives what the definitions of the operators say, and moves as rounding does where it is asked to."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'streamrnn[convert]'")

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


def test_what_onnx_cannot_run_is_said() -> None:
    with pytest.raises(VerificationError, match="onnx cannot run the graph in float64"):
        float64_runs(carrying(), [{"x": np.ones((1, 1, 7), np.float32), "h": np.zeros((1, 1, 4), np.float32)}], {})
