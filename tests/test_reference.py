"""The reference itself, against torch and onnxruntime, in single nodes with random distinct weights and loud states."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests import reference

N_INPUTS, N_HIDDEN, N_OUTPUTS, N_STEPS = 3, 5, 4, 40
STANDARD = {"lstm": ("sigmoid", "tanh", "tanh"), "gru": ("sigmoid", "tanh"), "rnn": ("tanh",)}
PARAMETRIZED = [
    ("affine", 0.7, -0.1),
    ("relu", None, None),
    ("leaky_relu", 0.2, None),
    ("thresholded_relu", 0.3, None),
    ("tanh", None, None),
    ("scaled_tanh", 1.3, 0.6),
    ("sigmoid", None, None),
    ("hard_sigmoid", 0.3, 0.4),
    ("elu", 1.4, None),
    ("softsign", None, None),
    ("softplus", None, None),
]
ONNX_NAMES = {name: name.title().replace("_", "") for name, _, _ in PARAMETRIZED}


def numbers(rng: np.random.Generator, *shape: int, scale: float = 0.8) -> Any:
    return (scale * rng.normal(size=shape)).astype(np.float32)


def function(name: str, alpha: float | None = None, beta: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(name=name, alpha=alpha, beta=beta)


def recurrent_layer(kind: str, rng: np.random.Generator, **changes: Any) -> SimpleNamespace:
    """A layer of every array that the kind can have, no two numbers the same."""
    n_gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
    layer = SimpleNamespace(
        kind=kind,
        input_weights=numbers(rng, n_gates, N_HIDDEN, N_INPUTS),
        recurrent_weights=numbers(rng, n_gates, N_HIDDEN, N_HIDDEN),
        bias=numbers(rng, n_gates, N_HIDDEN),
        initial_hidden=numbers(rng, N_HIDDEN),
        activations=tuple(map(function, STANDARD[kind])),
        clip=None,
    )
    if kind == "lstm":
        layer.peepholes, layer.projection, layer.coupled = None, None, False
        layer.initial_cell = numbers(rng, N_HIDDEN, scale=3)
    if kind == "gru":
        layer.form, layer.recurrent_bias = "reset-after", numbers(rng, N_HIDDEN)
    vars(layer).update(changes)
    return layer


# --- onnxruntime -----------------------------------------------------------------------------------------------------


def onnx_rows(gates: Any, order: list[int]) -> Any:
    """Gates in ONNX's order, stacked along the rows of one direction."""
    return gates[order].reshape(1, len(order) * gates.shape[1], *gates.shape[2:])


