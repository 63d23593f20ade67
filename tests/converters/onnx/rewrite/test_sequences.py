"""Parts of a value that go through a list of tensors: SplitToSequence and SequenceAt."""

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime
from onnx import TensorProto

from streamrnn import Stream
from streamrnn_converters import from_onnx, verify
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch, refusal

STEPS = 4


def unrolled(axis_size: str | int) -> bytes:
    """An RNN with relu as torch's newer exporter writes it: its rows are entries of a list."""
    g = Sketch()
    g.inputs = [g.info("x", [axis_size, 1, INPUTS])]
    r, bias = g.draw(HIDDEN, HIDDEN) * np.float32(0.4), g.draw(HIDDEN)
    rows = g.add("SplitToSequence", g.add("MatMul", "x", g.draw(INPUTS, HIDDEN)), axis=0, keepdims=0)
    h = g.add("Expand", np.zeros((1, 1), np.float32), np.array([1, HIDDEN]))
    outputs = []
    for step in range(STEPS):
        sums = g.add("Add", g.add("MatMul", h, r), bias)
        h = g.add("Relu", g.add("Add", sums, g.add("SequenceAt", rows, np.array(step))))
        outputs.append(g.add("Unsqueeze", h, np.array([0])))
    return g.bytes(g.add("Concat", *outputs, axis=0))


@pytest.mark.parametrize("axis_size", [STEPS, "time"])
def test_a_loop_over_the_entries_of_a_list_becomes_one_layer(axis_size: str | int) -> None:
    data = unrolled(axis_size)
    model = from_onnx(data)
    assert [layer.kind for layer in model.layers] == ["rnn"]
    assert verify(model, data).proven


@pytest.mark.parametrize(("sizes", "keepdims"), [(None, 0), (None, 1), (1, 1), ([1, 3], 0), ([1, 3], 1)])
def test_an_entry_is_the_part_that_onnxruntime_takes(sizes: int | list[int] | None, keepdims: int) -> None:
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    given = [] if sizes is None else [np.array(sizes)]
    parts = g.add("SplitToSequence", y, *given, axis=-1, keepdims=keepdims)
    entry = g.add("SequenceAt", parts, np.array(1))
    if sizes is None and not keepdims:
        entry = g.add("Unsqueeze", entry, np.array([-1]))
    data = g.bytes(entry)
    x = np.random.default_rng(0).normal(size=(9, 1, INPUTS)).astype(np.float32)
    (right,) = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    assert np.abs(Stream(from_onnx(data)).process(x[:, 0]) - right[:, 0]).max() <= 5e-6


@pytest.mark.parametrize(
    ("given", "index", "why"),
    [
        ([], "signal", "which entry of the list it takes is computed from the signal"),
        ([np.array(1)], 1, "keepdims=0, which ONNX ignores and onnxruntime does not"),
        ([np.array([1, 3])], -1, "takes entry -1 of a list whose length it does not tell"),
        ([np.array([1, 3])], 2, "takes entry 2 of a list whose length it does not tell"),
    ],
)
def test_an_entry_whose_place_is_not_certain_is_refused(given: list[object], index: int | str, why: str) -> None:
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    place = np.array(index) if index != "signal" else g.add("Cast", g.add("ReduceMax", y, keepdims=0), to=TensorProto.INT64)
    data = g.bytes(g.add("SequenceAt", g.add("SplitToSequence", y, *given, axis=-1, keepdims=0), place))
    assert why in refusal(data)
