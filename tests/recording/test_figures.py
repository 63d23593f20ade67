"""The numbers that are read off gates, for gates that are known."""

import numpy as np
import pytest

from streamrnn import GRU, RNN, Model, record_gates, warm_up
from streamrnn.errors import InputError
from streamrnn.recording.figures import figures_of, moves_with
from tests.models import one_width  # noqa: F401  (a fixture)


def constant_gru(update: float, inputs: int = 1) -> Model:
    """A GRU of two units whose z is the same at each step, and whose r is 1/2; the second unit always gives 0."""
    bias = np.zeros((3, 2))
    bias[1] = np.log(update / (1 - update))
    weights = np.zeros((3, 2, inputs))
    weights[2, 0] = 1
    return Model([GRU(weights, np.zeros((3, 2, 2)), bias, initial_hidden=[0.5, 0.0])])


@pytest.mark.parametrize("update", [0.5, 0.9, 0.99])
def test_memory_is_in_how_many_steps_a_state_falls_to_its_eth_part(update: float) -> None:
    trace = record_gates(constant_gru(update), np.zeros((2000, 1)))
    (figures,) = trace.figures
    assert figures is not None
    assert figures.memory is not None
    steps = np.argmax(trace.layers[0]["h"][:, 0] < 0.5 / np.e)  # from the state itself
    assert abs(figures.memory[0] - steps) <= 1
    assert figures.memory_quantiles["50 %"] == pytest.approx(-1 / np.log(update), rel=1e-4)


def test_dead_and_stuck_units_saturated_gates_and_the_reset_are_found() -> None:
    xs = np.random.default_rng(0).normal(size=(300, 1))
    (figures,) = record_gates(constant_gru(0.99), xs).figures
    assert figures is not None
    assert figures.dead == (1,)
    assert figures.stuck == ()
    assert figures.saturated == {"r": 0.0, "z": 1.0}
    np.testing.assert_allclose(figures.reset, 0.5)
    json = figures.to_json()
    assert (json["dead"], json["reset_mean"]) == ([1], pytest.approx(0.5))


def test_a_unit_that_never_moves_is_stuck_and_one_that_keeps_all_has_no_end_of_memory() -> None:
    ones = np.ones((10, 2), np.float32)
    figures = figures_of("gru", {"r": ones, "z": ones, "n": ones, "h": ones})
    assert figures.stuck == (0, 1)
    assert np.isinf(figures.memory).all()
    assert figures.to_json()["memory_steps"] == {"10 %": None, "50 %": None, "90 %": None}


def test_warm_up_is_where_two_starts_have_come_together() -> None:
    xs = np.concatenate([np.zeros((3000, 1)), np.ones((1, 1))])  # two ends: 0, and after the 1
    model = constant_gru(0.9)
    found = warm_up(model, xs, tolerance=1e-2)
    trace = record_gates(model, xs).layers[0]["h"][:, 0]
    assert found is not None
    assert 0.9 ** (found + 2) < 1e-2 * np.abs(trace).max() / 0.1
    assert found > 10


def test_a_model_that_never_forgets_has_no_warm_up_and_no_steps_are_refused() -> None:
    keeps = Model([RNN(np.ones((1, 1, 1)), np.ones((1, 1, 1)), activations=("linear",))])
    assert warm_up(keeps, np.ones((50, 1))) is None
    with pytest.raises(InputError, match="no steps"):
        warm_up(keeps, np.ones((0, 1)))


def test_a_gate_moves_with_the_input_that_feeds_it() -> None:
    weights = np.zeros((3, 2, 3))
    weights[0, 0, 0], weights[2, 1, 2] = 1, -1  # r of one unit follows input 0, n of the other follows input 2
    model, xs = Model([GRU(weights, np.zeros((3, 2, 2)))]), np.random.default_rng(4).normal(size=(4000, 3))
    (found,) = (trace := record_gates(model, xs)).correlations(xs)
    assert found["r"][0] == pytest.approx(0.5, abs=0.02)  # of the other unit it is 0
    assert found["n"][2] == pytest.approx(0.5, abs=0.04)  # tanh is not a straight line
    assert max(found["r"][1:].max(), found["n"][:2].max(), found["z"].max()) < 0.05
    expected = np.mean([abs(np.corrcoef(trace.layers[0]["n"][:, 1], xs[:, 2])[0, 1]), 0])
    assert found["n"][2] == pytest.approx(expected, rel=1e-5)
    assert moves_with(found, "abc")[:3] == [
        ("r moves with", f"a ({found['r'][0]:.2f})"), ("z moves with", "no input"), ("n moves with", f"c ({found['n'][2]:.2f})")
    ]  # fmt: skip
