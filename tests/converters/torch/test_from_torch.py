"""Modules imported and streamed, against what torch itself computes in float64."""

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError, Dense, Stream, run_offline
from streamrnn_converters.torch import from_torch
from tests.converters.torch.seeding import seeded  # noqa: F401  (a fixture)
from tests.models import one_width  # noqa: F401  (a fixture)

torch = pytest.importorskip("torch", reason="compares with torch, which is not installed")
nn = torch.nn

N_STEPS = 100
TOLERANCE = 5e-6


def answers(module: Any, x: Any) -> Any:
    """What a module gives for the signal x, (n_steps, n_inputs), beginning with zero states."""
    if isinstance(module, nn.Sequential):
        for child in module:
            x = answers(child, x)
        return x
    if isinstance(module, nn.RNNBase):
        return module(x[None] if module.batch_first else x[:, None])[0].reshape(len(x), -1)
    if isinstance(module, nn.RNNCellBase):
        state, rows = None, []
        for row in x:
            state = module(row, state)
            rows.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(rows)
    return module(x)


def largest_error(module: Any, n_inputs: int, layers: str | None = None, loudness: float = 1.0) -> float:
    """Of a stream, half of it step by step, against torch in float64."""
    x = loudness * torch.randn(N_STEPS, n_inputs)
    stream = Stream(from_torch(module, layers))
    y = np.concatenate([[stream.step(row) for row in x[:50].numpy()], stream.process(x[50:].numpy())])
    with torch.no_grad():
        expected = answers(copy.deepcopy(module).double().eval(), x.double()).numpy()
    assert y.shape == expected.shape
    return float(np.abs(y - expected).max())


MODULES: dict[str, Any] = {
    "lstm": lambda: nn.LSTM(3, 10),
    "lstm-stacked": lambda: nn.LSTM(3, 10, num_layers=3),
    "lstm-without-bias": lambda: nn.LSTM(3, 10, bias=False),
    "lstm-projected": lambda: nn.LSTM(3, 10, num_layers=2, proj_size=4),
    "lstm-projected-without-bias": lambda: nn.LSTM(3, 10, bias=False, proj_size=1),
    "lstm-batch-first-with-dropout": lambda: nn.LSTM(3, 10, num_layers=2, batch_first=True, dropout=0.5),
    "gru": lambda: nn.GRU(3, 10),
    "gru-stacked": lambda: nn.GRU(3, 10, num_layers=3, dropout=0.2),
    "gru-without-bias": lambda: nn.GRU(3, 10, bias=False, batch_first=True),
    "rnn-tanh": lambda: nn.RNN(3, 10, num_layers=2),
    "rnn-relu": lambda: nn.RNN(3, 10, num_layers=2, nonlinearity="relu"),
    "rnn-without-bias": lambda: nn.RNN(3, 10, bias=False),
    "lstm-cell": lambda: nn.LSTMCell(3, 10),
    "lstm-cell-without-bias": lambda: nn.LSTMCell(3, 10, bias=False),
    "gru-cell": lambda: nn.GRUCell(3, 10),
    "rnn-cell-tanh": lambda: nn.RNNCell(3, 10),
    "rnn-cell-relu": lambda: nn.RNNCell(3, 10, nonlinearity="relu"),
    "linear": lambda: nn.Linear(3, 10),
    "linear-without-bias": lambda: nn.Linear(3, 10, bias=False),
    "sequential": lambda: nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.LSTM(6, 9), nn.GRU(9, 5), nn.Linear(5, 2)),
    "sequential-nested": lambda: nn.Sequential(
        nn.Sequential(nn.Identity(), nn.Sequential(nn.GRUCell(3, 8), nn.Dropout(0.9))),
        nn.Sequential(),
        nn.Sequential(nn.RNN(8, 4, nonlinearity="relu"), nn.Linear(4, 3)),
        nn.Dropout(0.9),
        nn.Sequential(nn.Identity(), nn.Softmax(dim=-1)),
    ),
    "sequential-that-repeats-a-module": lambda: nn.Sequential(*[nn.LSTM(3, 3)] * 2, *[nn.Linear(3, 3)] * 2),
    "half": lambda: nn.GRU(3, 10).half(),
    "bfloat16": lambda: nn.Sequential(nn.LSTM(3, 10), nn.Linear(10, 2)).bfloat16(),
}

