"""Models that exporters wrote (tf2onnx from Keras 2, Keras 3, jax2onnx, torch, onnxsim, onnxruntime's optimiser) give what the
framework itself answered.

Beside each file in fixtures/exporters: the inputs and answers (NAME.npz) and what their axes are (NAME.json): of each input and
output a word of B (batch), T (time) and F (features). The weights are random.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import ConversionError, Model, Stream, run_offline
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")

from streamrnn_converters import from_onnx

FOLDER = Path(__file__).parents[1] / "fixtures" / "exporters"
REFUSED = {
    "keras-k2-masking-lstm-last-open.tf2onnx": "is not one cell behind the other",  # it keeps its states where a step is masked
    "torch-lstm-meanpool.script.open": "is the time axis of the signal, as node '/rnn/LSTM' (LSTM) tells",  # a mean over time
}
NAMES = sorted(path.name.removesuffix(".onnx") for path in FOLDER.glob("*.onnx"))


def by_step(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """An array as (batch, time, values)."""
    for letter, index in (("B", 0), ("T", 1)):
        if letter not in axes:
            array, axes = np.expand_dims(array, index), axes[:index] + letter + axes[index:]
    array = np.moveaxis(array, (axes.index("B"), axes.index("T")), (0, 1))
    return array.reshape(*array.shape[:2], -1)


def streamed(model: Model, x: NDArray[Any]) -> NDArray[Any]:
    return np.stack([(Stream(model).process(signal) if model.streamable else run_offline(model, signal)) for signal in x])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in REFUSED])
def test_a_stream_gives_what_the_framework_answered(name: str) -> None:
    about, arrays = json.loads((FOLDER / f"{name}.json").read_text()), np.load(FOLDER / f"{name}.npz")
    model = from_onnx(FOLDER / f"{name}.onnx", offline=about["offline"])
    ((given, axes),) = about["ins"]
    x, right = arrays[f"in_{given}"], arrays["out_0"]
    if about["states"]:  # one run for each step, along a first axis
        x, right = x.reshape(1, len(x), -1), right.reshape(1, len(right), -1)
    else:
        x, right = by_step(x, axes), by_step(right, about["outs"][0])
    ours = streamed(model, x)
    ours = ours[:, -right.shape[1] :]
    assert ours.shape == right.shape
    assert np.abs(ours - right).max() <= 1e-6 * max(1, np.abs(right).max())


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_streamed_is_refused_for_the_true_reason(name: str) -> None:
    with pytest.raises(ConversionError) as refused:
        from_onnx(FOLDER / f"{name}.onnx")
    assert REFUSED[name] in str(refused.value)
