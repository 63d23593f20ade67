"""Pieces of a vector whose ends are computed from its size, as torch's older exporter writes chunk."""

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from onnx import TensorProto

from streamrnn_converters.onnx.parse.file import parse
from streamrnn_converters.onnx.rewrite.computed_pieces import with_known_pieces
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch, assert_streams_what_onnxruntime_gives


def step_of_an_lstm(axis: int = 1) -> bytes:
    """A step with its states in and out; the gates are cut where a fourth of the size of an axis of their sum tells."""
    g = Sketch("BF", open_axes="")
    g.inputs += [g.info(name, [2, HIDDEN]) for name in ("h_in", "c_in")]
    cast = lambda value: g.add("Cast", value, to=TensorProto.FLOAT)  # noqa: E731
    of_x = g.add("Add", g.add("MatMul", cast("x"), g.draw(INPUTS, 4 * HIDDEN)), g.draw(4 * HIDDEN))
    gates = g.add("Add", of_x, g.add("MatMul", cast("h_in"), g.draw(HIDDEN, 4 * HIDDEN)))
    size = g.add("Div", g.add("Add", g.add("Gather", g.add("Shape", gates), [axis]), [3]), [4])
    ends = [g.add("Mul", size, [k]) for k in range(5)]
    i, f, c, o = (cast(g.add("Slice", gates, ends[k], ends[k + 1], [1])) for k in range(4))
    kept, new = g.add("Mul", g.add("Sigmoid", f), "c_in"), g.add("Mul", g.add("Sigmoid", i), g.add("Tanh", c))
    memory = cast(g.add("Add", kept, new))
    h = g.add("Mul", g.add("Sigmoid", o), g.add("Tanh", memory))
    g.add("Identity", h, name="h_out"), g.add("Identity", memory, name="c_out")
    return g.bytes(h, "h_out.0", "c_out.0")


def test_a_cell_whose_gates_are_cut_by_computed_sizes_is_recognised() -> None:
    from streamrnn_converters import from_onnx

    assert [layer.kind for layer in from_onnx(step_of_an_lstm()).layers] == ["lstm"]


def test_pieces_of_a_sequence_are_those_that_onnxruntime_cuts() -> None:
    g = Sketch()
    y = g.add("MatMul", g.squeezed(g.rnn("x")[0], 1), g.draw(HIDDEN, 6))
    half = g.add("Div", g.add("Gather", g.add("Shape", y), [2]), [2])
    piece = g.add("Slice", y, half, g.add("Mul", half, [2]), [2])
    assert_streams_what_onnxruntime_gives(g.bytes(piece), "TBF", "TBF")


def test_what_depends_on_another_axis_stays_as_it_is() -> None:
    graph = parse(step_of_an_lstm(axis=0), {})
    assert with_known_pieces(graph) is graph


def test_the_sizes_that_weights_tell_become_constants() -> None:
    graph = with_known_pieces(parse(step_of_an_lstm(), {}))
    assert not {"Shape", "Div", "Cast"} & {node.op for node in graph.nodes}
    cuts = [[graph.constants[name].item() for name in node.inputs[1:3]] for node in graph.nodes if node.op == "Slice"]
    assert cuts == (HIDDEN * np.array([[k, k + 1] for k in range(4)])).tolist()