ACTIVATIONS: dict[str, Any] = {
    "tanh": lambda: nn.Tanh(),
    "sigmoid": lambda: nn.Sigmoid(),
    "relu": lambda: nn.ReLU(inplace=True),
    "softmax": lambda: nn.Softmax(dim=1),
    "leaky-relu": lambda: nn.LeakyReLU(0.3),
    "leaky-relu-default": lambda: nn.LeakyReLU(),
    "elu": lambda: nn.ELU(1.7),
    "softplus": lambda: nn.Softplus(),
    "softsign": lambda: nn.Softsign(),
    "hardsigmoid": lambda: nn.Hardsigmoid(),
    "gelu": lambda: nn.GELU(),
    "gelu-by-tanh": lambda: nn.GELU("tanh"),
    "silu": lambda: nn.SiLU(),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_stream_gives_what_torch_gives(name: str) -> None:
    assert largest_error(MODULES[name](), 3) <= TOLERANCE


@pytest.mark.parametrize("name", ["lstm-projected", "gru-stacked", "rnn-relu", "sequential"])
def test_in_float64_a_stream_gives_sixteen_digits(name: str) -> None:
    module, x = MODULES[name]().double().eval(), torch.randn(N_STEPS, 3, dtype=torch.float64)
    with torch.no_grad():
        expected = answers(module, x).numpy()
    y = Stream(from_torch(module, dtype="float64")).process(x.numpy())
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_fused_into_the_linear_before_it(name: str) -> None:
    module = nn.Sequential(nn.Linear(3, 20), nn.Dropout(), ACTIVATIONS[name]())
    assert len(from_torch(module).layers) == 1
    assert largest_error(module, 3, loudness=10) <= TOLERANCE


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("tanh", nn.Tanh()),
        ("sigmoid", nn.Sigmoid()),
        ("relu", nn.ReLU()),
        ("softmax", nn.Softmax(-1)),
        ("leaky_relu", nn.LeakyReLU()),
        ("elu", nn.ELU()),
        ("softplus", nn.Softplus()),
        ("softsign", nn.Softsign()),
        ("hardsigmoid", nn.Hardsigmoid()),
        ("gelu", nn.GELU()),
        ("silu", nn.SiLU()),
    ],
)
def test_a_description_names_activations_as_torch_does(name: str, module: Any) -> None:
    assert getattr(nn.functional, name)
    linear = nn.Linear(3, 2)
    assert (
        from_torch(linear.state_dict(), f"dense::{name}").fingerprint == from_torch(nn.Sequential(linear, module)).fingerprint
    )


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_every_hidden_size_fits(kind: str) -> None:
    for hidden in range(1, 51):
        assert largest_error(getattr(nn, kind)(1 + hidden % 5, hidden), 1 + hidden % 5) <= TOLERANCE, hidden


