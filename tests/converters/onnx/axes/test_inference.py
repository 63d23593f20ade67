"""Graphs whose axes only the whole graph tells: what stands before a recurrent node, and axes that are merged for a while."""

from collections.abc import Callable
from itertools import product

import numpy as np
import onnxruntime
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn import ConversionError, Stream
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.reference_runs.graph_arrays import graph_array, input_array, random_signal
from tests.converters.onnx.sketch import HIDDEN, INPUTS, TOLERANCE, Sketch, refusal

#: Of batch and time: open, and sizes that coincide with each other, with 1 and with sizes within a step.
SIZES = [(batch, time) for batch, time in product((None, 1, 2, INPUTS, HIDDEN), (None, 1, 7, INPUTS, HIDDEN))]


def sketch(batch: int | None, time: int | None, opset: int = 18) -> Sketch:
    """A graph with x, (batch, time, 3)."""
    g = Sketch("BTF", opset=opset)
    g.inputs = [g.info("x", [batch, time, INPUTS])]
    return g


def gru(g: Sketch, x: str) -> str:
    """A batch-first GRU: (batch, time, 4)."""
    y = g.rnn(g.add("Transpose", x, perm=[1, 0, 2]))[0]
    return str(g.add("Transpose", g.squeezed(y, 1), perm=[1, 0, 2]))


def assert_agrees(data: bytes) -> Imported:
    """Streams give what onnxruntime gives for each signal of a batch at each step."""
    imported = read_onnx(data)
    n_steps, n_signals = imported.size_of("time") or 5, imported.size_of("batch") or 2
    rng = np.random.default_rng(3)
    x = random_signal(rng, imported.inputs, 1.0, n_steps, n_signals)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    given = session.run(None, {end.name: input_array(x, end) for end in imported.inputs})
    ours = np.stack([Stream(imported.model).process(x[:, signal]) for signal in range(n_signals)], 1)
    for output, array in zip(imported.outputs, given, strict=True):
        reference = output.apart(array, n_signals)
        own = ours[:, :, output.start : output.start + output.size]
        own = graph_array(own if "time" in output.axes else own[-1:], output)
        assert own.shape == reference.shape
        assert np.abs(own - reference).max() <= TOLERANCE
    return imported


def normalised(g: Sketch, *shape: int) -> str:
    mean, deviation = g.draw(*shape, INPUTS), 1 + g.draw(*shape, INPUTS)
    return str(g.add("Div", g.add("Sub", "x", mean), deviation))


def head(g: Sketch, y: str, n: int = 2) -> str:
    """A dense layer over merged batch and time, as torch's view(-1, H) writes it."""
    return str(g.add("Gemm", g.add("Reshape", y, [-1, HIDDEN]), g.draw(HIDDEN, n), g.draw(n)))


def shape_of(g: Sketch, y: str, last: int) -> str:
    return str(g.add("Concat", g.add("Slice", g.add("Shape", y), [0], [2], [0]), [last], axis=0))


