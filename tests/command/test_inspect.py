"""`streamrnn inspect`: it shows what the archive contains, as plain text."""

import json
import os
from pathlib import Path

import pytest

from streamrnn import Activation, Dense, Model, Select, load
from streamrnn.command.description import describe
from tests.command.process import Command, called, finished
from tests.models import VARIANTS, model


def test_the_json_is_the_description_of_the_model(
    archive: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = called(capfd, monkeypatch, "inspect", archive, "--json")
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert found == describe(load(archive))
    assert found["parameters"] == 3 * 8 * (2 + 8) + 3 * 8 + 8 + 8 + 2 * 8 + 2
    assert found["weight_bytes"] == 4 * found["parameters"]
    assert (found["state_values"], found["state_bytes"]) == (8, 32)
    assert (found["input_size"], found["output_size"], found["format"]) == (2, 2, 1)
    assert [layer["kind"] for layer in found["layers"]] == ["gru", "dense"]
    assert found["layers"][0]["state"] == {"h": 8}
    assert found["notes"] == {"source": {"file": "gated.onnx"}}


def test_the_text_names_all_of_it(archive: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ended = called(capfd, monkeypatch, "inspect", archive)
    assert (ended.code, ended.err) == (0, "")
    for piece in (
        load(archive).fingerprint,
        "298, weights 1192 bytes",
        "8 values, 32 bytes",
        "gated.onnx",
        "gru",
        "dense",
    ):
        assert piece in ended.out


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("lstm", {}),
        ("lstm-coupled", {"coupled": True}),
        ("lstm-clipped", {"clip": 0.3}),
        ("lstm-peepholes", {"peepholes": [3, 9]}),
        ("lstm-projected", {"projection": [5, 9]}),
        ("gru-reset-after", {}),
        ("gru-reset-before", {"form": "reset-before"}),
        ("rnn-tanh", {}),
        ("rnn-relu", {"activations": ["relu"]}),
        ("dense-elu", {"activation": "elu(1.4)"}),
        ("dense-linear", {}),
    ],
)
def test_options_are_those_that_are_not_the_default(variant: str, options: dict[str, object]) -> None:
    found = describe(model(variant))["layers"][0]["options"]
    assert {name: value for name, value in found.items() if not name.startswith("initial")} == options


@pytest.mark.parametrize("variant", [name for name in VARIANTS if "conv1d" not in name])
def test_learned_initial_states_are_told(variant: str) -> None:
    (layer,) = describe(model(variant))["layers"]
    layer = layer["options"].get("layer", layer)  # the one that it holds has them
    initial = {
        "value" if name == "initial" else name.removeprefix("initial_")[0]: shape
        for name, shape in layer["options"].items()
        if name.startswith("initial")
    }
    assert initial == {name: [size] for name, size in layer["state"].items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_layer_is_told_as_text_and_as_json(variant: str, command: Command, tmp_path: Path) -> None:
    model(variant).save(tmp_path / "m.safetensors")
    told = [command("inspect", tmp_path / "m.safetensors", *options) for options in ([], ["--json"])]
    assert [(ended.code, ended.err) for ended in told] == [(0, ""), (0, "")]
    assert model(variant).layers[0].kind in told[0].out
    assert json.loads(told[1].out) == describe(model(variant))


def test_of_a_long_list_of_indices_the_text_shows_the_first_ones(command: Command, tmp_path: Path) -> None:
    Model([Select(3, [2, 0, 1, 1])]).save(tmp_path / "short.safetensors")
    Model([Select(2, [0, 1] * 50)]).save(tmp_path / "long.safetensors")
    assert "indices 2 0 1 1\n" in command("inspect", tmp_path / "short.safetensors").out
    assert "indices 0 1 0 1 0 1 0 1 … 1, 100 in all\n" in command("inspect", tmp_path / "long.safetensors").out


def test_nothing_is_wrapped_coloured_or_cut_off_outside_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model("lstm-with-everything").with_notes({"source": "x" * 300}).save(path)
    result = finished("inspect", path, env=os.environ | {"FORCE_COLOR": "1", "COLUMNS": "30", "TERM": "xterm-256color"})
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\x1b" not in result.stdout
    assert b"x" * 300 + b"\n" in result.stdout
    assert b"peepholes 3x9; projection 5x9; " in result.stdout
    assert b"activations hard_sigmoid(0.3, 0.4) scaled_tanh(1.3, 0.6) softsign; clip 0.5; coupled\n" in result.stdout


def test_what_a_stranger_wrote_into_the_notes_is_shown_as_text(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    Model([Dense([[1.0]], activation=Activation("tanh"))], {"[bold]a\nb": "\x1b[2J[red]λ\u202e"}).save(path)
    ended = called(capfd, monkeypatch, "inspect", path)
    assert r"\x1b[2J[red]λ\u202e" in ended.out
    assert r"[bold]a\nb" in ended.out


def test_what_such_a_model_is_can_be_seen(command: Command, backward_archive: Path) -> None:
    assert "offline only" in command("inspect", backward_archive).out
    assert json.loads(command("inspect", backward_archive, "--json").out)["streamable"] is False
