"""Cells that no recurrent node is, as torch exports them (`tests/converters/fixtures`): a step with a carried state, a loop."""

from pathlib import Path

import numpy as np
import pytest

from streamrnn import ConversionError, Model, Stream

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx

FOLDER = Path(__file__).parents[1] / "fixtures" / "custom_cells"
STATES = {
    "attention": ["key_cache", "value_cache"],
    "delta-net": ["memory"],
    "cfc": ["hx"],
    "echo-state": ["h"],
    "lru": ["state_re", "state_im"],
    "min-gru": ["h"],
    "normed-lstm": ["h", "c"],
    "sru": ["c"],
    "zoneout-lstm": ["h", "c"],
}

#: Where the newer exporter's names for the outputs leave it open, so that the import asks.
SAID = {"lru.dynamo": {"re": "add", "im": "add_2"}}


def assert_streams_as_torch(model: Model, name: str) -> None:
    """A stream gives what torch's cell of the name computes over 500 steps."""
    with np.load(FOLDER.with_suffix(".npz")) as archive:
        x, expected = archive["x"], archive[name]
    stream = Stream(model)
    ours = np.concatenate([[stream.step(row) for row in x[:250]], stream.process(x[250:])])
    assert np.abs(ours - expected).max() <= 5e-6 * np.abs(expected).max()


@pytest.mark.parametrize("exporter", ["script", "dynamo"])
@pytest.mark.parametrize("name", STATES)
def test_a_custom_cell_streams_500_steps_as_torch_computes_them(name: str, exporter: str) -> None:
    data = (FOLDER / f"{name}.{exporter}.onnx").read_bytes()
    said = SAID.get(f"{name}.{exporter}")
    if said:
        with pytest.raises(
            ConversionError, match=f"graph input '{next(iter(said))}': may be a state that comes back as output"
        ):
            read_onnx(data)
    imported = read_onnx(data, states=said)
    assert [state.name for state in imported.states] == list(said or STATES[name])
    assert_streams_as_torch(imported.model, name)
    if exporter == "script":
        assert verify(imported.model, data).proven


@pytest.mark.parametrize("exporter", ["script", "dynamo"])
@pytest.mark.parametrize("name", STATES)
def test_an_unrolled_loop_of_a_custom_cell_streams_500_steps_as_torch_computes_them(name: str, exporter: str) -> None:
    data = (FOLDER / f"{name}-loop.{exporter}.onnx").read_bytes()
    imported = read_onnx(data)
    assert "6 steps of a loop were recognised as a cell of its own" in imported.remarks
    assert_streams_as_torch(imported.model, name)
    if exporter == "script":
        assert verify(imported.model, data).proven
