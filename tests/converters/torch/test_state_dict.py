"""State dicts of NumPy arrays: imported without torch, against what torch computed once (fixtures/)."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, RNN, ConversionError, Dense, Stream
from streamrnn_converters.torch import from_torch
from tests.models import one_width  # noqa: F401  (a fixture)

FIXTURE = Path(__file__).parents[1] / "fixtures" / "torch_state_dicts.npz"
NAMES = ["lstm", "gru", "rnn-relu", "linear", "network"]

State = dict[str, Any]


def fixture(name: str) -> tuple[State, str | None, np.ndarray, np.ndarray]:
    """State dict, description, input and torch's output."""
    with np.load(FIXTURE) as file:
        arrays = {key.removeprefix(f"{name}/"): file[key] for key in file.files if key.startswith(f"{name}/")}
    state = {key.removeprefix("state/"): array for key, array in arrays.items() if key.startswith("state/")}
    return state, str(arrays["layers"]) or None, arrays["x"], arrays["y"]


def state_of(kind: str, inputs: int = 3, hidden: int = 4, *, prefix: str = "", suffix: str = "_l0") -> State:
    """A state dict of one recurrent module, of random numbers."""
    rows = {"lstm": 4, "gru": 3, "rnn": 1}[kind] * hidden
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
    rng = np.random.default_rng(0)
    return {f"{prefix}{name}{suffix}": rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def dense_of(inputs: int = 4, outputs: int = 2, *, prefix: str = "") -> State:
    rng = np.random.default_rng(1)
    return {f"{prefix}weight": rng.normal(size=(outputs, inputs)), f"{prefix}bias": rng.normal(size=outputs)}


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_gives_what_torch_gave(name: str) -> None:
    state, layers, x, y = fixture(name)
    model = from_torch(state, layers)
    assert model.notes["source"]["format"] == "torch"
    assert np.abs(Stream(model).process(x) - y).max() <= 5e-6


def test_torch_is_not_needed() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np; from streamrnn_converters.torch import from_torch\n"
        "print(from_torch({'weight': np.ones((2, 3), np.float32)}).output_size)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "2\n"


@pytest.mark.parametrize(("kind", "layer"), [("lstm", LSTM), ("gru", GRU)])
@pytest.mark.parametrize("prefix", ["", "net.rnn."])
@pytest.mark.parametrize("suffix", ["_l0", ""])
@pytest.mark.parametrize("hidden", [1, 3, 4])
def test_one_recurrent_module_is_recognised_by_its_rows(kind: str, layer: type, prefix: str, suffix: str, hidden: int) -> None:
    model = from_torch(state_of(kind, hidden=hidden, prefix=prefix, suffix=suffix))
    assert [type(found) for found in model.layers] == [layer]
    assert model.output_size == hidden


def test_a_projected_lstm_is_recognised_whatever_its_rows_look_like() -> None:
    """(4 H, P) may look like a GRU's (3 H, H) or an RNN's (H, H) rows."""
    for hidden, outputs in [(3, 4), (1, 4), (3, 2)]:
        state = state_of("lstm", hidden=hidden)
        state["weight_hh_l0"] = np.ones((4 * hidden, outputs))
        state["weight_hr_l0"] = np.ones((outputs, hidden))
        (layer,) = from_torch(state).layers
        assert isinstance(layer, LSTM)
        assert (layer.hidden_size, layer.output_size) == (hidden, outputs)


def test_a_linear_is_recognised() -> None:
    (layer,) = from_torch(dense_of(prefix="head.")).layers
    assert isinstance(layer, Dense)
    assert layer.activation.name == "linear"


def test_a_description_says_order_kinds_and_functions() -> None:
    state = state_of("rnn", prefix="rnn.") | dense_of(prefix="head.")
    for layers in ("rnn:rnn:relu,dense:head:leaky_relu", " rnn : rnn : relu , dense:head:leaky_relu", None):
        model = from_torch(state, layers or ["rnn:rnn:relu", "dense:head:leaky_relu"])
        rnn, dense = model.layers
        assert isinstance(rnn, RNN)
        assert isinstance(dense, Dense)
        assert (rnn.activations[0].name, str(dense.activation)) == ("relu", "leaky_relu(0.01)")
    assert from_torch(state_of("rnn"), "rnn:").layers[0].options()["activations"] == [{"name": "tanh"}]


def test_the_biases_of_a_gru_are_kept_apart_where_the_reset_is_between_them() -> None:
    """Gates r z n: b_ir + b_hr, b_iz + b_hz, and b_in apart from b_hn."""
    state = state_of("gru", hidden=2)
    (layer,) = from_torch(state).layers
    assert isinstance(layer, GRU)
    assert layer.form == "reset-after"
    inputs, recurrent = (state[name].astype(np.float64).reshape(3, 2) for name in ("bias_ih_l0", "bias_hh_l0"))
    np.testing.assert_array_equal(layer.bias, np.float32([inputs[0] + recurrent[0], inputs[1] + recurrent[1], inputs[2]]))
    np.testing.assert_array_equal(layer.recurrent_bias, np.float32(recurrent[2]))


def test_two_biases_are_added_before_they_are_rounded() -> None:
    state = state_of("lstm", hidden=1)
    state["bias_ih_l0"], state["bias_hh_l0"] = np.full(4, 1.0), np.full(4, 2.0**-24 + 2.0**-40)
    (layer,) = from_torch(state).layers
    assert isinstance(layer, LSTM)
    assert (layer.bias == np.float32(1 + 2.0**-24 + 2.0**-40)).all()
    assert (layer.bias != np.float32(1)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_converted(dtype: type) -> None:
    state = {name: array.astype(dtype) for name, array in state_of("lstm").items()}
    (layer,) = from_torch(state).layers
    expected = state["weight_ih_l0"].astype(np.float32).reshape(4, 4, 3)
    np.testing.assert_array_equal(layer.tensors()["input_weights"], expected)


def without(state: State, *names: str) -> State:
    return {name: value for name, value in state.items() if name not in names}


NETWORK = state_of("lstm", prefix="rnn.") | dense_of(prefix="head.")

REFUSED: dict[str, tuple[Any, Any, list[str]]] = {
    "several modules": (NETWORK, None, ["'rnn', 'head'", 'layers="lstm:rnn, dense:head"']),
    "an rnn, tanh or relu": (state_of("rnn"), None, ['layers="rnn:"', 'layers="rnn::relu"']),
    "rows of no kind": ({"weight_hh_l0": np.ones((10, 5))}, None, ["LSTM, GRU nor RNN", "KIND:"]),
    "no weights": ({"running_mean": np.ones(3)}, None, ["'running_mean'"]),
    "empty": ({}, None, ["no weights"]),
    "unused tensors": (NETWORK, "lstm:rnn", ["lstm 'rnn'", "'head.weight', 'head.bias'"]),
    "unused beside one module": (state_of("gru") | {"scale": np.ones(1)}, None, ["'scale'"]),
    "a layer of which there is only one tensor": (
        NETWORK | {"rnn.weight_hr_l1": np.ones((2, 2))},
        "lstm:rnn, dense:head",
        ["'rnn.weight_ih_l1'"],
    ),
    "missing tensor": (
        without(NETWORK, "rnn.weight_hh_l0"),
        "lstm:rnn, dense:head",
        ["lstm 'rnn'", "'rnn.weight_hh_l0'", "missing"],
    ),
    "missing bias": (without(NETWORK, "rnn.bias_hh_l0"), "lstm:rnn, dense:head", ["'rnn.bias_hh_l0' is missing"]),
    "missing prefix": (NETWORK, "lstm:net, dense:head", ["lstm 'net'", "'net.weight_ih_l0' is missing", "'rnn.weight_ih_l0'"]),
    "wrong shape": (
        NETWORK | {"rnn.weight_hh_l0": np.ones((16, 5))},
        "lstm:rnn, dense:head",
        ["'rnn.weight_hh_l0'", "(16, 5)", "(16, 4)"],
    ),
    "wrong bias shape": (NETWORK | {"head.bias": np.ones(3)}, "lstm:rnn, dense:head", ["'head.bias'", "(3,)", "(2)"]),
    "not so many gates": (state_of("gru", prefix="rnn.", hidden=5), "lstm:rnn", ["'rnn.weight_ih_l0'", "15 rows", "4 gates"]),
    "another kind": (state_of("gru", prefix="rnn."), "lstm:rnn", ["'rnn.weight_hh_l0'", "(12, 4)", "(12, 3)"]),
    "sizes that do not meet": (
        NETWORK | dense_of(5, prefix="head."),
        "lstm:rnn, dense:head",
        ["dense 'head': takes 5", "gives 4"],
    ),
    "stacked sizes that do not meet": (
        state_of("gru") | state_of("gru", 3, suffix="_l1"),
        "gru:",
        ["'weight_ih_l1'", "(any, 4)"],
    ),
    "bidirectional": (
        state_of("gru") | state_of("gru", suffix="_l0_reverse"),
        "gru:",
        ["'weight_ih_l0_reverse'", "bidirectional=False"],
    ),
    "a scalar": ({"weight": np.float32(1)}, "dense:", ["'weight'", "()"]),
    "no units": (state_of("gru", hidden=0), "gru:", ["'weight_ih_l0'", "empty"]),
    "NaN": ({"weight": np.array([[1, np.nan]])}, None, ["'weight'", "NaN"]),
    "infinite in float32": ({"weight": np.array([[1e39]])}, None, ["'weight'", "float32"]),
    "integers": ({"weight": np.array([[1]])}, None, ["'weight'", "int64"]),
    "text": ({"weight": "abc"}, None, ["'weight'"]),
    "a ragged list": ({"weight": [[1.0], [1.0, 2.0]]}, None, ["'weight'"]),
    "an object": ({"weight": object()}, None, ["'weight'"]),
    "a checkpoint": ({"state_dict": NETWORK, "epoch": 3}, None, ["checkpoint['state_dict']"]),
    "no name": ({3: np.ones((2, 2))}, None, ["3"]),
    "a path": ("model.pt", None, ["str", "torch.load"]),
    "nothing": (None, None, ["NoneType", "state dict"]),
    "description of an unknown kind": (NETWORK, "conv:rnn", ["'conv:rnn'", "lstm:PREFIX"]),
    "description without a prefix": (NETWORK, "lstm", ["'lstm'", "lstm:PREFIX"]),
    "description of nothing": (NETWORK, "", ["''"]),
    "empty description": (NETWORK, [], ["[]"]),
    "description that is none": (NETWORK, 3, ["3"]),
    "description with too much": (NETWORK, "lstm:rnn:tanh:tanh", ["'lstm:rnn:tanh:tanh'"]),
    "a function that a kind has not": (NETWORK, "lstm:rnn:relu, dense:head", ["'lstm:rnn:relu'", "no other"]),
    "an unknown function": (NETWORK, "lstm:rnn, dense:head:swish", ["'swish'", "leaky_relu"]),
    "a function that has another name in torch": (
        NETWORK,
        "lstm:rnn, dense:head:hard_sigmoid",
        ["'hard_sigmoid'", "hardsigmoid"],
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_understood_is_refused_by_name(what: str) -> None:
    state, layers, words = REFUSED[what]
    with pytest.raises(ConversionError) as refused:
        from_torch(state, layers)
    assert all(word in str(refused.value) for word in words), refused.value
