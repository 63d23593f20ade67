"""Arrays of constants into which an unrolled loop writes its rows, one by one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch, refusal
from tests.converters.onnx.step_graphs import BRIEF

STEPS = 4
WRITES = ("ScatterElements", "ScatterND")


IN_ORDER = tuple((step, step) for step in range(STEPS))


def unrolled(
    op: str, axis: int = 1, order: Sequence[tuple[int, int]] = IN_ORDER, *, decay: float = 1, **attributes: Any
) -> bytes:
    """An RNN, or with a decay another cell, whose rows are written, (step, place), or joined by Concat."""
    g = Sketch()
    g.inputs = [g.info("x", [1, STEPS, INPUTS] if axis else [STEPS, 1, INPUTS])]
    w, r, h = g.draw(INPUTS, HIDDEN), g.draw(HIDDEN, HIDDEN), g.constant(np.zeros((1, HIDDEN), np.float32))
    rows = []
    for step in range(STEPS):
        given = g.add(
            "Tanh", g.add("Add", g.add("MatMul", g.add("Gather", "x", np.int64(step), axis=axis), w), g.add("MatMul", h, r))
        )
        h = given if decay == 1 else g.add("Add", g.add("Mul", h, np.float32(decay)), given)
        rows.append(h)
    if op == "Concat":
        return g.bytes(g.add("Concat", *(g.add("Unsqueeze", row, [axis]) for row in rows), axis=axis))
    places = np.arange(STEPS * HIDDEN).reshape((1, STEPS, HIDDEN) if axis else (STEPS, 1, HIDDEN))
    y = g.draw(*places.shape)
    for step, place in order:
        if op == "ScatterElements":
            y = g.add(op, y, np.full((1, 1, HIDDEN), place), g.add("Unsqueeze", rows[step], [axis]), axis=axis, **attributes)
        else:
            at = np.stack(np.unravel_index(places.take([place], axis), places.shape), -1)
            y = g.add(op, y, at, g.add("Reshape", rows[step], [1, 1, HIDDEN]), **attributes)
    return g.bytes(y)


def read_back(op: str) -> bytes:
    """The same RNN, that finds its state in the array: in the row that the step before has written."""
    g = Sketch()
    g.inputs = [g.info("x", [1, STEPS, INPUTS])]
    w, r, y = g.draw(INPUTS, HIDDEN), g.draw(HIDDEN, HIDDEN), g.constant(np.zeros((1, STEPS, HIDDEN), np.float32))
    for step in range(STEPS):
        h = g.add("Gather", y, np.int64(step - 1), axis=1)
        x = g.add("MatMul", g.add("Gather", "x", np.int64(step), axis=1), w)
        row = g.add("Unsqueeze", g.add("Tanh", g.add("Add", x, g.add("MatMul", h, r))), [1])
        if op == "ScatterND":
            y = g.add(op, y, np.array([[[0, step]]]), row)
        else:
            y = g.add(op, y, np.full((1, 1, HIDDEN), step), row, axis=1)
    return g.bytes(y)


@pytest.mark.parametrize("op", WRITES)
def test_a_row_that_is_read_back_is_what_was_written_there(op: str) -> None:
    data = read_back(op)
    model = from_onnx(data)
    assert [layer.kind for layer in model.layers] == ["rnn"]
    assert verify(model, data, cases=BRIEF).proven


@pytest.mark.parametrize("decay", [1, 0.7])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("op", WRITES)
def test_an_array_that_a_loop_fills_is_its_rows_joined(op: str, axis: int, decay: float) -> None:
    data = unrolled(op, axis, decay=decay)
    model = from_onnx(data)
    assert model.input_size == INPUTS
    assert model.fingerprint == from_onnx(unrolled("Concat", axis, decay=decay)).fingerprint
    assert verify(model, data, cases=BRIEF).proven


@pytest.mark.parametrize("order", [IN_ORDER[::-1], ((0, 2), (3, 1), *IN_ORDER)], ids=["backwards", "again"])
@pytest.mark.parametrize("op", WRITES)
def test_rows_may_be_written_in_any_order_and_again(op: str, order: Sequence[tuple[int, int]]) -> None:
    data = unrolled(op, order=order)
    model = from_onnx(data)
    assert [layer.kind for layer in model.layers] == ["rnn"]
    assert verify(model, data, cases=BRIEF).proven


def test_an_array_with_a_row_that_nothing_is_written_into_is_no_signal_over_time() -> None:
    data = unrolled("ScatterND", order=(*IN_ORDER[:2], IN_ORDER[3]), decay=0.7)
    imported = read_onnx(data)
    assert imported.model.input_size == STEPS * INPUTS
    assert any("was taken as part of a step" in remark for remark in imported.remarks)
    assert verify(imported.model, data, cases=BRIEF).proven


@pytest.mark.parametrize("op", WRITES)
def test_what_is_added_to_a_row_is_not_written_into_it(op: str) -> None:
    assert "node 'my_Scatter" in refusal(unrolled(op, reduction="add", decay=0.7))
