"""Runs that are known beforehand: each is answered by name, and states are carried between them."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="makes graphs with onnx, which is not installed")
pytest.importorskip("onnxruntime", reason="runs onnxruntime, which is not installed")

import onnxruntime

from streamrnn_converters.reference_runs.once import run_reference
from tests.converters.onnx.sketch import INPUTS, Sketch
from tests.models import one_width  # noqa: F401  (a fixture)

ZEROS = np.zeros((5, 2, INPUTS), np.float32)


def test_every_run_is_answered_by_the_names_of_the_outputs() -> None:
    g = Sketch(open_axes="TB")
    data = g.bytes(g.add("Add", "x", np.float32(1)), g.add("Transpose", "x"))
    feeds = [{"x": np.full((n_steps, 2, INPUTS), n_steps, np.float32)} for n_steps in range(1, 13)]
    answers, version = run_reference(data, feeds)
    assert version == onnxruntime.__version__
    assert len(answers) == len(feeds)
    for feed, answer in zip(feeds, answers, strict=True):
        assert set(answer) == {"my_Add.0", "my_Transpose.0"}
        assert np.array_equal(answer["my_Add.0"], feed["x"] + 1)
        assert np.array_equal(answer["my_Transpose.0"], feed["x"].T)


def test_names_may_have_slashes_and_arrays_strides() -> None:
    g = Sketch("BF")
    y = g.add("Identity", "x", name="/head/Tanh")
    x = np.arange(2 * INPUTS, dtype=np.float32).reshape(INPUTS, 2).T
    ((answer,), _) = run_reference(g.bytes(y), [{"x": x}])
    assert np.array_equal(answer["/head/Tanh.0"], x)


def test_the_graph_is_run_as_it_stands_and_not_as_it_declares_itself() -> None:
    """The optimizer would believe the declared shape of the output, and reshape to four rows."""
    g = Sketch("TF")
    y = g.add("Reshape", "x", g.add("Concat", g.add("Shape", "x", start=0, end=1), [INPUTS], axis=0))
    g.outputs = [y]
    model = g.model()
    model.graph.output[0].CopyFrom(g.info(y, [4, INPUTS]))
    ((answer,), _) = run_reference(model.SerializeToString(), [{"x": ZEROS[:, 0]}])
    assert answer[y].shape == (5, INPUTS)


def test_what_a_run_lacks_is_taken_from_the_run_before() -> None:
    g = Sketch("BF")
    g.inputs.append(g.info("total", ["B", INPUTS]))
    total = g.add("Add", "x", "total")
    rows = np.arange(5 * 2 * INPUTS, dtype=np.float32).reshape(5, 2, INPUTS)
    feeds = [{"x": row} for row in rows]
    for begun in (0, 3):  # a feed with a state of its own starts from it
        feeds[begun]["total"] = np.full((2, INPUTS), begun, np.float32)
    answers, _ = run_reference(g.bytes(total), feeds, carried={"total": total})
    expected = np.concatenate([np.cumsum(rows[:3], 0), 3 + np.cumsum(rows[3:], 0)])
    assert np.array_equal([answer[total] for answer in answers], expected)
