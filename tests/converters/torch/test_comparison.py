"""A module that is described is run beside its model: what its forward does more than the description says is noticed."""

import copy
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError, load
from streamrnn.command.description import describe
from streamrnn_converters.torch import from_torch
from tests.converters.torch.seeding import seeded  # noqa: F401  (a fixture)

torch = pytest.importorskip("torch", reason="compares with torch, which is not installed")
nn = torch.nn

LAYERS = "gru:rnn, dense:head"
SAME = "run in torch, the module gave the same as the model, for short signals"


class Network(nn.Module):
    """A GRU and a head, used by a forward that is given."""

    def __init__(self, forward: Callable[..., Any], **options: Any) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, 5, **options)
        self.head = nn.Linear(5, 2)
        self.code = forward

    def forward(self, *given: Any) -> Any:
        return self.code(self, *given)


def remark(module: Any, layers: str = LAYERS, **options: Any) -> str:
    """The one that the notes of the model keep."""
    (said,) = from_torch(module, layers, **options).notes["source"]["remarks"]
    return str(said)


class Gated(nn.Module):
    """Its forward multiplies by a gate, which no description can say."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, 5)
        self.mix = nn.Linear(5, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Any) -> Any:
        y = self.rnn(x)[0]
        return self.head(y * torch.sigmoid(self.mix(y)))


def test_a_forward_that_is_more_than_its_layers_is_refused_and_export_is_named() -> None:
    module = Gated()
    with pytest.raises(ConversionError, match=r"the module gives something else, \d\.\d+ away at step \d+ of") as refused:
        from_torch(module, "gru:rnn, dense:mix, dense:head")
    assert "only if forward is exactly these layers in this order" in str(refused.value)
    assert 'torch.onnx.export(module.eval(), (example_input,), "model.onnx", dynamo=False)' in str(refused.value)


def test_the_error_that_offers_a_description_says_when_it_is_right() -> None:
    with pytest.raises(ConversionError, match="only if forward is exactly these layers in this order, describe it"):
        from_torch(Gated())


DIFFERENT: dict[str, Callable[[], Any]] = {
    "another-factor": lambda: Network(lambda self, x: 1.01 * self.head(self.rnn(x)[0])),
    "a-limit-that-only-loud-signals-reach": lambda: Network(lambda self, x: self.head(self.rnn(x.clamp(-50, 50))[0])),
    "a-memory-of-the-input": lambda: Network(lambda self, x: self.head(self.rnn(x + x.roll(1, 0))[0])),
    "an-initial-state": lambda: Network(lambda self, x: self.head(self.rnn(x, torch.ones(1, x.shape[1], 5).to(x))[0])),
    "the-mean-over-time": lambda: Network(lambda self, x: self.head(self.rnn(x)[0].mean(1)), batch_first=True),
    "not-a-number": lambda: Network(lambda self, x: self.head(self.rnn(x)[0]) * torch.nan),
    "dropout-that-always-works": lambda: Network(lambda self, x: self.head(nn.functional.dropout(self.rnn(x)[0], 0.5))),
    "types-that-are-fixed": lambda: Network(lambda self, x: 2 * self.head(self.rnn(x, torch.zeros(1, x.shape[1], 5))[0])),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_forward_that_differs_is_refused(what: str) -> None:
    with pytest.raises(ConversionError, match="the module gives something else"):
        from_torch(DIFFERENT[what](), LAYERS)


class Looped(nn.Module):
    """A loop over the steps, with a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTMCell(3, 5)

    def forward(self, x: Any) -> Any:
        state, rows = None, []
        for step in range(x.shape[1]):
            state = self.rnn(x[:, step], state)
            rows.append(state[0])
        return torch.stack(rows, 1)


class Remembering(Network):
    """It keeps its state from call to call, so that only the first call begins with zeros."""

    def __init__(self) -> None:
        super().__init__(lambda self, x: x)
        self.state = None

    def forward(self, x: Any) -> Any:
        y, self.state = self.rnn(x, self.state)
        return self.head(y)


class Both(Network):
    """It reads its input in both directions."""

    def __init__(self) -> None:
        super().__init__(lambda self, x: self.rnn(x)[0], bidirectional=True, num_layers=2)
        del self.head


