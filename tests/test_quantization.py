"""`quantize`: the types that it chooses, the cost that it measures, and what it refuses."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import Embedding, InputError, Model, ModelError, Softmax, Stream, load, quantize
from streamrnn.command.measuring import cost_picture
from streamrnn.quantization import Trial
from tests.command.process import finished
from tests.models import dense, gru, one_width, signal  # noqa: F401


def forecaster() -> Model:
    rng = np.random.default_rng(0)
    return Model([gru(rng, 3, 9), dense(rng, 9, 4), Softmax(4)])


X = signal(300, 3)


def difference(one: Model, other: Model) -> float:
    return float(np.abs(Stream(one).process(X) - Stream(other).process(X)).max())


@pytest.mark.parametrize("weights", ["bfloat16", "float16", "int8"])
def test_all_layers_with_sums_get_the_type_and_the_measured_error_is_that_of_the_outputs(weights: str) -> None:
    whole = forecaster()
    small = quantize(whole, weights, X)
    assert [layer.stored for layer in small.layers] == [weights, weights, None]
    cost = small.notes["quantization"]
    assert cost["largest_error"] == pytest.approx(difference(small, whole), rel=1e-6)
    assert 0 < cost["rms_error"] < cost["largest_error"] < 0.01
    assert cost["parent"] == whole.fingerprint
    assert [(one["layer"], one["kind"], one["weights"]) for one in cost["layers"]] == [
        (0, "gru", weights),
        (1, "dense", weights),
    ]


def test_auto_takes_the_smallest_types_within_the_tolerance() -> None:
    whole = forecaster()
    of_int8 = quantize(whole, "int8", X).notes["quantization"]["largest_error"]
    assert [layer.stored for layer in quantize(whole, "auto", X, of_int8).layers[:2]] == ["int8", "int8"]
    mixed = quantize(whole, "auto", X, 0.9 * of_int8)
    assert "float16" in {layer.stored for layer in mixed.layers}
    assert difference(mixed, whole) <= 0.9 * of_int8
    assert quantize(whole, "auto", X, 0).fingerprint == whole.fingerprint


def test_without_a_recording_the_cost_is_measured_on_noise() -> None:
    cost = quantize(forecaster(), "bfloat16").notes["quantization"]
    assert (cost["signal"], cost["steps"]) == ("noise", 10_000)


@pytest.mark.parametrize(
    ("weights", "calibration", "tolerance", "error", "message"),
    [
        ("int4", X, None, ModelError, "'int4' is not one of float16, bfloat16, int8, auto"),
        ("auto", X, None, ModelError, "'auto' needs a tolerance"),
        ("int8", X, -1, ModelError, "tolerance: -1 is not a number from 0 on"),
        ("int8", X, 1e-9, ModelError, "more than 1e-09; take a larger type"),
        ("int8", X[:, :2], None, InputError, r"shape \(300, 2\) does not fit, expected \(n_steps, 3\)"),
        ("int8", X[:0], None, InputError, "at least 1 rows"),
        ("int8", "no", None, InputError, "calibration: not an array of numbers"),
        ("int8", X * np.nan, None, InputError, "is nan"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    weights: str, calibration: object, tolerance: float | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        quantize(forecaster(), weights, calibration, tolerance)  # type: ignore[arg-type]


def test_a_model_without_sums_stays_as_it_is() -> None:
    whole = Model([Embedding(np.eye(4, 3))])
    assert quantize(whole, "int8", np.arange(4.0)[:, None]).fingerprint == whole.fingerprint


def test_a_picture_shows_the_errors_of_layers_and_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra 'plot'")
    whole = forecaster()
    small = quantize(whole, "int8", X)
    errors = Trial(whole, X).errors_of(small)
    np.testing.assert_array_equal(errors, Stream(small).process(X).astype(np.float64) - Stream(whole).process(X))
    drawn: list[Any] = []
    monkeypatch.setattr(cost_picture, "save", lambda figure, path: drawn.append(figure))
    cost_picture.draw(small.notes["quantization"], errors, tmp_path / "a.png", "title")
    layers, outputs = drawn[0].axes
    lengths = [bar.get_width() for bar in layers.patches]
    found = [*small.notes["quantization"]["layers"], small.notes["quantization"]]
    assert lengths == [one[name] for name in ("largest_error", "rms_error") for one in found]
    heights = [bar.get_height() for bar in outputs.patches]
    np.testing.assert_allclose(heights, [*np.abs(errors).max(0), *np.sqrt((errors**2).mean(0))])


def test_the_command_writes_what_quantize_returns(tmp_path: Path) -> None:
    forecaster().save(tmp_path / "m.safetensors")
    np.savetxt(tmp_path / "x.csv", X, delimiter=",")
    arguments = ["quantize", "m.safetensors", "-o", "s.safetensors", "--weights", "int8", "--calibration", "x.csv", "--json"]
    picture = ["--plot", "p.png"] if find_spec("matplotlib") else []
    done = finished(*arguments, *picture, cwd=tmp_path)
    assert (tmp_path / "p.png").exists() == bool(picture)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    small = load(tmp_path / "s.safetensors")
    assert small.fingerprint == quantize(forecaster(), "int8", X).fingerprint
    assert found["weight_bytes"] == small.weight_bytes < found["weight_bytes_before"]
    assert found["largest_error"] == small.notes["quantization"]["largest_error"]