class Network(nn.Module):
    """Its forward is Python code, which its tensors do not show."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Any) -> Any:
        return torch.sigmoid(self.head(self.rnn(x)[0]))


class Doubled(nn.Linear):
    def forward(self, x: Any) -> Any:
        return 2 * super().forward(x)


def test_a_module_of_another_type_is_imported_by_its_description() -> None:
    assert largest_error(Network(), 3, "gru:rnn, dense:head:sigmoid") <= TOLERANCE


@pytest.mark.parametrize("name", ["lstm-stacked", "lstm-projected", "gru-without-bias", "lstm-cell", "linear"])
def test_the_state_dict_of_one_module_gives_the_same_model(name: str) -> None:
    module = MODULES[name]()
    assert from_torch(module.state_dict()).fingerprint == from_torch(module).fingerprint


def test_a_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout()).train()
    before = copy.deepcopy(module.state_dict())
    model = from_torch(module)
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    with torch.no_grad():
        module[0].weight.zero_()
    (layer,) = model.layers
    assert isinstance(layer, Dense)
    np.testing.assert_array_equal(layer.weights, before["0.weight"].numpy())


BOTH_WAYS: dict[str, Any] = {
    "lstm": lambda: nn.LSTM(3, 10, bidirectional=True),
    "lstm-stacked": lambda: nn.LSTM(3, 10, num_layers=3, dropout=0.2, bidirectional=True),
    "lstm-projected": lambda: nn.LSTM(3, 10, num_layers=2, proj_size=4, bidirectional=True),
    "gru-stacked-without-bias": lambda: nn.GRU(3, 10, num_layers=2, bias=False, bidirectional=True),
    "rnn-relu": lambda: nn.RNN(3, 10, num_layers=2, nonlinearity="relu", bidirectional=True),
    "sequential": lambda: nn.Sequential(
        nn.Linear(3, 6), nn.Tanh(), nn.GRU(6, 9), nn.LSTM(9, 5, bidirectional=True), nn.GRU(10, 4), nn.Linear(4, 2)
    ),
}


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_a_bidirectional_module_answers_whole_recordings_as_torch_does(name: str) -> None:
    module = BOTH_WAYS[name]().eval()
    model = from_torch(module, offline=True)
    assert not model.streamable
    for n_steps in (1, N_STEPS):
        x = torch.randn(n_steps, 3)
        with torch.no_grad():
            expected = answers(copy.deepcopy(module).double().eval(), x.double()).numpy()
        assert np.abs(run_offline(model, x.numpy()) - expected).max() <= TOLERANCE


def test_the_state_dict_of_a_bidirectional_module_is_the_same_model() -> None:
    module = nn.GRU(3, 4, num_layers=2, bidirectional=True)
    assert from_torch(module.state_dict(), offline=True).fingerprint == from_torch(module, offline=True).fingerprint


def test_a_backward_direction_that_lacks_a_tensor_is_refused_by_its_name() -> None:
    state = nn.LSTM(3, 4, num_layers=2, bidirectional=True).state_dict()
    del state["bias_hh_l1_reverse"]
    with pytest.raises(ConversionError, match=r"^lstm: tensor 'bias_hh_l1_reverse' is missing"):
        from_torch(state, offline=True)


def test_the_notes_say_where_the_model_came_from() -> None:
    module = nn.Sequential(nn.LSTM(3, 4), nn.Linear(4, 2))
    assert from_torch(module).notes == {
        "source": {"format": "torch", "module": "Sequential", "layers": ["lstm '0'", "dense '1'"]}
    }


def hooked(module: Any) -> Any:
    module.register_forward_hook(lambda module, inputs, output: output * 2)
    return module


def patched(module: Any) -> Any:
    module.forward = lambda x: x
    return module


REFUSED: dict[str, tuple[Any, list[str]]] = {
    "bidirectional": (
        lambda: nn.LSTM(3, 4, bidirectional=True),
        ["lstm", "backward pass", "bidirectional=False", "offline=True"],
    ),
    "bidirectional-inside": (lambda: nn.Sequential(nn.GRU(3, 4, bidirectional=True)), ["gru '0'", "bidirectional=False"]),
    "own-forward": (Network, ["the module (Network)", "nn.Sequential", "layers="]),
    "own-forward-inside": (lambda: nn.Sequential(nn.Sequential(Network())), ["'0.0' (Network)"]),
    "subclass": (lambda: nn.Sequential(Doubled(3, 4)), ["'0' (Doubled)"]),
    "other-layer": (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), ["'1' (BatchNorm1d)"]),
    "other-container": (lambda: nn.ModuleList([nn.Linear(3, 4)]), ["(ModuleList)"]),
    "other-activation": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Mish()), ["'1' (Mish)"]),
    "parametrised": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 4)), ["ParametrizedLinear"]),
    "hooked": (lambda: nn.Sequential(hooked(nn.Linear(3, 4))), ["'0' (Linear)", "hook"]),
    "hooked-sequential": (lambda: hooked(nn.Sequential(nn.Linear(3, 4))), ["(Sequential)", "hook"]),
    "patched": (lambda: patched(nn.Linear(3, 4)), ["(Linear)", "forward"]),
    "activation-first": (lambda: nn.Sequential(nn.Tanh(), nn.Linear(3, 4)), ["'0' (Tanh)", "before every layer"]),
    "activation-after-recurrent": (
        lambda: nn.Sequential(nn.GRU(3, 4), nn.ReLU()),
        ["'1' (ReLU)", "gru '0'", "Linear", "from_onnx"],
    ),
    "two-activations": (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Tanh()), ["'2' (Tanh)", "dense '0'", "from_onnx"]),
    "softmax-over-time": (lambda: nn.Sequential(nn.GRU(3, 4), nn.Linear(4, 2), nn.Softmax(dim=1)), ["'2'", "dim=1", "dim=-1"]),
    "softmax-over-batch": (lambda: nn.Sequential(nn.Linear(4, 2), nn.Softmax(dim=0)), ["dim=0"]),
    "softmax-of-no-axis": (lambda: nn.Sequential(nn.Linear(4, 2), nn.Softmax()), ["dim=None"]),
    "softplus-beta": (lambda: nn.Sequential(nn.Linear(4, 2), nn.Softplus(beta=2)), ["beta=2"]),
    "softplus-threshold": (lambda: nn.Sequential(nn.Linear(4, 2), nn.Softplus(threshold=5)), ["threshold=5"]),
    "sizes-that-do-not-meet": (
        lambda: nn.Sequential(nn.GRU(3, 4), nn.Linear(5, 2)),
        ["dense '1': takes 5", "gru '0'", "gives 4"],
    ),
    "nothing": (lambda: nn.Sequential(nn.Identity()), ["no layer"]),
    "infinite-weight": (lambda: nn.Linear(1, 1).requires_grad_(False).apply(lambda m: m.weight.fill_(torch.inf)), ["'weight'"]),
    "no-data": (lambda: nn.GRU(3, 4, device="meta"), ["'weight_ih_l0'", "meta"]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_understood_is_refused_by_its_path(what: str) -> None:
    make, words = REFUSED[what]
    with pytest.raises(ConversionError) as refused:
        from_torch(make())
    assert all(word in str(refused.value) for word in words), refused.value


def test_integer_tensors_are_refused() -> None:
    with pytest.raises(ConversionError, match=r"'weight': dtype torch\.int8"):
        from_torch({"weight": torch.zeros(2, 3, dtype=torch.int8)})


def test_a_module_with_code_of_its_own_is_imported_as_the_error_says(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
    module, example_input = Network(), torch.zeros(7, 1, 3)
    with pytest.raises(ConversionError) as refused:
        from_torch(module)
    advice = 'torch.onnx.export(module.eval(), (example_input,), "model.onnx", dynamo=False)'
    assert advice in str(refused.value)
    assert "pip install 'streamrnn[torch]'" in str(refused.value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(advice.replace("model.onnx", str(tmp_path / "model.onnx")), {"torch": torch, "module": module} | locals())
    from streamrnn_converters import from_onnx

    x = torch.randn(7, 1, 3)
    expected = module(x).detach().numpy()[:, 0]
    np.testing.assert_allclose(Stream(from_onnx(tmp_path / "model.onnx")).process(x[:, 0].numpy()), expected, atol=TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.float64, np.float64, "float64"], ids=str)
def test_the_compute_precision_is_named_or_a_type_of_torch_or_numpy(dtype: object) -> None:
    assert from_torch(torch.nn.GRU(2, 3), dtype=dtype).dtype == np.float64


@pytest.mark.parametrize("dtype", [torch.float16, np.float16, 8], ids=str)
def test_another_compute_precision_is_refused(dtype: object) -> None:
    with pytest.raises(ConversionError, match=r"dtype: .* is not one of float32, float64"):
        from_torch(torch.nn.GRU(2, 3), dtype=dtype)