SAMES: dict[str, tuple[Callable[[], Any], str]] = {
    "time-first": (lambda: Network(lambda self, x: self.head(self.rnn(x)[0])), LAYERS),
    "batch-first": (lambda: Network(lambda self, x: self.head(self.rnn(x)[0]), batch_first=True), LAYERS),
    "batch-first-by-hand": (
        lambda: Network(lambda self, x: self.head(self.rnn(x.mT.permute(2, 0, 1))[0]).mT.permute(2, 0, 1)),
        LAYERS,
    ),
    "two-axes": (lambda: Network(lambda self, x: self.head(self.rnn(x.unsqueeze(1))[0]).squeeze(1)), LAYERS),
    "with-its-state": (lambda: Network(lambda self, x, h=None: (self.head(self.rnn(x, h)[0]), self.rnn(x, h)[1])), LAYERS),
    "by-name": (lambda: Network(lambda self, x: {"logits": self.head(self.rnn(x)[0])}), LAYERS),
    "the-last-step": (lambda: Network(lambda self, x: self.head(self.rnn(x)[0][:, -1]), batch_first=True), LAYERS),
    "types-that-are-fixed": (
        lambda: Network(lambda self, x: self.head(self.rnn(x, torch.zeros(1, x.shape[1], 5))[0])),
        LAYERS,
    ),
    "half": (lambda: Network(lambda self, x: self.head(self.rnn(x)[0])).half(), LAYERS),
    "dropout": (lambda: Network(lambda self, x: self.head(self.rnn(x)[0]), num_layers=2, dropout=0.5), LAYERS),
    "remembering": (Remembering, LAYERS),
    "a-function-and-a-skip": (
        lambda: Network(lambda self, x: nn.functional.gelu(self.head(self.rnn(x)[0])) + x[..., :2]),
        "gru:rnn, dense:head:gelu, skip",
    ),
    "a-loop-of-a-cell": (Looped, "lstm:rnn"),
}


@pytest.mark.parametrize("what", SAMES)
def test_a_forward_that_is_its_layers_is_imported(what: str) -> None:
    make, layers = SAMES[what]
    assert remark(make(), layers) == SAME


def test_rounding_that_a_module_amplifies_is_no_difference() -> None:
    """With such weights it grows by each step. The zeros fix the type, so that torch computes in float32."""
    module = Network(lambda self, x: self.head(self.rnn(x, torch.zeros(1, x.shape[1], 20))[0]))
    module.rnn, module.head = nn.RNN(3, 20), nn.Linear(20, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= 10
    assert remark(module, "rnn:rnn, dense:head") == SAME


def test_a_forward_in_both_directions_is_run_too() -> None:
    assert remark(Both(), "gru:rnn", offline=True) == SAME


def test_in_float64_too_the_module_is_run() -> None:
    assert remark(Network(lambda self, x: self.head(self.rnn(x)[0])).double(), dtype="float64") == SAME


UNPROVEN: dict[str, tuple[Callable[[], Any], str, str]] = {
    "another-argument": (lambda: Network(lambda self, x, lengths: self.head(self.rnn(x)[0])), LAYERS, "lengths"),
    "one-step-and-a-state": (lambda: nn.GRUCell(3, 5), "gru:", "fails"),
    "other-axes": (
        lambda: Network(lambda self, x: self.head(self.rnn(x)[0]).mT, batch_first=True),
        LAYERS,
        r"gives \(1, 2, 41\)",
    ),
    "no-tensor": (lambda: Network(lambda self, x: None), LAYERS, "gives no tensor"),
    "not-to-be-called": (lambda: nn.Sequential(nn.GRU(3, 5), nn.Linear(5, 2)), "gru:0, dense:1", "fails"),
}


@pytest.mark.parametrize("what", UNPROVEN)
def test_what_cannot_be_run_is_unproven_and_says_so(what: str, tmp_path: Any) -> None:
    make, layers, why = UNPROVEN[what]
    with pytest.warns(RuntimeWarning, match=rf"^unproven: .*only if forward is exactly these layers.*{why}"):
        model = from_torch(make(), layers)
    model.save(tmp_path / "model.safetensors")
    assert "unproven: " in json.dumps(describe(load(tmp_path / "model.safetensors"))["notes"])


def test_a_state_dict_is_not_run_and_has_no_remark() -> None:
    state = Network(lambda self, x: x).state_dict()
    assert "remarks" not in from_torch(state, LAYERS).notes["source"]


def test_the_module_and_torch_are_left_as_they_were() -> None:
    module = Network(lambda self, x: self.head(nn.functional.dropout(self.rnn(x)[0], 0.0))).train()
    before, random = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    from_torch(module, LAYERS)
    assert module.training
    assert torch.is_grad_enabled()
    assert all(parameter.requires_grad and parameter.dtype == torch.float32 for parameter in module.parameters())
    assert torch.equal(random, torch.get_rng_state())
    for name, tensor in module.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name].numpy())
