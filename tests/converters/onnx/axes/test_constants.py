"""Constants that a graph works out and that cannot be."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from onnx import TensorProto, numpy_helper

from tests.converters.onnx.sketch import (
    HIDDEN,
    INPUTS,
    Sketch,
    assert_streams_what_onnxruntime_gives,
    refusal,
)

CONSTANTS: dict[str, Callable[[Sketch], str]] = {
    "a-negative-size": lambda g: g.add("ConstantOfShape", [-1, 2, 4]),
    "of-two-values": lambda g: g.add("ConstantOfShape", [1, 2, 4], value=numpy_helper.from_array(np.zeros(2, np.float32))),
    "expanded-to-another-size": lambda g: g.add("Expand", g.draw(1, 2, 4), [1, 3, 4]),
    "joined-of-sizes-that-do-not-fit": lambda g: g.add("Concat", g.draw(1, 1, 4), g.draw(1, 2, 4), axis=0),
    "joined-along-no-axis": lambda g: g.add("Concat", g.draw(1, 1, 4), axis=7),
    "cast-to-an-unknown-type": lambda g: g.add("Cast", g.draw(1, 2, 4), to=999),
    "cast-from-complex-numbers": lambda g: g.add("Cast", np.ones((1, 2, 4), np.complex64), to=TensorProto.FLOAT),
    "picked-out-of-range": lambda g: g.add("Gather", g.draw(1, 2, 4), [7]),
    "added-of-shapes-that-do-not-fit": lambda g: g.add("Add", g.draw(1, 2, 4), g.draw(3)),
    "multiplied-to-an-excess": lambda g: g.add("Mul", g.draw(1 << 14, 1), g.draw(1, 1 << 14)),
    "joined-to-an-excess": lambda g: g.add("Concat", *[g.constant(g.draw(1 << 14))] * (1 << 14), axis=0),
    "picked-to-an-excess": lambda g: g.add("Gather", g.draw(1, 1 << 14), np.zeros(1 << 14, np.int64)),
    "chosen-to-an-excess": lambda g: g.add("Where", np.ones((1 << 14, 1), bool), g.draw(1, 1 << 14), np.float32(0)),
    "reshaped-to-another-size": lambda g: g.add("Reshape", g.draw(1, 2, 4), [3, 3]),
    "transposed-by-what-is-no-order": lambda g: g.add("Transpose", g.draw(1, 2, 4), perm=[0, 0, 1]),
    "squeezed-where-it-is-not-one": lambda g: g.add("Squeeze", g.draw(1, 2, 4), [1]),
    "sliced-by-nothing": lambda g: g.add("Slice", g.draw(1, 2, 4), [0], [1], [0], [0]),
    "expanded-to-sizes-that-are-no-integers": lambda g: g.add("Expand", g.draw(1, 1, 4), "x"),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_that_cannot_be_is_refused_by_the_node_that_makes_it(name: str) -> None:
    g = Sketch(open_axes="T")
    value = CONSTANTS[name](g)
    op = g.nodes[-1].op_type
    assert refusal(g.bytes(g.rnn("x", initial_h=value)[0])).startswith(f"node 'my_{op}' ({op}): ")


@pytest.mark.parametrize("sizes", [[1 << 40, 1 << 40, 4], [1 << 60] * 30], ids=["memory", "float"])
def test_a_constant_too_large_to_write_out_is_not_written_out(sizes: list[int]) -> None:
    g = Sketch()
    y = g.rnn("x", initial_h=g.add("ConstantOfShape", sizes))[0]
    assert refusal(g.bytes(y)).startswith("node 'my_GRU' (GRU): its input initial_h has shape")


def batch_of(g: Sketch, *shape: Any) -> str:
    """A shape with the number of signals in the middle, whatever it is."""
    size = g.add("Gather", g.add("Shape", "x"), [1])
    return str(g.add("Concat", *[size if entry == "B" else g.constant([entry]) for entry in shape], axis=0))


def zeros(g: Sketch, *shape: Any) -> str:
    return str(g.add("ConstantOfShape", batch_of(g, *shape)))


#: Initial states, (1, batch, 4), that graphs put together.
STATES: dict[str, Callable[[Sketch], str]] = {
    "tiled": lambda g: g.add("Tile", g.draw(1, 1, HIDDEN), batch_of(g, 1, "B", 1)),
    "tiled-in-part": lambda g: g.add("Tile", g.draw(1, 1, 2), batch_of(g, 1, "B", 2)),
    "zeros-plus-a-vector": lambda g: g.add("Add", zeros(g, 1, "B", HIDDEN), g.draw(HIDDEN)),
    "functions-of-zeros": lambda g: g.add("Sub", g.add("Sigmoid", zeros(g, 1, "B", 1)), g.add("Exp", g.draw(HIDDEN))),
    "joined-of-two": lambda g: g.add(
        "Concat", g.add("Add", zeros(g, 1, "B", 3), g.draw(3)), g.add("Expand", g.draw(1), batch_of(g, 1, "B", 1)), axis=2
    ),
    "picked-of-several": lambda g: g.add("Gather", g.add("Tile", g.draw(3, 1, HIDDEN), batch_of(g, 1, "B", 1)), [1], axis=0),
    "picked-of-what-is-the-same": lambda g: g.add("Gather", zeros(g, 3, "B", HIDDEN), [2], axis=0),
    "a-product": lambda g: g.add("Expand", g.add("MatMul", g.draw(1, 1, 3), g.draw(3, HIDDEN)), batch_of(g, 1, "B", HIDDEN)),
    "chosen": lambda g: g.add(
        "Expand",
        g.add("Where", g.add("Not", g.add("Less", g.draw(HIDDEN), np.float32(0))), g.draw(1, 1, HIDDEN), np.float32(0)),
        batch_of(g, 1, "B", HIDDEN),
    ),
    "of-a-size-multiplied": lambda g: g.add(
        "ConstantOfShape",
        g.add(
            "Concat",
            [1],
            g.add("Unsqueeze", g.add("ReduceProd", batch_of(g, 1, "B"), keepdims=0), [0]),
            g.add("ReduceSum", g.add("Range", np.int64(1), np.int64(3), np.int64(1)), keepdims=1),
            axis=0,
        ),
        value=numpy_helper.from_array(np.ones(1, np.float32)),
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_a_state_that_a_graph_works_out_for_any_batch_is_what_onnxruntime_has(name: str) -> None:
    g = Sketch()
    state = STATES[name](g)
    y = g.rnn("x", initial_h=state, inputs=INPUTS)[0] if name != "of-a-size-multiplied" else thin(g, state)
    assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "T1BF")


def thin(g: Sketch, state: str) -> str:
    """A layer of three units."""
    tensors = [g.draw(1, 9, INPUTS), g.draw(1, 9, 3)]
    return str(g.add("GRU", "x", *tensors, "", "", state, hidden_size=3))


def test_a_size_is_that_of_all_values() -> None:
    g = Sketch(open_axes="")
    size = g.add("Size", "x")
    y = g.add(
        "Reshape", g.rnn("x")[0], g.add("Concat", g.add("Div", g.add("Unsqueeze", size, [0]), [6]), [1, 2, HIDDEN], axis=0)
    )
    assert_streams_what_onnxruntime_gives(g.bytes(y), "TBF", "T1BF")


#: What looks like a constant and depends on the input.
UNKNOWN: dict[str, tuple[Callable[[Sketch], str], str]] = {
    "counted-to-an-open-size-by-twos": (
        lambda g: g.add("Range", np.int64(1), g.add("Squeeze", g.add("Gather", g.add("Shape", "x"), [0])), np.int64(2)),
        "counts to a size that depends on the input",
    ),
    "repeated-by-an-open-size": (
        lambda g: g.add("Tile", g.draw(1, 2, HIDDEN), batch_of(g, 1, "B", 1)),
        "by a number that depends on the input",
    ),
    "joined-along-an-open-axis": (
        lambda g: g.add("Concat", zeros(g, 1, "B", HIDDEN), zeros(g, 1, "B", HIDDEN), axis=1),
        "in different ways",
    ),
    "multiplied": (lambda g: g.add("MatMul", zeros(g, 1, "B", 3), g.draw(3, HIDDEN)), "a constant of a shape that depends"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_constant_that_depends_on_the_input_is_refused(name: str) -> None:
    draw, why = UNKNOWN[name]
    g = Sketch()
    message = refusal(g.bytes(g.rnn("x", initial_h=draw(g))[0]))
    assert why in message


def test_sizes_are_divided_as_integers_where_others_of_the_shape_are_open() -> None:
    """As torch writes chunk: pieces of (4 + 1) / 2 = 2 values."""
    g = Sketch(open_axes="T")
    y = g.add("Squeeze", g.rnn("x")[0], [1])
    size = g.add("Div", g.add("Add", g.add("Gather", g.add("Shape", y), [2]), [1]), [2])
    imported = assert_streams_what_onnxruntime_gives(g.bytes(g.add("Slice", y, [0], size, [2])), "TBF", "TBF")
    assert imported.model.output_size == (HIDDEN + 1) // 2
