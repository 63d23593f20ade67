"""RTNeural's JSON: both forms give what RTNeural and torch answer, and what RTNeural does not compute is refused by layer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, ConversionError
from streamrnn_converters import from_rtneural
from streamrnn_converters.formats import read_model_file
from tests import reference
from tests.converters.formats.files import FIXTURES, answers, description, largest_error, written


@pytest.mark.parametrize("name", ["gru", "lstm", "gru_torch", "lstm_torch"])
def test_its_own_models_give_their_own_output(name: str) -> None:
    found = read_model_file(FIXTURES / "rtneural" / f"{name}.json")
    assert found.vector is not None
    assert f"test vector: {name}_x.csv and {name}_y.csv" in found.remarks
    assert largest_error(found.model, found.vector.input, found.vector.output) < 1e-6


def test_a_vector_of_which_half_is_missing_is_none_and_this_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "net.json", description("rtneural/gru.json"))
    (tmp_path / "net_x.csv").write_text("1\n2\n")
    found = read_model_file(path)
    assert found.vector is None
    assert found.remarks == ("net_y.csv is missing, so net_*.csv proves nothing",)


@pytest.mark.parametrize("lines", ["1\n", "1\n2\n3\n", "1,2\n1,2\n", "one\ntwo\n", "nan\n1\n", "1\n2,3\n", ""])
def test_a_vector_that_does_not_fit_is_an_error(lines: str, tmp_path: Path) -> None:
    path = written(tmp_path / "net.json", description("rtneural/gru.json"))
    (tmp_path / "net_x.csv").write_text("1\n2\n")
    (tmp_path / "net_y.csv").write_text(lines)
    with pytest.raises(ConversionError, match=r"net\.json"):
        read_model_file(path)


def test_a_state_dict_of_several_orders_is_taken_in_the_order_of_the_file_and_this_is_said() -> None:
    found = read_model_file(FIXTURES / "rtneural_state_dict.json", dtype="float64")
    assert "gru:first, gru:second, dense:head, the order of the file" in found.remarks[0]
    assert largest_error(found.model, *answers("rtneural_state_dict")) < 1e-12


def test_a_description_of_layers_overrules_the_guess() -> None:
    layers = "gru:first, dense:head, gru:first"
    with pytest.raises(ConversionError, match="not used"):
        from_rtneural(FIXTURES / "rtneural_state_dict.json", "gru:first, dense:head")
    with pytest.raises(ConversionError, match="names its layers itself"):
        from_rtneural(FIXTURES / "rtneural" / "gru.json", layers)


@pytest.mark.parametrize("names", [["head", "other"], ["rnn"]])
def test_a_state_dict_whose_functions_are_not_known_is_refused(names: list[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    state: dict[str, Any] = {f"{name}.weight": rng.normal(size=(3, 3)).tolist() for name in names}
    if names == ["rnn"]:
        state = {f"rnn.{name}_l0": rng.normal(size=(3, 3)).tolist() for name in ("weight_ih", "weight_hh")}
    with pytest.raises(ConversionError, match=r"does not name the function|more than one order"):
        from_rtneural(written(tmp_path / "net.json", state))


def layer(kind: str, outputs: int, weights: Any = (), **more: Any) -> dict[str, Any]:
    arrays = [array.tolist() for array in weights]
    return {"type": kind, "activation": "", "shape": [None, None, outputs], "weights": arrays, **more}


def model(*layers: dict[str, Any], inputs: int = 2) -> dict[str, Any]:
    return {"in_shape": [None, None, inputs], "layers": list(layers)}


def test_layers_compute_what_rtneural_computes(tmp_path: Path) -> None:
    """Convolution, batch normalization, PReLU, elu and softmax, each written out here in NumPy."""
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(3, 2, 4)), rng.normal(size=4)
    gamma, beta, mean = rng.normal(size=(3, 4))
    variance, slopes = rng.uniform(0.5, 2, 4), rng.normal(size=(1, 4))
    described = model(
        layer("conv1d", 4, [kernel, bias], kernel_size=[3], dilation=[2]),
        layer("batchnorm", 4, [gamma, beta, mean, variance], epsilon=0.01),
        layer("batchnorm", 4, [mean, variance], epsilon=0.02),
        layer("prelu", 4, [slopes]),
        layer("activation", 4) | {"activation": "elu"},
        layer("activation", 4) | {"activation": "softmax"},
    )
    x = rng.normal(size=(20, 2))
    padded = np.concatenate([np.zeros((4, 2)), x])
    y = sum(padded[2 * k : 2 * k + 20] @ kernel[k] for k in range(3)) + bias
    y = gamma * (y - mean) / np.sqrt(variance + 0.01) + beta
    y = (y - mean) / np.sqrt(variance + 0.02)
    y = np.where(y >= 0, y, slopes * y)
    y = np.where(y >= 0, y, np.expm1(np.minimum(y, 0)))
    y = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    found = from_rtneural(written(tmp_path / "net.json", described), dtype="float64")
    assert largest_error(found, x, y) < 1e-12


DENSE = layer("dense", 3, [np.ones((2, 3)), np.ones(3)])
GRU_WEIGHTS = [np.ones((2, 9)), np.ones((3, 9)), np.ones((2, 9))]
REFUSED = {
    "unknown": (layer("unknown", 3), "exporter did not know"),
    "conv2d": (layer("conv2d", 3), "ONNX"),
    "reset-before": (layer("gru", 3, [*GRU_WEIGHTS[:2], np.ones(9)]), "reset_after=False"),
    "relu in a cell": (layer("gru", 3, GRU_WEIGHTS) | {"activation": "relu"}, "computes tanh"),
    "function": (DENSE | {"activation": "swish"}, "none of RTNeural's"),
    "no function": (layer("activation", 2), "names no function"),
    "size": (DENSE | {"shape": [None, None, 4]}, "its shape says 4"),
    "inputs": (layer("dense", 3, [np.ones((5, 3)), np.ones(3)]), "takes 5 values"),
    "shape": (layer("dense", 3, [np.ones((2, 2, 3)), np.ones(3)]), "does not fit"),
    "stride": (layer("conv1d", 3, [np.ones((2, 2, 3)), np.ones(3)], kernel_size=[2], strides=[2]), "strides"),
    "groups": (layer("conv1d", 3, [np.ones((2, 2, 3)), np.ones(3)], kernel_size=[2], groups=2), "groups"),
    "taps": (layer("conv1d", 3, [np.ones((2, 2, 3)), np.ones(3)], kernel_size=[3]), "taps"),
    "variance": (layer("batchnorm", 2, [np.zeros(2), -np.ones(2)], epsilon=0.1), "variance"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_rtneural_does_not_compute_is_refused_by_its_layer(case: str, tmp_path: Path) -> None:
    refused, why = REFUSED[case]
    with pytest.raises(ConversionError, match=why) as error:
        from_rtneural(written(tmp_path / "net.json", model(refused)))
    assert "net.json: layer 0" in str(error.value)


def test_entries_that_nothing_is_computed_from_are_said(tmp_path: Path) -> None:
    path = written(tmp_path / "net.json", model(DENSE | {"comment": "x"}))
    assert read_model_file(path).remarks == ("layer 0 (dense): not used: 'comment'",)


def test_the_gru_is_the_reset_after_form() -> None:
    """The other form gives something else for RTNeural's own vector, so the vector decides."""
    found = read_model_file(FIXTURES / "rtneural" / "gru.json")
    assert found.vector is not None
    layers = list(found.model.layers)
    gru = layers[1]
    assert isinstance(gru, GRU)
    assert gru.recurrent_bias is not None
    bias = gru.bias.copy()
    bias[2] += gru.recurrent_bias
    layers[1] = GRU(gru.input_weights, gru.recurrent_weights, bias, form="reset-before")
    other, _ = reference.run(type(found.model)(layers), found.vector.input)
    assert np.abs(other - found.vector.output).max() > 1e-4
