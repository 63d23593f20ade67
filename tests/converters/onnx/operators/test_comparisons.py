"""Comparisons, logic, choices, and the larger or smaller of several signals: what onnxruntime gives, and refusals."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime
from onnx import TensorProto

from streamrnn import Stream
from streamrnn_converters.onnx import read_onnx
from tests.converters.onnx.sketch import Sketch, refusal

#: A graph over two signals, a frame (batch, 3, 4) and a column (batch, 3, 1) of it: the name of what it gives.
Case = Callable[[Sketch, str, str], str]

HALF = np.float32(0.5)
EDGES = np.array([-1, 0, 0.5, 1], np.float32)


def compared(op: str, *, turned: bool = False) -> Case:
    def draw(g: Sketch, x: str, column: str) -> str:
        with_signal = g.add(op, *((column, x) if turned else (x, column)))
        with_constants = g.add(op, *((EDGES, x) if turned else (x, EDGES)))
        both = [g.add("Cast", value, to=TensorProto.FLOAT) for value in (with_signal, with_constants)]
        return g.add("Concat", *both, axis=1)

    return draw


def logical(op: str) -> Case:
    def draw(g: Sketch, x: str, column: str) -> str:
        pair = g.add("Less", x, column), g.add("Greater", x, -HALF)
        return g.add("Cast", g.add(op, *pair), to=TensorProto.FLOAT)

    return draw


def of_signals(op: str) -> Case:
    return lambda g, x, column: g.add(op, x, column)


def mask(g: Sketch, x: str, column: str) -> str:
    return g.add("GreaterOrEqual", x, column)


CASES: dict[str, tuple[int, Case]] = {
    **{f"{op}-at-{opset}": (opset, compared(op)) for op in ("Greater", "Less") for opset in (9, 13)},
    **{f"{op}-at-{opset}": (opset, compared(op)) for op in ("GreaterOrEqual", "LessOrEqual") for opset in (12, 16)},
    **{f"Equal-at-{opset}": (opset, compared("Equal")) for opset in (11, 13, 19)},
    "constants-first": (17, compared("Less", turned=True)),
    **{op: (17, logical(op)) for op in ("And", "Or", "Xor")},
    "not": (17, lambda g, x, c: g.add("Cast", g.add("Not", mask(g, x, c)), to=TensorProto.FLOAT)),
    "cast-to-bool": (17, lambda g, x, c: g.add("Cast", g.add("Cast", g.add("Relu", x), to=9), to=TensorProto.FLOAT)),
    "where-at-9": (9, lambda g, x, c: g.add("Where", g.add("Greater", x, c), x, c)),
    "where-of-signals": (17, lambda g, x, c: g.add("Where", mask(g, x, c), x, c)),
    "where-of-a-number": (17, lambda g, x, c: g.add("Where", mask(g, x, c), np.float32(-1e9), x)),
    "where-of-numbers": (17, lambda g, x, c: g.add("Where", mask(g, x, c), EDGES, HALF)),
    "where-by-constants": (17, lambda g, x, c: g.add("Where", np.array([True, False, False, True]), x, c)),
    "where-by-constants-a-number": (17, lambda g, x, c: g.add("Where", np.eye(3, 4, dtype=bool), HALF, x)),
    **{f"{op}-of-signals-at-{opset}": (opset, of_signals(op)) for op in ("Max", "Min") for opset in (8, 13)},
    "max-of-three": (17, lambda g, x, c: g.add("Max", x, EDGES, c)),
    "max-of-numbers": (17, lambda g, x, c: g.add("Max", EDGES, x)),
    "max-of-one": (17, lambda g, x, c: g.add("Max", x)),
    "min-with-a-number": (17, lambda g, x, c: g.add("Min", HALF, x)),
}


def graph(opset: int, draw: Case) -> bytes:
    g = Sketch("B", opset=opset)
    g.inputs = [g.info("x", ["B", 15])]

    def cut(begin: int, end: int) -> str:
        if opset > 9:
            return str(g.add("Slice", "x", [begin], [end], [1]))
        return str(g.add("Slice", "x", axes=[1], starts=[begin], ends=[end]))

    x, column = g.add("Reshape", cut(0, 12), [-1, 3, 4]), g.add("Reshape", cut(12, 15), [-1, 3, 1])
    return g.bytes(g.add("Flatten", g.add("Relu", draw(g, x, column))))


@pytest.mark.parametrize("name", CASES)
def test_comparisons_and_choices_give_what_onnxruntime_gives(name: str) -> None:
    data = graph(*CASES[name])
    x = np.random.default_rng(1).integers(-2, 3, (20, 15)).astype(np.float32) / 2  # many are equal
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(Stream(read_onnx(data).model).process(x), expected)


def test_a_choice_by_constants_only_moves_values() -> None:
    layers = read_onnx(graph(*CASES["where-by-constants"])).model.layers
    assert "where" not in [layer.kind for layer in layers]


REFUSED: dict[str, tuple[Case, str]] = {
    "sizes-that-do-not-meet": (lambda g, x, c: g.add("Max", x, g.draw(5)), "does not fit the values of a step"),
    "complex-numbers": (
        lambda g, x, c: g.add("Where", mask(g, x, c), np.array(1j, np.complex64), x),
        "not a constant of numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared_is_refused(name: str) -> None:
    draw, reason = REFUSED[name]
    assert reason in refusal(graph(17, draw))


def test_every_step_is_not_compared_with_a_single_one() -> None:
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    last: Any = g.add("Gather", y, np.array(-1), axis=0)
    assert "every step of one with a single step of the other" in refusal(g.bytes(g.add("Max", y, last)))
