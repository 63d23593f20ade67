"""The proof of a quantised model: it holds for what `quantize` gives, and not for one other number."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import Layer, Model, VerificationError, quantize
from streamrnn.layers.recipe_layer import RecipeLayer
from streamrnn.stored_proof import TOLERANCE, largest_error, prove_stored
from streamrnn.target import panels
from tests.command.process import finished
from tests.models import dense, gru, lstm, one_width, rnn, signal  # noqa: F401


def parent() -> Model:
    rng = np.random.default_rng(0)
    return Model([gru(rng, 3, 9), dense(rng, 9, 4, activation="softmax")])


def with_one_changed(model: Model, layer: int, name: str, index: tuple[int, ...]) -> Model:
    """The model with one integer of a row changed by 1."""
    layers = list(model.layers)
    weights = layers[layer].tensors()[name].copy()
    weights[index] += layers[layer].row_scales(weights)[*index[:-1], 0] * (1 if weights[index] < 0 else -1)
    layers[layer] = layers[layer].with_tensor(name, weights)
    return Model(layers, model.notes)


@pytest.mark.parametrize("weights", ["int8", "bfloat16"])
def test_what_quantize_gives_is_proven(weights: str) -> None:
    proof = prove_stored(quantize(parent(), weights), parent())
    assert proof.proven, proof
    assert [layer.weights for layer in proof.layers] == [weights, weights]
    assert all(0 < (layer.largest_error or 0) < 5e-6 for layer in proof.layers)
    assert proof.noted == proof.cost.largest


def test_one_changed_integer_is_not_proven() -> None:
    small = quantize(parent(), "int8", signal(100, 3))
    assert prove_stored(small, parent()).proven
    changed = with_one_changed(small, 0, "recurrent_weights", (1, 4, 2))
    proof = prove_stored(changed, parent())
    assert [layer.differs for layer in proof.layers] == ["recurrent_weights[1, 4, 2] and 0 more", ""]
    assert not proof.proven


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "layer",
    [
        lstm(np.random.default_rng(1), 5, 12),
        gru(np.random.default_rng(1), 5, 12, form="reset-before"),
        lstm(np.random.default_rng(1), 5, 12, outputs=7),
        rnn(np.random.default_rng(1), 5, 12),
        dense(np.random.default_rng(1), 5, 12),
    ],
    ids=["lstm", "reset-before", "projected", "rnn", "dense"],
)
def test_a_kernel_that_reads_one_other_integer_differs_from_the_equations(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = layer.with_stored("int8")
    assert isinstance(small, RecipeLayer)
    assert largest_error(small) < TOLERANCE / 4
    rounded = panels.as_integers

    def one_other(weights: Any) -> Any:
        integers = rounded(weights)
        integers[(0,) * integers.ndim] ^= 1
        return integers

    monkeypatch.setattr(panels, "as_integers", one_other)
    assert largest_error(replace(small)) > TOLERANCE  # type: ignore[type-var]


def test_a_cost_that_the_notes_do_not_have_is_not_proven() -> None:
    small = quantize(parent(), "int8")
    noted = small.notes["quantization"] | {"largest_error": 1e-9}
    assert not prove_stored(small.with_notes({"quantization": noted}), parent()).proven


def test_another_parent_is_refused() -> None:
    small = quantize(parent(), "int8", signal(50, 3))
    with pytest.raises(VerificationError, match="does not say that it was quantised from this model"):
        prove_stored(small, Model([gru(np.random.default_rng(5), 3, 4)]))


def test_the_command_tells_and_has_the_exit_code_of_the_verdict(tmp_path: Path) -> None:
    small = quantize(parent(), "int8", signal(50, 3))
    parent().save(tmp_path / "whole.safetensors")
    small.save(tmp_path / "small.safetensors")
    with_one_changed(small, 1, "weights", (0, 0)).save(tmp_path / "other.safetensors")
    done = finished("verify", "small.safetensors", "--against", "whole.safetensors", "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["proven"]) == (0, True), done.stderr
    done = finished("verify", "other.safetensors", "--against", "whole.safetensors", cwd=tmp_path)
    assert done.returncode == 3
    assert "not the parent's: weights[0, 0]" in done.stdout.decode()
    assert "NOT proven" in done.stdout.decode()
