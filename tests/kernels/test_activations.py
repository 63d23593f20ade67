"""The activation functions as the kernels compute them, over the whole range of float32, against float64.

Each is computed by a dense layer of one unit with weight 1, which gives the same in every lane. Relative errors are in units of
2**-24, half of the distance between two neighbouring float32 numbers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import RNN, Activation, Affine, Dense, Model, Pointwise, Softmax, Stream
from tests import reference
from tests.models import ACTIVATIONS

LARGEST = float(np.finfo(np.float32).max)
#: The functions for which Dense scales its rows for base 2; their plain kernels are tested too.
CHOICES = [
    *ACTIVATIONS,
    *(Activation(name) for name in ("leaky_relu", "thresholded_relu", "scaled_tanh", "hard_sigmoid", "elu")),
]
every_choice = pytest.mark.parametrize("chosen", CHOICES, ids=str)


def function_of(chosen: Activation) -> Callable[[Any], Any]:
    """An activation as a dense layer computes it, for an array of float32."""
    stream = Stream(Model([Dense([[1.0]], activation=chosen)]))
    return lambda x: stream.process(x[:, None])[:, 0]


def general_function_of(chosen: Activation) -> Callable[[Any], Any]:
    """An activation as the general kernel computes it, with unscaled rows; also one that has a kernel of its own."""
    layer = RNN([[[1.0]]], [[[0.0]]], activations=(chosen,), clip=3e37)
    stream = Stream(Model([layer]))
    return lambda x: stream.process(x[:, None])[:, 0]


def float32_samples(low: float = 1.0001e-30, high: float = LARGEST) -> Any:
    """Sorted numbers of both signs: as many in each octave, and many more where the functions bend.

    A dense layer takes what is below 1e-30 as 0 (tests/laws/test_silence_law.py).
    """
    rng = np.random.default_rng(0)
    magnitudes = np.geomspace(low, high, 20_000)
    bend = rng.uniform(0, 20, 100_000)
    edges = np.array(
        [0.0, 1.0, 2.0, 9.0, 15.0, 17.3, 30.0, 60.0, 87.0, 87.4, 88.0, 88.8, 89.0, 104.0, 126.0, 127.0, 128.0, high]
    )
    positive = np.concatenate([magnitudes, bend, edges]).astype(np.float32)
    near = np.concatenate([np.nextafter(positive, np.float32(0)), positive])
    near = near[near <= high]
    return np.unique(np.concatenate([-near, near]))


def expected(chosen: Activation, x: Any) -> Any:
    with np.errstate(over="ignore"):
        return reference.activate(chosen, x)


@pytest.mark.parametrize("reach", [function_of, general_function_of])
@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_sigmoid_and_tanh_are_exact_to_3e_7(name: str, reach: Callable[[Activation], Callable[[Any], Any]]) -> None:
    chosen = Activation(name)
    x = float32_samples(high=1e37)
    error = np.abs(reach(chosen)(x) - expected(chosen, x))
    assert error.max() <= 3e-7, x[error.argmax()]


def test_tanh_of_a_small_number_keeps_its_digits() -> None:
    """The relative error is small too: a small state must keep its shape."""
    x = float32_samples(low=1e-29, high=0.5)  # a recurrent state below 1e-30 is flushed to zero
    for reach in function_of, general_function_of:
        relative = np.abs(reach(Activation("tanh"))(x) / expected(Activation("tanh"), x.astype(np.float64) + (x == 0)) - 1)
        assert relative[x != 0].max() <= 16 * 2**-24, x[relative.argmax()]


@pytest.mark.parametrize(
    "chosen", [Activation("softplus"), Activation("elu"), Activation("elu", 1.4), Activation("softsign")], ids=str
)
def test_functions_without_a_bound_are_exact_relative_to_their_value(chosen: Activation) -> None:
    x = float32_samples(high=1e37)
    y, truth = function_of(chosen)(x), expected(chosen, x)
    normal = np.abs(truth) >= 1e-30
    relative = np.abs(y[normal] / truth[normal] - 1)
    # softplus(-x) is exp(-x), whose argument is rounded to 2**-24 of x <= 69: the error grows with x
    steepness = np.maximum(1, np.abs(x[normal])) if chosen.name == "softplus" else 1
    assert (relative / steepness).max() <= 8 * 2**-24, x[normal][(relative / steepness).argmax()]
    assert np.abs(y[~normal]).max(initial=0) <= 1.1e-30


@pytest.mark.parametrize("name", ["linear", "relu", "leaky_relu", "thresholded_relu", "affine", "hard_sigmoid"])
def test_functions_of_straight_lines_are_exact_to_the_last_rounding(name: str) -> None:
    for chosen in [choice for choice in CHOICES if choice.name == name]:
        x = float32_samples(high=1e37)
        truth = expected(chosen, x)
        error = np.abs(function_of(chosen)(x) - truth)
        # alpha and beta are float32 numbers in a kernel, and the result is rounded
        bound = 2**-23 * (np.abs(truth) + np.abs(x * (chosen.alpha or 1)) * (np.abs(truth) > 0) + abs(chosen.beta or 0))
        assert (error <= bound).all(), (str(chosen), x[(error - bound).argmax()])


@every_choice
def test_no_finite_input_gives_nan(chosen: Activation) -> None:
    x = np.concatenate([float32_samples(), np.array([LARGEST, -LARGEST, 3e38, -3e38, 1e-45, -1e-45, -0.0], np.float32)])
    y = function_of(chosen)(x)
    assert not np.isnan(y).any()
    unbounded = {"affine", "scaled_tanh"}  # alpha x may overflow
    if chosen.name not in unbounded:
        assert np.isfinite(y).all()


@every_choice
def test_a_function_never_falls(chosen: Activation) -> None:
    """All of them rise or stay, up to rounding of the last bits; a function that saturates stays there."""
    x = float32_samples(high=1e37)
    y = function_of(chosen)(x).astype(np.float64)
    if chosen.name == "thresholded_relu":
        y = y[(x < chosen.alpha) | (x >= chosen.alpha)]
    falls = np.maximum.accumulate(y) - y
    assert (falls <= 3e-7 * np.maximum(1, np.abs(y))).all(), x[falls.argmax()]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("sigmoid", 0, 1), ("tanh", -1, 1), ("hard_sigmoid", 0, 1), ("softsign", -1, 1), ("elu", -1, None), ("softplus", 0, None)],
)
def test_a_bound_is_kept_and_reached(name: str, low: float, high: float | None) -> None:
    y = function_of(Activation(name))(float32_samples())
    assert y.min() >= low
    assert y[0] == pytest.approx(low, abs=1e-30)
    if high is not None:
        assert y.max() == y[-1] == high


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "softsign"])
def test_symmetric_functions_are_symmetric(name: str) -> None:
    x = float32_samples(high=1e37)
    y = function_of(Activation(name))(x).astype(np.float64)
    mirrored = 1 - y[::-1] if name == "sigmoid" else -y[::-1]
    np.testing.assert_allclose(y, mirrored, rtol=0, atol=3e-7)


@pytest.mark.parametrize("name", ["tanh", "relu", "leaky_relu", "elu", "softsign", "scaled_tanh"])
def test_zero_gives_exactly_zero(name: str) -> None:
    assert (function_of(Activation(name))(np.array([0.0, -0.0], np.float32)) == 0).all()


@pytest.mark.parametrize("parameters", [(1e-30, 1e30), (1e30, 1e-30), (-2.0, 3.0), (0.0, 0.0)], ids=str)
@pytest.mark.parametrize("name", ["affine", "scaled_tanh", "hard_sigmoid"])
def test_unusual_parameters_are_those_of_the_reference(name: str, parameters: tuple[float, float]) -> None:
    chosen = Activation(name, *parameters)
    x = np.linspace(-3, 3, 1001).astype(np.float32)
    truth = expected(chosen, x)
    np.testing.assert_allclose(function_of(chosen)(x), truth, rtol=1e-6, atol=1e-6 * max(1.0, float(np.abs(truth).max())))


@pytest.mark.parametrize("outputs", [1, 3, 8, 17])
def test_softmax_of_huge_logits_is_a_distribution(outputs: int) -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(outputs, 1)).astype(np.float32)
    stream = Stream(Model([Dense(weights, activation="softmax")]))
    for loudness in 1e-30, 1.0, 80.0, 1e4, 1e30, 1e37:
        y = stream.process(np.array([[loudness], [-loudness]], np.float32))
        assert np.isfinite(y).all()
        np.testing.assert_allclose(y.sum(axis=1), 1, rtol=0, atol=1e-6)


def test_softmax_of_equal_logits_is_uniform() -> None:
    stream = Stream(Model([Dense(np.zeros((7, 1)), np.full(7, 1e6), activation="softmax")]))
    np.testing.assert_allclose(stream.step(1.0), np.full(7, 1 / 7), rtol=1e-6)


@pytest.mark.parametrize(("dtype", "edge"), [("float32", np.log(2.0**-126)), ("float64", np.log(2.0**-1022))])
@pytest.mark.parametrize("name", ["exp", "elu", "softplus"])
def test_what_would_be_subnormal_is_zero(name: str, dtype: str, edge: float) -> None:
    """Arithmetic with subnormal numbers takes a hundred times as long, so no function may return one (the silence law)."""
    x = np.linspace(edge - 20, edge + 20, 4001).astype(dtype)[:, None]
    layers = [Pointwise(1, name, dtype=dtype)]
    if name == "elu":  # add 1 to exp(x) - 1, which leaves the exponential
        layers += [Affine([1.0], [1.0], dtype=dtype)]
    y = Stream(Model(layers)).process(x)[:, 0]
    smallest = np.finfo(dtype).smallest_normal
    assert ((y == 0) | (y >= smallest)).all()
    assert (y[x[:, 0] < edge - 0.01] == 0).all()
    if name != "elu":
        assert (y[x[:, 0] > edge + 0.01] >= smallest).all()


@pytest.mark.parametrize(("dtype", "edge"), [("float32", 126.0), ("float64", 1022.0)])
def test_a_share_of_softmax_that_would_be_subnormal_is_zero(dtype: str, edge: float) -> None:
    x = np.zeros((400, 2), dtype)
    x[:, 1] = -np.linspace(edge - 5, edge + 30, 400) * np.log(2)
    y = Stream(Model([Softmax(2, dtype=dtype)])).process(x)[:, 1]
    smallest = np.finfo(dtype).smallest_normal
    assert ((y == 0) | (y >= smallest)).all()
    assert (y == 0).any()
    assert (y > 0).any()
