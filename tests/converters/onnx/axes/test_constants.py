"""Constants that a graph works out and that cannot be."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from onnx import TensorProto, numpy_helper

from tests.converters.onnx.sketch import (
    Sketch,
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
