"""StateOutput: a recurrent layer that gives one of its states."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import LSTM, Bank, Dense, Model, ModelError, StateOutput, Stream, load, quantize, run_equations
from tests.models import lstm, one_width, own_cell  # noqa: F401  (one_width is a fixture)

I, H = 3, 5  # noqa: E741 - the field's names


def layer(**options: Any) -> LSTM:
    return lstm(np.random.default_rng(0), I, H, **options)


def signal(n_steps: int = 60) -> Any:
    return np.random.default_rng(1).normal(size=(n_steps, I)).astype(np.float32)


@pytest.mark.parametrize("options", [{}, {"outputs": 2}, {"peepholes": True}], ids=["plain", "projected", "peepholes"])
def test_it_gives_the_state_of_the_layer_after_each_step(options: Any) -> None:
    cell = layer(**options)
    stream, beside = Stream(Model([StateOutput(cell, "c")])), Stream(Model([cell]))
    for row in signal():
        given = stream.step(row)
        beside.step(row)
        assert np.array_equal(given, beside.states[0]["c"])
        assert all(np.array_equal(stream.states[0][name], beside.states[0][name]) for name in "hc")


def test_its_h_is_what_the_layer_gives() -> None:
    cell, x = layer(), signal()
    assert np.array_equal(Stream(Model([StateOutput(cell, "h")])).process(x), Stream(Model([cell])).process(x))


def test_the_equations_give_the_state_too() -> None:
    given, states = run_equations(StateOutput(layer(), "c"), signal())
    assert np.abs(given - Stream(Model([StateOutput(layer(), "c")])).process(signal())).max() <= 1e-6
    assert np.array_equal(given[-1], states["c"])


def both_kinds() -> list[StateOutput]:
    return [StateOutput(layer(), "c"), StateOutput(own_cell(np.random.default_rng(0), I, H), "c")]


@pytest.mark.parametrize("whole", [Model([one]) for one in both_kinds()] + [Model([Bank(StateOutput(layer(), "c"), 2)])])
def test_an_archive_keeps_it(whole: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for model in (whole, quantize(whole, "bfloat16")):
        model.save(path)
        again = load(path)
        assert again.fingerprint == model.fingerprint
        x = np.concatenate([signal()] * (model.input_size // I), axis=1)
        assert np.array_equal(Stream(again).process(x), Stream(model).process(x))


def test_its_tensors_are_those_of_the_layer() -> None:
    one = StateOutput(layer(), "c")
    changed = one.with_tensor("layer.bias", np.ones((4, H)))
    assert isinstance(changed.layer, LSTM)
    assert changed.state == "c"
    assert (changed.layer.bias == 1).all()
    assert changed.tensors().keys() == {f"layer.{name}" for name in layer().tensors()}


def test_what_has_no_such_state_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^state-output layer, layer: a dense layer is no cell with states"):
        StateOutput(Dense(np.ones((2, 2))), "h")
    with pytest.raises(ModelError, match=r"^state-output layer, state: a lstm layer has no 'x'; it has 'h', 'c'"):
        StateOutput(layer(), "x")
    with pytest.raises(ModelError, match=r"^state-output layer, layer: 'lstm' is not a layer"):
        StateOutput("lstm", "c")  # type: ignore[arg-type]
