"""Keras's two files give what Keras answers; what cannot be streamed, or is code, is refused by the name of its layer."""

import json
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, ConversionError
from streamrnn_converters import from_keras
from streamrnn_converters.formats import read_model_file
from streamrnn_converters.formats.keras.h5_file import read_h5
from streamrnn_converters.formats.keras_weights import KerasWeights
from tests.converters.formats.files import FIXTURES, answers, largest_error

h5py = pytest.importorskip("h5py", reason="reading Keras files needs the extra 'keras'")

NAMES = ["every_layer", "branches", "last_step", "normalised", "separable"]
_read_once = lru_cache(read_h5)


@pytest.fixture(autouse=True)
def _one_process_for_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of one file are read in a process once, since the tests below change its config only."""
    monkeypatch.setattr("streamrnn_converters.formats.keras.saved_model.read_h5", _read_once)


@pytest.mark.parametrize("extension", ["keras", "h5"])
@pytest.mark.parametrize("name", NAMES)
def test_a_model_gives_what_keras_answers(name: str, extension: str) -> None:
    model = from_keras(FIXTURES / f"{name}.{extension}")
    assert largest_error(model, *answers(name, "keras_answers.npz")) < 1e-6
    assert model.notes["source"]["keras"].startswith("3.")


@pytest.mark.parametrize("name", NAMES)
def test_both_files_of_a_model_give_the_same_model(name: str) -> None:
    first, second = (from_keras(FIXTURES / f"{name}.{extension}").fingerprint for extension in ("keras", "h5"))
    assert first == second


def test_that_a_layer_gives_its_last_step_only_is_said() -> None:
    (remark,) = read_model_file(FIXTURES / "last_step.keras").remarks
    assert "return_sequences=False" in remark


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bidirectional.keras", "layer 'bidirectional' .*from its end"),
        ("attention.keras", "layer 'attention' .*not one of the classes"),
        ("two_outputs.keras", "outputs"),
        ("initial_state.keras", "layer 'get_item'"),
        ("only.weights.h5", "without the layers"),
    ],
)
def test_what_is_not_imported_is_refused_by_name(name: str, why: str) -> None:
    with pytest.raises(ConversionError, match=why) as error:
        from_keras(FIXTURES / name)
    assert name in str(error.value)


def edited(path: Path, name: str, change: Any) -> Path:
    """A .keras file of the fixtures whose config was changed by `change(config)`."""
    with zipfile.ZipFile(FIXTURES / f"{name}.keras") as source, zipfile.ZipFile(path, "w") as target:
        for member in source.namelist():
            content = source.read(member)
            if member == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            target.writestr(member, content)
    return path


def layer_of(config: Any, class_name: str) -> Any:
    return next(layer for layer in config["config"]["layers"] if layer["class_name"] == class_name)


OPTIONS: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "backwards": ("every_layer", "LSTM", {"go_backwards": True}, "go_backwards"),
    "states": ("every_layer", "GRU", {"return_state": True}, "return_state"),
    "units": ("every_layer", "LSTM", {"units": 6}, "units"),
    "form": ("every_layer", "GRU", {"reset_after": None}, "reset_after"),
    "bias of another form": ("every_layer", "GRU", {"reset_after": True}, "bias"),
    "padding": ("every_layer", "Conv1D", {"padding": "same"}, "causal"),
    "zeros": ("separable", "ZeroPadding1D", {"padding": [3, 0]}, "with 3 zeros before it"),
    "zeros behind": ("separable", "ZeroPadding1D", {"padding": [2, 2]}, "after the last step"),
    "no zeros": ("every_layer", "Conv1D", {"padding": "valid"}, "with 0 zeros before it"),
    "strides": ("every_layer", "Conv1D", {"strides": [2]}, "strides"),
    "taps": ("every_layer", "Conv1D", {"kernel_size": [2]}, "taps"),
    "axis": ("every_layer", "LayerNormalization", {"axis": 1}, "axis"),
    "root mean square": ("every_layer", "LayerNormalization", {"rms_scaling": True}, "rms_scaling"),
    "renorm": ("every_layer", "BatchNormalization", {"renorm": True}, "renorm"),
    "scale": ("every_layer", "BatchNormalization", {"scale": False}, "arrays of weights"),
    "slopes": ("every_layer", "PReLU", {"shared_axes": None}, "shared_axes"),
    "function": ("every_layer", "Activation", {"activation": "my_function"}, "my_function"),
    "own function": ("every_layer", "Activation", {"activation": {"class_name": "function", "config": "f"}}, "'f'"),
    "no bias": ("every_layer", "LSTM", {"use_bias": False}, "arrays of weights"),
    "wrapped": ("every_layer", "TimeDistributed", {"layer": {"class_name": "LSTM", "config": {}}}, "each step"),
    "mask": ("branches", "Embedding", {"mask_zero": True}, "mask_zero"),
    "normalization": ("normalised", "Normalization", {"axis": [1]}, "axis"),
    "variance": ("normalised", "Normalization", {"mean": [0, 0, 0], "variance": [1, -1, 1]}, "arrays of weights"),
    "no sequence": ("last_step", "LSTM", {"return_sequences": False}, "without a time axis"),
    "two of one name": ("last_step", "Dense", {"name": "lstm_1"}, "two layers of one name"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_that_cannot_be_streamed_is_refused(case: str, tmp_path: Path) -> None:
    name, class_name, options, why = OPTIONS[case]
    path = edited(tmp_path / "net.keras", name, lambda config: layer_of(config, class_name)["config"].update(options))
    with pytest.raises(ConversionError, match=why) as error:
        from_keras(path)
    assert "layer" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"class_name": "Lambda"}, "never executed"),
        ({"module": "my_package.layers"}, "user's own"),
        ({"class_name": "Custom>Activation"}, "user's own"),
        ({"registered_name": "my_package>Activation"}, "user's own"),
        ({"class_name": "Masking"}, "skips steps"),
        ({"class_name": "Sequential"}, "model within"),
    ],
)
def test_code_and_classes_of_the_users_own_are_refused(changes: dict[str, str], why: str, tmp_path: Path) -> None:
    path = edited(tmp_path / "net.keras", "every_layer", lambda config: layer_of(config, "Activation").update(changes))
    with pytest.raises(ConversionError, match=why):
        from_keras(path)


def test_a_function_that_differs_by_version_is_refused_where_the_version_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(FIXTURES / "branches.keras") as source, zipfile.ZipFile(path, "w") as target:
        for member in ("config.json", "model.weights.h5"):
            target.writestr(member, source.read(member))
    with pytest.raises(ConversionError, match="hard_sigmoid differs by version"):
        from_keras(path)


def keras_2_file(path: Path, functional: bool, arrays: dict[str, list[np.ndarray]]) -> Path:
    """An .h5 as Keras 2 writes it: other names in the config, nodes as lists, weights called kernel:0."""
    layers: list[dict[str, Any]] = [
        {"class_name": "LSTM", "config": {"name": "lstm", "units": 3, "return_sequences": True, "activation": "tanh"}},
        {"class_name": "GRU", "config": {"name": "gru", "units": 2, "return_sequences": True, "reset_after": False}},
    ]
    for layer in layers:
        layer["config"] |= {"recurrent_activation": "hard_sigmoid", "time_major": False}
    config: Any = {"layers": layers, "name": "net"}
    if functional:
        source = {"class_name": "InputLayer", "config": {"name": "in", "batch_input_shape": [None, None, 2]}}
        layers.insert(0, source)
        for layer, nodes in zip(layers, [[], [[["in", 0, 0, {}]]], [[["lstm", 0, 0, {"training": False}]]]], strict=True):
            layer |= {"name": layer["config"]["name"], "inbound_nodes": nodes}
        config |= {"input_layers": [["in", 0, 0]], "output_layers": [["gru", 0, 0]]}
    else:
        layers[0]["config"]["batch_input_shape"] = [None, None, 2]
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        described = {"class_name": "Functional" if functional else "Sequential", "config": config}
        file.attrs["model_config"] = json.dumps(described).encode()
        for name, weights in arrays.items():
            group = file.create_group(f"model_weights/{name}")
            paths = [f"{name}/{name}_cell/{what}:0" for what in ("kernel", "recurrent_kernel", "bias")]
            group.attrs["weight_names"] = [text.encode() for text in paths]
            for text, array in zip(paths, weights, strict=True):
                group[text] = array.astype(np.float32)
    return path


@pytest.mark.parametrize("functional", [False, True])
def test_a_file_of_keras_2_is_read_with_its_own_hard_sigmoid(functional: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "lstm": [rng.normal(size=shape) for shape in [(2, 12), (3, 12), (12,)]],
        "gru": [rng.normal(size=shape) for shape in [(3, 6), (2, 6), (6,)]],
    }
    model = from_keras(keras_2_file(tmp_path / "net.h5", functional, arrays), dtype="float64")
    lstm, gru = model.layers
    assert isinstance(lstm, LSTM)
    assert isinstance(gru, GRU)
    assert (gru.form, str(gru.activations[0])) == ("reset-before", "hard_sigmoid(0.2, 0.5)")
    kernel, recurrent, bias = (array.astype(np.float32) for array in arrays["lstm"])
    np.testing.assert_array_equal(lstm.input_weights.reshape(12, 2), kernel.T)
    np.testing.assert_array_equal(lstm.recurrent_weights.reshape(12, 3), recurrent.T)
    np.testing.assert_array_equal(lstm.bias.reshape(12), bias)
    z_r_n = arrays["gru"][0].astype(np.float32).reshape(3, 3, 2)  # inputs, gates, units
    np.testing.assert_array_equal(gru.input_weights, z_r_n.transpose(1, 2, 0)[[1, 0, 2]])


def test_zeros_before_what_is_no_convolution_are_refused(tmp_path: Path) -> None:
    def change(config: Any) -> None:
        layer = layer_of(config, "SeparableConv1D")
        layer |= {"class_name": "Dropout", "registered_name": "Dropout"}
        layer["config"] = {"name": layer["config"]["name"], "rate": 0.1}

    def end(config: Any) -> None:
        del config["config"]["layers"][2:]

    with pytest.raises(ConversionError, match="its output has zeros before the first step"):
        from_keras(edited(tmp_path / "net.keras", "separable", end))
    with pytest.raises(ConversionError, match="only a convolution may be given those"):
        from_keras(edited(tmp_path / "net.keras", "separable", change))


@pytest.mark.parametrize("kind", ["separable", "depthwise"])
def test_a_convolution_too_large_to_write_out_is_refused(kind: str) -> None:
    wide, long = np.ones((1, 1 << 13, 1), np.float32), np.ones((1 << 13, 1, 1), np.float32)
    weights = KerasWeights("layer 'c'", [long, wide.reshape(1, 1, -1)] if kind == "separable" else [wide], "float32")
    with pytest.raises(ConversionError, match="layer 'c': is a convolution of 67108864 weights"):
        getattr(weights, f"{kind}_conv1d")(1)
