"""`Activation`: names, defaults and refusals. What the functions compute is in tests/kernels/test_activations.py."""

import pickle

import pytest

from streamrnn import Activation, Dense, ModelError, StreamRNNError
from streamrnn.activation import activation
from tests import reference


def test_the_names_are_those_of_the_reference() -> None:
    assert list(Activation.DEFAULTS) == list(reference.ACTIVATIONS)


@pytest.mark.parametrize("name", Activation.DEFAULTS)
def test_a_missing_parameter_takes_the_default_of_the_operator(name: str) -> None:
    chosen = Activation(name)
    _, alpha, beta = reference.ACTIVATIONS[name]
    assert (chosen.alpha or 0.0, chosen.beta or 0.0) == (alpha, beta)


@pytest.mark.parametrize("name", Activation.DEFAULTS)
def test_the_code_is_the_position_in_the_table(name: str) -> None:
    assert list(Activation.DEFAULTS)[Activation(name).code] == name


@pytest.mark.parametrize("name", Activation.DEFAULTS)
@pytest.mark.parametrize("parameter", ["alpha", "beta"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e39, "1", True, 1j, (1,)], ids=repr)
def test_a_parameter_that_is_not_a_finite_number_is_refused(name: str, parameter: str, value: object) -> None:
    with pytest.raises(ModelError, match=f"{name}.*{parameter}"):
        Activation(name, **{parameter: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name, (alpha, _) in Activation.DEFAULTS.items() if alpha is None])
def test_a_parameter_that_the_function_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=f"{name}.* has no alpha"):
        Activation(name, alpha=0.5)


@pytest.mark.parametrize("name", ["Tanh", "swosh", "", None, 3, ["tanh"]], ids=repr)
def test_an_unknown_name_is_refused_with_the_known_ones(name: object) -> None:
    with pytest.raises(StreamRNNError, match="hard_sigmoid"):
        Activation(name)  # type: ignore[arg-type]


def test_equal_activations_are_equal_and_hash_alike() -> None:
    assert Activation("hard_sigmoid") == Activation("hard_sigmoid", 0.2, 0.5)
    assert hash(Activation("elu", 1)) == hash(Activation("elu", 1.0))
    assert Activation("elu", 2.0) != Activation("elu")


def test_an_activation_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Activation("elu").alpha = 2.0  # type: ignore[misc]


def test_an_activation_prints_with_its_parameters_and_survives_pickle() -> None:
    assert str(Activation("hard_sigmoid")) == "hard_sigmoid(0.2, 0.5)"
    assert str(Activation("tanh")) == "tanh"
    chosen = Activation("elu", 1.4)
    assert pickle.loads(pickle.dumps(chosen)) == chosen


def test_a_name_stands_for_the_activation_with_its_defaults() -> None:
    assert activation("elu") == Activation("elu", 1.0)
    assert activation(Activation("elu", 2.0)) == Activation("elu", 2.0)
    assert Dense([[1.0]], activation="elu").activation == Activation("elu")