GRAPHS: dict[str, Callable[[Sketch], str]] = {
    "normalised": lambda g: gru(g, normalised(g)),
    "normalised-by-a-matrix": lambda g: gru(g, normalised(g, 1, 1)),
    "scaled-by-a-number-of-each-side": lambda g: gru(g, g.add("Mul", g.draw(INPUTS), g.add("Add", g.draw(1, 1, INPUTS), "x"))),
    "a-dense-layer-before": lambda g: gru(g, g.add("Add", g.add("MatMul", "x", g.draw(INPUTS, INPUTS)), g.draw(INPUTS))),
    "a-dense-layer-over-merged-axes": lambda g: g.add("Reshape", head(g, y := gru(g, "x")), shape_of(g, y, 2)),
    "merged-and-left-so": lambda g: g.add("Tanh", head(g, gru(g, "x"))),
    "merged-before-the-layer": lambda g: gru(
        g,
        g.add(
            "Reshape", g.add("MatMul", g.add("Reshape", "x", [-1, INPUTS]), g.draw(INPUTS, INPUTS)), shape_of(g, "x", INPUTS)
        ),
    ),
    "one-value-without-an-axis": lambda g: g.add("Flatten", head(g, gru(g, "x"), 1), axis=0),
    "a-softmax-over-merged-axes": lambda g: g.add("Softmax", head(g, gru(g, "x")), axis=1),
    "two-merged-and-added": lambda g: g.add("Add", head(g, y := gru(g, "x")), g.add("Sigmoid", head(g, y))),
    "merged-with-values-and-left-so": lambda g: g.add("Reshape", gru(g, "x"), [-1]),
    "merged-by-flatten": lambda g: g.add("Relu", g.add("Flatten", gru(g, "x"), axis=2)),
    "split-into-one-part": lambda g: gru(g, g.add("Split", "x", axis=1, n=1, num_outputs=1)),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_axes_of_a_batch_first_graph_are_found_whatever_its_sizes(name: str, sizes: tuple[int | None, int | None]) -> None:
    g = sketch(*sizes)
    imported = assert_agrees(g.bytes(GRAPHS[name](g)))
    assert imported.input.axes == ("batch", "time", "feature")
    assert imported.input.sizes == (*sizes, INPUTS)


@pytest.mark.parametrize("op", ["Concat", "Add", "Mul"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_two_inputs_that_meet_have_the_same_axes(op: str, sizes: tuple[int | None, int | None]) -> None:
    g = sketch(*sizes)
    g.inputs.append(g.info("u", [*sizes, INPUTS]))
    y = g.add(op, "x", "u", **({"axis": -1} if op == "Concat" else {}))
    inputs = 2 * INPUTS if op == "Concat" else INPUTS
    y = g.rnn(g.add("Transpose", y, perm=[1, 0, 2]), inputs=inputs)[0]
    imported = assert_agrees(g.bytes(y))
    assert [given.axes for given in imported.inputs] == [("batch", "time", "feature")] * 2


def test_an_input_that_is_the_same_for_all_steps_may_have_size_one() -> None:
    g = sketch(2, 1)
    g.inputs.append(g.info("u", [1, 1, INPUTS]))
    assert_agrees(g.bytes(gru(g, g.add("Add", "x", "u"))))


@pytest.mark.parametrize("axes", [[0], [0, 1], [1, 2]], ids=str)
def test_a_vector_alone_is_a_step(axes: list[int]) -> None:
    g = Sketch("F", open_axes="")
    if axes == [0]:
        return assert_is_a_vector(g, g.add("MatMul", "x", g.draw(INPUTS, 2)))
    if axes == [1, 2]:
        return assert_is_a_vector(g, g.add("Tanh", g.add("MatMul", g.add("Unsqueeze", "x", [0]), g.draw(INPUTS, 2))))
    return assert_is_a_vector(g, g.squeezed(g.rnn(g.add("Unsqueeze", "x", axes))[0], 0, 1, 2))


def assert_is_a_vector(g: Sketch, y: str) -> None:
    imported = assert_agrees(g.bytes(y))
    assert imported.input.axes == ("feature",)


@pytest.mark.parametrize("time", [None, 1, 5])
def test_channels_before_time_are_the_features(time: int | None) -> None:
    for tell in (True, False):
        g = Sketch("BFT", open_axes="")
        g.inputs = [g.info("x", [1, INPUTS, time])]
        y = g.add("Sub", "x", g.draw(INPUTS, 1))
        y = g.add("Transpose", y, perm=[2, 0, 1])
        y = g.rnn(y)[0] if tell else g.add("MatMul", y, g.draw(INPUTS, 2))
        imported = assert_agrees(g.bytes(y))
        assert imported.input.axes == ("batch", "feature", "time") or (time == 1 and not tell)


def test_where_no_node_tells_an_axis_of_size_one_is_the_batch_and_the_last_step_is_taken_of_time() -> None:
    for axes, sizes, picked in (("BTF", [1, 7], 1), ("TBF", [7, 1], 0), ("BTF", [2, 7], 1), ("TBF", [7, 2], 0)):
        g = Sketch(axes, open_axes="")
        g.inputs = [g.info("x", [*sizes, INPUTS])]
        imported = assert_agrees(g.bytes(g.add("MatMul", g.add("Gather", "x", np.int64(-1), axis=picked), g.draw(INPUTS, 2))))
        assert imported.size_of("time") == 7


@pytest.mark.parametrize("indices", [(7,), (7, 1), (1, 7), (1, 7, 1)], ids=str)
def test_all_indices_in_their_order_leave_time_as_it_is_along_whichever_of_their_axes_they_lie(
    indices: tuple[int, ...],
) -> None:
    """Windows over time that are as long as the signal have theirs along the first: torch's unfold of a whole recording."""
    g = Sketch("TBF", open_axes="")
    g.inputs = [g.info("x", [7, 1, INPUTS])]
    y = g.add("Gather", "x", np.arange(7).reshape(indices), axis=0)
    y = g.add("Squeeze", y, [k for k, size in enumerate(indices) if size == 1]) if len(indices) > 1 else y
    imported = assert_agrees(g.bytes(g.rnn(y)[0]))
    assert (imported.size_of("time"), imported.remarks) == (7, ())


FIRST = {
    "sliced": lambda g: g.add("Slice", "x", [0], [1], [1]),
    "picked": lambda g: g.add("Unsqueeze", g.add("Gather", "x", np.int64(0), axis=1), [1]),
    "picked-in-the-middle": lambda g: g.add("Gather", g.add("Tanh", "x"), [3], axis=1),
}


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("sizes", [(2, None), (1, 7), (None, None)], ids=str)
def test_a_step_of_which_only_the_shape_is_read_may_be_any(first: str, sizes: tuple[int | None, int | None]) -> None:
    """As in `torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)`, the signal one step ago."""
    g = sketch(*sizes)
    zeros = g.add("ConstantOfShape", g.add("Shape", FIRST[first](g)))
    past = g.add("Concat", zeros, g.add("Slice", "x", [0], [-1], [1]), axis=1)
    imported = assert_agrees(g.bytes(gru(g, g.add("Sub", "x", past))))
    assert imported.input.axes == ("batch", "time", "feature")


def test_what_is_not_understood_is_refused_though_only_its_shape_is_read() -> None:
    g = sketch(2, 7)
    zeros = g.add("ConstantOfShape", g.add("Shape", g.add("Det", "x")))
    assert "node 'my_Det' (Det): this operator is not understood" in refusal(g.bytes(gru(g, g.add("Add", "x", zeros))))


def mixed(*sizes: int) -> bytes:
    """A dense layer over all that there is of x."""
    g = Sketch("BTF")
    g.inputs = [g.info("x", [1, *sizes])]
    n = int(np.prod(sizes))
    return g.bytes(g.add("Gemm", g.add("Reshape", "x", [1, n]), g.draw(n, 2)))


def test_rows_that_no_node_tells_to_be_time_are_one_step_and_a_remark_says_what_to_do() -> None:
    imported = assert_agrees(mixed(7, INPUTS))
    assert imported.input.size == 7 * INPUTS
    (remark,) = imported.remarks
    assert "axes 1, 2 of graph input 'x' were taken as one step of 7 × 3 = 21 values" in remark
    assert "time_axis={'x': axis} (--time-axis x=axis)" in remark
    assert assert_agrees(mixed(7)).remarks == assert_agrees(mixed(1, 7)).remarks == ()


def test_rows_of_one_step_that_are_said_to_be_time_name_the_node_that_is_in_the_way() -> None:
    with pytest.raises(ConversionError, match=r"node 'my_Gemm' \(Gemm\).* the merged axis of the signal, as time_axis tells"):
        read_onnx(mixed(7, INPUTS), time_axis={"x": 1})


@pytest.mark.parametrize("n_steps", [INPUTS, HIDDEN, 6, 1])
def test_a_shape_that_fixes_an_open_size_tells_it(n_steps: int) -> None:
    """torch writes the length of its example into a Reshape, though it was told to leave it open."""
    g = Sketch("TF", open_axes="T")
    y = g.rnn(g.add("Reshape", "x", [n_steps, 1, -1]))[0]
    imported = assert_agrees(g.bytes(g.add("Reshape", y, [n_steps, HIDDEN])))
    assert imported.size_of("time") == n_steps
    remark = (
        f"node 'my_Reshape' (Reshape) fixes the number of steps to {n_steps}, which the graph declares open; a stream goes on"
    )
    assert remark in imported.remarks or n_steps == 1


def test_a_squeeze_of_an_open_axis_tells_that_it_has_size_one() -> None:
    g = sketch(None, None)
    assert assert_agrees(g.bytes(g.squeezed(gru(g, "x"), 0))).size_of("batch") == 1


def test_a_squeeze_of_whatever_has_size_one_is_not_taken_with_a_single_step() -> None:
    """ONNX drops time where there is one step."""
    g = sketch(1, None)
    imported = assert_agrees(g.bytes(g.add("Squeeze", gru(g, "x"))))
    assert imported.several == {"time"}


REFUSED = {
    "time-in-a-constant": (
        lambda g: gru(g, g.add("Add", "x", g.draw(1, 7, 1))),
        "node 'my_Add' (Add)",
        "it differs along the time axis, as node 'my_GRU' (GRU) tells",
    ),
    "a-dense-layer-over-time-before": (
        lambda g: gru(
            g, g.add("Transpose", g.add("MatMul", g.add("Transpose", "x", perm=[0, 2, 1]), g.draw(7, 7)), perm=[0, 2, 1])
        ),
        "node 'my_GRU' (GRU)",
        "what is its time axis is the feature axis of the signal, as node 'my_MatMul' (MatMul) makes it",
    ),
    "a-mean-over-time-before": (
        lambda g: gru(g, g.add("Sub", "x", g.add("ReduceMean", "x", [1]))),
        "node 'my_Sub' (Sub)",
        "every step of one with a single step of the other",
    ),
    "a-view-in-place-of-a-transpose": (
        lambda g: g.add("Relu", g.add("Reshape", gru(g, "x"), [7, 2, HIDDEN])),
        "node 'my_Reshape' (Reshape)",
        "does not keep the axes",
    ),
    "merged-in-another-order": (
        lambda g: g.add("Add", head(g, y := gru(g, "x")), head(g, g.add("Transpose", y, perm=[1, 0, 2]))),
        "node 'my_Add' (Add)",
        "merged in different orders",
    ),
    "a-layer-over-merged-axes": (
        lambda g: g.rnn(g.add("Unsqueeze", g.add("Reshape", gru(g, "x"), [-1, HIDDEN]), [1]), inputs=HIDDEN)[0],
        "node 'my_GRU1' (GRU)",
        "what is its time axis is the merged axis of the signal",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_node_that_needs_what_cannot_be_is_refused(name: str) -> None:
    draw, who, why = REFUSED[name]
    g = sketch(2, 7)
    message = refusal(g.bytes(draw(g)))
    assert message.startswith(f"{who}: ")
    assert why in message
