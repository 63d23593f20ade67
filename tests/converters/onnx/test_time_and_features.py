"""Networks over time and the bands of a spectrum, as torch exports them for whole recordings (`tests/converters/fixtures`)."""

from pathlib import Path

import numpy as np
import pytest

from streamrnn import Stream
from streamrnn.audio import OutputRows

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx

FOLDER = Path(__file__).parents[1] / "fixtures" / "time_and_features"
STREAMED = sorted(path.stem for path in FOLDER.glob("*.onnx"))
#: The kind of layer that goes over time, where it says how the graph was understood.
OVER_TIME = {"bands": "bank", "convolved-dprnn": "bank", "crn": "gru", "dccrn": "lstm", "dilated": "frame", "dprnn": "bank"}


def test_there_are_such_files() -> None:
    assert len(STREAMED) == 24


@pytest.mark.parametrize("name", STREAMED)
def test_a_network_over_time_and_bands_streams_what_torch_computes(name: str) -> None:
    model = read_onnx((FOLDER / f"{name}.onnx").read_bytes()).model
    module = name.partition(".")[0]
    with np.load(FOLDER.with_suffix(".npz")) as archive:
        x, expected = archive[f"{module}.x"], archive[f"{module}.y"]
    stream, rng, given = Stream(model), np.random.default_rng(7), []
    while (begin := sum(map(len, given))) < len(x):
        n = int(rng.integers(0, 6))
        given.append(stream.process(x[begin : begin + n]) if n else stream.step(x[begin])[None])
    ours = np.concatenate(given)
    assert ours.tobytes() == Stream(model).process(x).tobytes()
    late = OutputRows.of(model).delay
    assert late == module.startswith("ahead")
    assert np.abs(ours[late:] - expected[: len(expected) - late]).max() <= 1e-5 * max(1, np.abs(expected).max())
    assert OVER_TIME.get(module, "") in " ".join(layer.kind for layer in model.layers)


@pytest.mark.parametrize("name", ["ahead.fixed", "convolved-dprnn.time", "crn.both", "gtcrn.both", "shifted.both"])
def test_it_is_proven(name: str) -> None:
    data = (FOLDER / f"{name}.onnx").read_bytes()
    assert verify(read_onnx(data).model, data).proven


@pytest.mark.parametrize("name", ["dprnn.time", "dprnn.fixed"])
def test_that_another_axis_was_taken_as_time_is_said(name: str) -> None:
    remarks = " ".join(read_onnx((FOLDER / f"{name}.onnx").read_bytes()).remarks)
    assert "axis 1 of graph input 'x' was taken as time, since the graph cannot be streamed over another" in remarks


def test_time_may_be_said_by_hand() -> None:
    data = (FOLDER / "dprnn.fixed.onnx").read_bytes()
    said = read_onnx(data, time_axis=1)
    assert said.model.fingerprint == read_onnx(data).model.fingerprint
    assert not said.remarks
