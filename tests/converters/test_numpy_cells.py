"""The cells in NumPy give what the reference gives, for every option of a layer."""

from typing import Any

import numpy as np
import pytest

from streamrnn import Activation
from streamrnn.gates import GATE_ORDERS
from streamrnn_converters.numpy_cells import activate, gru_gates, gru_state, lstm_cell
from tests import reference
from tests.models import gru, lstm

INPUTS, HIDDEN = 3, 5
CELL_FUNCTIONS = [name for name in Activation.DEFAULTS if Activation(name).fits_cells]


def sums_of(layer: Any, x: Any, h: Any) -> dict[str, Any]:
    """W x + R h + b of each gate, by its letter."""
    sums = layer.input_weights @ x + layer.recurrent_weights @ h + layer.bias
    return dict(zip(GATE_ORDERS[layer.kind]["streamrnn"], sums, strict=True))


@pytest.mark.parametrize("name", CELL_FUNCTIONS)
def test_a_function_of_a_cell_is_that_of_the_reference(name: str) -> None:
    x = np.linspace(-30, 30, 601)
    assert np.allclose(activate(Activation(name), x), reference.activate(Activation(name), x), rtol=1e-12, atol=1e-15)


def test_softmax_goes_over_the_last_axis() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    assert np.allclose(activate(Activation("softmax"), x)[1, 2], reference.softmax(x[1, 2]))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"peepholes": True},
        {"coupled": True, "peepholes": True},
        {"clip": 0.1},
        {"activations": ("hard_sigmoid", "relu", "softsign"), "peepholes": True},
    ],
    ids=str,
)
def test_an_lstm_cell_is_that_of_the_reference(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    layer = lstm(rng, INPUTS, HIDDEN, **options)
    x, h, c = rng.normal(size=INPUTS), rng.normal(size=HIDDEN), rng.normal(size=HIDDEN)
    expected = reference.lstm_step(layer, x, {"h": h, "c": c})
    peepholes = None if layer.peepholes is None else dict(zip("ifo", layer.peepholes.astype(float), strict=True))
    gates, new_h, new_c = lstm_cell(
        sums_of(layer, x, h), c, layer.activations, peepholes=peepholes, clip=layer.clip, coupled=layer.coupled
    )
    assert np.allclose(new_h, expected["h"], rtol=1e-12, atol=0)
    assert np.allclose(new_c, expected["c"], rtol=1e-12, atol=0)
    assert np.allclose(gates["o"] * reference.activate(layer.activations[2], new_c), new_h, rtol=1e-12, atol=0)


@pytest.mark.parametrize("clip", [None, 0.1])
def test_the_gates_and_the_state_of_a_gru_are_those_of_the_reference(clip: float | None) -> None:
    rng = np.random.default_rng(2)
    layer = gru(rng, INPUTS, HIDDEN, form="reset-before", clip=clip)
    x, h = rng.normal(size=INPUTS), rng.normal(size=HIDDEN)
    gates = gru_gates(sums_of(layer, x, h), clip=clip)
    candidate = layer.input_weights[2] @ x + layer.recurrent_weights[2] @ (gates["r"] * h) + layer.bias[2]
    if clip is not None:
        candidate = np.clip(candidate, -clip, clip)
    expected = reference.gru_step(layer, x, {"h": h})["h"]
    assert np.allclose(gru_state(gates["z"], candidate, h), expected, rtol=1e-12, atol=0)
