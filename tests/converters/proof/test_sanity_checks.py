"""`suspicions` names what looks wrong, computes gates by the equations, and finds nothing in models that look trained."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import RNN, Dense, Embedding, Layer, Model
from streamrnn_converters.proof import sanity_checks
from streamrnn_converters.proof.sanity_checks import suspicions
from tests.models import dense, gru, lstm, one_width, rebuilt, rnn, signal  # noqa: F401  (one_width is a fixture)

HIDDEN = 8
TORCH = {"source": {"format": "onnx", "producer": "pytorch 2.13.0"}}


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def biased(layer: Any, gate: int, value: float) -> Layer:
    bias = layer.bias.copy()
    bias[gate] = value
    return rebuilt(layer, bias=bias)


def flat(layer: Any, name: str, at: Any = ..., value: float = 0.25) -> Layer:
    array = getattr(layer, name).copy()
    array[at] = value
    return rebuilt(layer, **{name: array})


def peeping(weight: float) -> Layer:
    """An LSTM whose cells grow, and whose output gates depend on them by peepholes."""
    cell = lstm(rng(), 3, HIDDEN, peepholes=True)
    peepholes = np.repeat([[0.1], [-0.1], [weight]], HIDDEN, axis=1)
    return rebuilt(cell, peepholes=peepholes, bias=np.full((4, HIDDEN), 9), initial_cell=np.full(HIDDEN, 9))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [lstm(rng(), 3, HIDDEN), dense(rng(), HIDDEN, 2)],
        lambda: [lstm(rng(), 3, HIDDEN, peepholes=True, coupled=True), lstm(rng(), HIDDEN, HIDDEN, outputs=4)],
        lambda: [gru(rng(), 3, HIDDEN), gru(rng(), HIDDEN, HIDDEN, form="reset-before")],
        lambda: [rnn(rng(), 3, HIDDEN)],
        lambda: [Dense(np.ones((1, 1))), lstm(rng(), 1, 1)],
    ],
)
def test_a_model_that_looks_trained_raises_no_suspicion(layers: Callable[[], list[Layer]]) -> None:
    assert suspicions(Model(layers())) == ()


def test_a_gru_in_the_form_that_torch_does_not_have_is_suspicious_in_a_file_of_torch_only() -> None:
    before, after = Model([gru(rng(), 3, HIDDEN, form="reset-before")]), Model([gru(rng(), 3, HIDDEN)])
    (found,) = suspicions(before.with_notes(TORCH))
    assert found.startswith("layer 0 (gru): is reset-before (linear_before_reset=0), but 'pytorch 2.13.0' made the file")
    assert not suspicions(before.with_notes({"source": {"producer": "keras2onnx"}}))
    assert not suspicions(after.with_notes(TORCH))


SUSPECTS: dict[str, tuple[Callable[[], Layer], str]] = {
    "all-equal": (lambda: flat(gru(rng(), 3, HIDDEN), "input_weights"), "all 72 numbers of input_weights are 0.25;"),
    "one-gate-equal": (
        lambda: flat(lstm(rng(), 3, HIDDEN), "recurrent_weights", 1, 0.0),
        "layer 0 (lstm): all 64 numbers of recurrent_weights of gate 'f' are 0;",
    ),
    "forget-gate-open": (lambda: biased(lstm(rng(), 3, HIDDEN), 1, 20), "the forget gate of 8 of 8 units is open (above 0.99)"),
    "input-gate-shut": (lambda: biased(lstm(rng(), 3, HIDDEN), 0, -20), "the input gate of 8 of 8 units is shut (below 0.01)"),
    "output-gate-open-by-peepholes": (
        lambda: peeping(90),
        "the output gate of 8 of 8 units is open",
    ),
    "update-gate-shut": (lambda: biased(gru(rng(), 3, HIDDEN), 1, -20), "the update gate of 8 of 8 units is shut"),
    "reset-gate-open": (lambda: biased(gru(rng(), 3, HIDDEN), 0, 20), "the reset gate of 8 of 8 units is open"),
    "dead-units": (
        lambda: rebuilt(rnn(rng(), 3, HIDDEN, activations=("relu",)), bias=[[-50.0] * 8], initial_hidden=None),
        "layer 0 (rnn): 8 of 8 units never change on a normal signal; they are dead",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SUSPECTS)
def test_what_looks_wrong_is_named_by_layer_and_gate(name: str) -> None:
    build, sentence = SUSPECTS[name]
    found = suspicions(Model([build()]))
    assert any(sentence in warning for warning in found), found
    assert all(warning.startswith("layer 0 (") for warning in found)


def test_what_clips_the_gates_keeps_them_from_being_stuck() -> None:
    assert not suspicions(Model([biased(rebuilt(lstm(rng(), 3, HIDDEN), clip=2.0), 1, 20)]))


def test_a_layer_after_others_is_run_on_their_outputs() -> None:
    """The second layer's gates are open only because the first one's output is large."""
    first = Dense(np.zeros((HIDDEN, 3)), np.full(HIDDEN, 30.0))
    second = flat(flat(gru(rng(), HIDDEN, HIDDEN), "input_weights", 1, 0.2), "input_weights", (1, 0, 0), 0.3)
    found = suspicions(Model([first, second]))
    assert any(warning.startswith("layer 1 (gru): the update gate of 8 of 8 units is open") for warning in found), found


def test_the_gates_are_those_of_the_equations() -> None:
    """With f and z known, c and h follow from them as the streams have them."""
    x = signal(40, 3)
    cell = lstm(rng(), 3, HIDDEN)
    _, states = sanity_checks._run(Model([cell]), x)
    gates = sanity_checks.gate_values(cell, x, states)
    c, before = (np.array([step["c"] for step in steps]) for steps in (states, [cell.states, *states[:-1]]))
    assert np.abs((c - gates["f"] * before) / gates["i"]).max() <= 1 + 1e-5  # |g| < 1
    h = np.array([step["h"] for step in states])
    assert np.abs(h - gates["o"] * np.tanh(c)).max() < 1e-6


def test_models_with_tables_or_an_overflow_are_run_as_far_as_possible() -> None:
    table = rng().normal(size=(5, 3))
    assert suspicions(Model([Embedding(table), gru(rng(), 3, HIDDEN)])) == ()
    growing = RNN(np.ones((1, 2, 1)), 1e30 * np.eye(2)[None] + 1e29, activations=("relu",), initial_hidden=[1, 1])
    assert isinstance(suspicions(Model([growing])), tuple)