def run_onnxruntime(layer: SimpleNamespace, signal: Any) -> list[Any]:
    """Outputs of the layer as a single ONNX node: Y, Y_h and for an LSTM Y_c, without direction and batch."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'streamrnn[convert]'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'streamrnn[convert]'")
    order = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2], "rnn": [0]}[layer.kind]
    second_bias = np.zeros_like(layer.bias)
    attributes: dict[str, Any] = {"hidden_size": layer.input_weights.shape[1]}
    if layer.kind == "gru":
        attributes["linear_before_reset"] = int(layer.form == "reset-after")
        if layer.form == "reset-after":
            second_bias[2] = layer.recurrent_bias
    tensors = {
        "W": onnx_rows(layer.input_weights, order),
        "R": onnx_rows(layer.recurrent_weights, order),
        "B": np.concatenate([onnx_rows(layer.bias, order), onnx_rows(second_bias, order)], axis=1),
        "h0": layer.initial_hidden[None, None],
    }
    inputs = ["X", "W", "R", "B", "", "h0"]
    if layer.kind == "lstm":
        attributes["input_forget"] = int(layer.coupled)
        tensors["c0"] = layer.initial_cell[None, None]
        inputs.append("c0")
        if layer.peepholes is not None:
            tensors["P"] = onnx_rows(layer.peepholes, [0, 2, 1])
            inputs.append("P")
    if layer.clip is not None:
        attributes["clip"] = layer.clip
    attributes["activations"] = [ONNX_NAMES[chosen.name] for chosen in layer.activations]
    for parameter in "alpha", "beta":
        values = [getattr(chosen, parameter) for chosen in layer.activations if getattr(chosen, parameter) is not None]
        if values:
            attributes[f"activation_{parameter}"] = values
    outputs = ["Y", "Y_h"] + ["Y_c"] * (layer.kind == "lstm")

    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node(layer.kind.upper(), inputs, outputs, **attributes)],
        "one node",
        [helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, ["time", 1, signal.shape[1]])],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(tensor, name) for name, tensor in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [output.reshape(-1, output.shape[-1]) for output in session.run(None, {"X": signal[:, None]})]


def assert_is_onnxruntime(layer: SimpleNamespace, seed: int) -> None:
    atol = 2e-6  # float32 against float64, over a few dozen steps
    signal = numbers(np.random.default_rng(seed), N_STEPS, N_INPUTS, scale=1.5)
    outputs, states = reference.run_layer(layer, signal)
    theirs = run_onnxruntime(layer, signal)
    np.testing.assert_allclose(outputs, theirs[0], rtol=0, atol=atol)
    for state, their_state in zip(states.values(), theirs[1:], strict=True):
        np.testing.assert_allclose(state, their_state[0], rtol=1e-6, atol=atol)  # c may be large


@pytest.mark.parametrize("clip", [None, 0.4, 1.5])
@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("peepholes", [False, True])
def test_lstm_is_that_of_onnxruntime(peepholes: bool, coupled: bool, clip: float | None) -> None:
    rng = np.random.default_rng(1)
    layer = recurrent_layer("lstm", rng, clip=clip, coupled=coupled)
    if peepholes:
        layer.peepholes = numbers(rng, 3, N_HIDDEN)
    assert_is_onnxruntime(layer, seed=2)


@pytest.mark.parametrize("clip", [None, 0.4, 1.5])
@pytest.mark.parametrize("form", ["reset-after", "reset-before"])
def test_gru_is_that_of_onnxruntime(form: str, clip: float | None) -> None:
    assert_is_onnxruntime(recurrent_layer("gru", np.random.default_rng(3), form=form, clip=clip), seed=4)


@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_rnn_is_that_of_onnxruntime(name: str, clip: float | None) -> None:
    rng = np.random.default_rng(5)
    layer = recurrent_layer("rnn", rng, activations=(function(name),), clip=clip)
    layer.recurrent_weights *= np.float32(0.3)  # contractive: relu has no bound of its own
    assert_is_onnxruntime(layer, seed=6)


@pytest.mark.parametrize("chosen", PARAMETRIZED, ids=lambda chosen: chosen[0])
def test_activations_of_a_recurrent_node_are_those_of_onnxruntime(chosen: tuple[Any, ...]) -> None:
    rng = np.random.default_rng(7)
    layer = recurrent_layer("rnn", rng, activations=(function(*chosen),))
    layer.recurrent_weights *= np.float32(0.3)
    assert_is_onnxruntime(layer, seed=8)


@pytest.mark.parametrize("clip", [None, 0.6])
def test_each_activation_takes_its_own_parameters_as_in_onnxruntime(clip: float | None) -> None:
    rng = np.random.default_rng(9)
    chosen = function("hard_sigmoid", 0.3, 0.4), function("scaled_tanh", 1.3, 0.6), function("leaky_relu", 0.2)
    lstm = recurrent_layer("lstm", rng, activations=chosen, clip=clip, peepholes=numbers(rng, 3, N_HIDDEN, scale=0.2))
    assert_is_onnxruntime(lstm, seed=10)
    for form in "reset-after", "reset-before":
        chosen = function("hard_sigmoid", 0.3, 0.4), function("affine", 0.5, 0.1)
        assert_is_onnxruntime(recurrent_layer("gru", rng, form=form, activations=chosen, clip=clip), seed=11)


# --- torch -----------------------------------------------------------------------------------------------------------


def assert_is_torch(layer: SimpleNamespace, module: Any, seed: int) -> None:
    """The module, given the layer's weights in float64, gives the layer's outputs and states."""
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'streamrnn[torch]'")
    tensors = {
        "weight_ih_l0": np.concatenate(layer.input_weights),
        "weight_hh_l0": np.concatenate(layer.recurrent_weights),
        "bias_ih_l0": np.concatenate(layer.bias),
        "bias_hh_l0": np.zeros(layer.bias.size),
    }
    if layer.kind == "gru":
        tensors["bias_hh_l0"][2 * N_HIDDEN :] = layer.recurrent_bias
    starts = [layer.initial_hidden]
    if layer.kind == "lstm":
        starts.append(layer.initial_cell)
        if layer.projection is not None:
            tensors["weight_hr_l0"] = layer.projection
    module = module.double()
    module.load_state_dict({name: torch.tensor(value, dtype=torch.float64) for name, value in tensors.items()})
    begin = [torch.tensor(start[None], dtype=torch.float64) for start in starts]
    signal = numbers(np.random.default_rng(seed), N_STEPS, N_INPUTS, scale=1.5)
    with torch.no_grad():
        theirs, ends = module(torch.tensor(signal, dtype=torch.float64), tuple(begin) if len(begin) == 2 else begin[0])
    outputs, states = reference.run_layer(layer, signal)
    np.testing.assert_allclose(outputs, theirs.numpy(), rtol=0, atol=1e-13)
    for state, end in zip(states.values(), ends if len(begin) == 2 else [ends], strict=True):
        np.testing.assert_allclose(state, end.numpy()[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("projected", [False, True])
def test_lstm_is_that_of_torch(projected: bool) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'streamrnn[torch]'")
    rng = np.random.default_rng(12)
    layer = recurrent_layer("lstm", rng)
    if projected:
        layer.recurrent_weights = numbers(rng, 4, N_HIDDEN, N_OUTPUTS)
        layer.projection = numbers(rng, N_OUTPUTS, N_HIDDEN)
        layer.initial_hidden = numbers(rng, N_OUTPUTS)
    assert_is_torch(layer, torch.nn.LSTM(N_INPUTS, N_HIDDEN, proj_size=N_OUTPUTS if projected else 0), seed=13)


def test_gru_reset_after_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'streamrnn[torch]'")
    assert_is_torch(recurrent_layer("gru", np.random.default_rng(14)), torch.nn.GRU(N_INPUTS, N_HIDDEN), seed=15)


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_rnn_is_that_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'streamrnn[torch]'")
    layer = recurrent_layer("rnn", np.random.default_rng(16), activations=(function(name),))
    layer.recurrent_weights *= np.float32(0.3)
    assert_is_torch(layer, torch.nn.RNN(N_INPUTS, N_HIDDEN, nonlinearity=name), seed=17)


@pytest.mark.parametrize("name", ["linear", "tanh", "sigmoid", "relu", "softmax", "elu", "softplus", "softsign", "leaky_relu"])
def test_dense_is_that_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'streamrnn[torch]'")
    rng = np.random.default_rng(18)
    layer = SimpleNamespace(kind="dense", weights=numbers(rng, 6, 3), bias=numbers(rng, 6), activation=name)
    signal = numbers(rng, N_STEPS, 3, scale=4)
    behind = {"linear": lambda y: y, "softmax": lambda y: torch.softmax(y, dim=1)}
    behind |= {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "softplus": torch.nn.Softplus(threshold=700)}
    with torch.no_grad():
        total = torch.nn.functional.linear(*(torch.tensor(a, dtype=torch.float64) for a in (signal, layer.weights, layer.bias)))
        theirs = (behind.get(name) or getattr(torch.nn.functional, name))(total)
    np.testing.assert_allclose(reference.run_layer(layer, signal)[0], theirs.numpy(), rtol=0, atol=1e-13)


# --- the reference alone ---------------------------------------------------------------------------------------------


def test_a_model_is_its_layers_one_behind_the_other() -> None:
    rng = np.random.default_rng(19)
    first, second = recurrent_layer("gru", rng), recurrent_layer("lstm", rng, input_weights=numbers(rng, 4, N_HIDDEN, N_HIDDEN))
    signal = numbers(rng, N_STEPS, N_INPUTS)
    between, first_end = reference.run_layer(first, signal)
    outputs, second_end = reference.run_layer(second, between)
    whole, ends = reference.run(SimpleNamespace(layers=(first, second)), signal)
    np.testing.assert_array_equal(whole, outputs)
    for mine, end in zip(ends, (first_end, second_end), strict=True):
        assert mine.keys() == end.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], end[name])


def test_a_layer_goes_on_from_the_states_it_ended_in() -> None:
    layer = recurrent_layer("lstm", np.random.default_rng(20))
    signal = numbers(np.random.default_rng(21), N_STEPS, N_INPUTS)
    whole, _ = reference.run_layer(layer, signal)
    _, states = reference.run_layer(layer, signal[:17])
    np.testing.assert_array_equal(reference.run_layer(layer, signal[17:], states=states)[0], whole[17:])
