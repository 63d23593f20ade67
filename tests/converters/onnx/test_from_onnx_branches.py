"""Graphs that are no chain: branches, joins, gates, several inputs and outputs, and what is moved within a step.

What imports is compared with onnxruntime. Axes are written as letters: T time, B batch, any other letter a size of a step.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import Stream
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime
from onnx import TensorProto

from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.proof.verification import Case
from tests.converters.onnx.sketch import HIDDEN, INPUTS, N_SIGNALS, N_STEPS, TOLERANCE, Sketch, refusal

SIZES = {"T": N_STEPS, "B": N_SIGNALS, "F": INPUTS, "H": HIDDEN, "1": 1, "2": 2, "4": 4, "6": 6}
Drawing = tuple[Sketch, list[str], dict[str, str]]  # the graph, its outputs, the axes of its inputs


def rows_of(array: NDArray[Any], axes: str) -> NDArray[Any]:
    """Values in the order of the axes within a step: (n_steps, n_signals, n_values); a single step where time is lacking."""
    order = [axes.index(axis) for axis in "TB" if axis in axes] + [k for k, axis in enumerate(axes) if axis not in "TB"]
    return array.transpose(order).reshape(N_STEPS if "T" in axes else 1, N_SIGNALS if "B" in axes else 1, -1)


def assert_agrees(
    g: Sketch,
    outputs: list[str],
    inputs: Mapping[str, str],
    axes_out: list[str],
    integers: Mapping[str, int] | None = None,
    constants: Mapping[str, NDArray[Any]] | None = None,
) -> Imported:
    """A stream of each signal, given the inputs joined, gives the outputs joined, as onnxruntime computes them."""
    data = g.bytes(*outputs)
    imported = read_onnx(data, constants)
    rng = np.random.default_rng(4)
    feeds = {}
    for name, axes in inputs.items():
        shape = [SIZES[axis] for axis in axes]
        below = (integers or {}).get(name)
        feeds[name] = rng.integers(0, below, shape) if below else rng.normal(size=shape).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    expected = np.concatenate(
        [
            rows_of(array, axes)
            for array, axes in zip(session.run(outputs, feeds | dict(constants or {})), axes_out, strict=True)
        ],
        axis=2,
    )
    n_signals = max(SIZES["B"] if "B" in axes else 1 for axes in inputs.values())
    own = [rows_of(array, inputs[name]) for name, array in feeds.items()]
    x = np.concatenate([np.broadcast_to(rows, (len(rows), n_signals, rows.shape[2])) for rows in own], axis=2).astype(
        np.float32
    )
    for signal in range(x.shape[1]):
        stream, half = Stream(imported.model), len(x) // 2
        ours = np.concatenate([*(stream.step(row)[None] for row in x[:half, signal]), stream.process(x[half:, signal])])
        wanted = expected[:, signal]
        assert ours[-len(wanted) :].shape == wanted.shape
        assert np.abs(ours[-len(wanted) :] - wanted).max() <= TOLERANCE
    report = verify(imported.model, data, constants=constants, cases=(Case("normal", 1.0, 12),))
    assert report.proven, str(report)
    return imported


DRAWINGS: dict[str, Callable[[], tuple[Sketch, list[str], list[str], str]]] = {}


def drawing(draw: Callable[[], tuple[Sketch, list[str], list[str], str]]) -> Callable[[], Any]:
    """The graph, its outputs, the axes of each, and the kinds of the layers."""
    DRAWINGS[draw.__name__.replace("_", "-")] = draw
    return draw


def behind(g: Sketch, x: str = "x", inputs: int = INPUTS) -> str:
    """A GRU over (time, batch, feature)."""
    return g.squeezed(g.rnn(x, inputs=inputs)[0], 1)


@drawing
def a_residual_sum() -> Any:
    g = Sketch()
    y = g.add("MatMul", behind(g), g.draw(HIDDEN, INPUTS))
    return g, [g.add("Add", y, "x")], ["TBF"], "gru dense arithmetic"


@drawing
def a_gate() -> Any:
    g = Sketch()
    y = behind(g)
    gate = g.add("Sigmoid", g.add("MatMul", y, g.draw(HIDDEN, HIDDEN)))
    return g, [g.add("Mul", gate, y)], ["TBH"], "gru dense arithmetic"


@drawing
def a_gate_of_one_value_for_all() -> Any:
    g = Sketch()
    y = behind(g)
    gate = g.add("Tanh", g.add("MatMul", y, g.draw(HIDDEN, 1)))
    return g, [g.add("Sub", y, gate)], ["TBH"], "gru dense select arithmetic"


@drawing
def a_skip_joined_to_what_a_layer_gives() -> Any:
    g = Sketch()
    y = g.add("Concat", behind(g), "x", axis=-1)
    return g, [behind(g, y, HIDDEN + INPUTS)], ["TBH"], "gru concat gru"


@drawing
def a_layer_of_which_two_others_read() -> Any:
    g = Sketch()
    y = behind(g)
    return (
        g,
        [g.add("Div", behind(g, y, HIDDEN), g.add("Exp", behind(g, y, HIDDEN)))],
        ["TBH"],
        "gru gru gru pointwise arithmetic",
    )


@drawing
def outputs_from_several_depths() -> Any:
    g = Sketch()
    y = behind(g)
    return (
        g,
        [g.add("MatMul", y, g.draw(HIDDEN, 2)), y, g.add("Tanh", y)],
        ["TB2", "TBH", "TBH"],
        ("gru dense pointwise concat"),
    )


@drawing
def an_output_that_is_the_input() -> Any:
    g = Sketch()
    return g, [behind(g), g.add("Identity", "x")], ["TBH", "TBF"], "gru concat"


@drawing
def one_output_twice_in_two_shapes() -> Any:
    g = Sketch()
    y = g.rnn("x")[0]
    first = g.squeezed(y, 1)
    return g, [g.add("Transpose", first, perm=[1, 0, 2])], ["BTH"], "gru"


@drawing
def an_activation_whose_argument_is_given_too() -> Any:
    g = Sketch()
    y = g.add("MatMul", behind(g), g.draw(HIDDEN, 2))
    return g, [g.add("Tanh", y), y], ["TB2", "TB2"], "gru dense pointwise concat"


@drawing
def a_split_whose_halves_meet() -> Any:
    g = Sketch()
    a, b = g.add("Split", behind(g), [1, 3], n=2, axis=-1)
    return g, [g.add("Add", a, b)], ["TBF"], "gru select select arithmetic"


@drawing
def a_split_into_equal_parts() -> Any:
    g = Sketch()
    a, b = g.add("Split", behind(g), n=2, axis=2, num_outputs=2)
    return g, [g.add("Concat", b, a, axis=2)], ["TBH"], "gru select"


@drawing
def slices_and_gathers_of_values() -> Any:
    g = Sketch()
    y = behind(g)
    parts = g.add("Slice", y, [3], [-10], [2], [-2]), g.add("Gather", y, np.array([0, 0, 2]), axis=2)
    one = g.add("Unsqueeze", g.add("Gather", y, np.int64(-1), axis=2), [2])
    return g, [g.add("Concat", *parts, one, axis=2)], ["TB6"], "gru select"


@drawing
def a_reshape_and_transpose_within_a_step() -> Any:
    g = Sketch()
    y = g.add("Reshape", behind(g), [0, 0, 2, 2])
    y = g.add("Reshape", g.add("Transpose", y, perm=[0, 1, 3, 2]), [0, 0, 4])
    return g, [behind(g, y, 4)], ["TBH"], "gru select gru"


@drawing
def transposes_that_undo_each_other() -> Any:
    g = Sketch()
    y = g.add("Transpose", g.add("Reshape", behind(g), [0, 0, 2, 2]), perm=[3, 0, 1, 2])
    y = g.add("Reshape", g.add("Transpose", y, perm=[1, 2, 3, 0]), [0, 0, -1])
    return g, [behind(g, y, 4)], ["TBH"], "gru gru"


@drawing
def constants_that_scale_and_shift() -> Any:
    g = Sketch()
    y = g.add("Sub", np.float32(0.5), g.add("Mul", behind(g), g.draw(HIDDEN)))
    y = g.add("Add", g.add("Div", y, np.float32(1.7)), g.draw(1, 1, HIDDEN))
    return (
        g,
        [g.add("Div", np.float32(2), g.add("Add", g.add("Abs", y), np.float32(1)))],
        ["TBH"],
        ("gru affine pointwise affine pointwise affine"),
    )


@drawing
def a_constant_that_widens_a_step() -> Any:
    g = Sketch()
    y = g.add("MatMul", behind(g), g.draw(HIDDEN, 1))
    return g, [g.add("Mul", y, g.draw(6))], ["TB6"], "gru dense select affine"


@drawing
def a_scale_behind_a_dense_layer() -> Any:
    g = Sketch()
    y = g.add("Add", g.add("Mul", g.add("MatMul", behind(g), g.draw(HIDDEN, 2)), g.draw(2)), g.draw(2))
    return g, [g.add("Tanh", y)], ["TB2"], "gru dense"


@drawing
def squares_roots_and_means() -> Any:
    """A layer normalisation written out, as the older exporters do."""
    g = Sketch()
    y = behind(g)
    centred = g.add("Sub", y, g.add("ReduceMean", y, [-1]))
    variance = g.add("ReduceMean", g.add("Pow", centred, np.float32(2)), [-1])
    return (
        g,
        [g.add("Div", centred, g.add("Sqrt", g.add("Add", variance, np.float32(1e-3))))],
        ["TBH"],
        ("gru reduce select arithmetic arithmetic reduce affine pointwise select arithmetic"),
    )


@drawing
def sums_and_clips() -> Any:
    g = Sketch()
    y = behind(g)
    total = g.add("ReduceSum", y, [2], keepdims=0)
    clipped = g.add("Clip", g.add("Max", g.add("Neg", y), np.float32(-0.3)), np.float32(-0.2), np.float32(0.1))
    return (
        g,
        [g.add("Min", g.add("Mul", clipped, g.add("Unsqueeze", total, [2])), np.float32(0.05))],
        ["TBH"],
        ("gru affine pointwise pointwise reduce select arithmetic pointwise"),
    )


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_graph_that_branches_streams_what_onnxruntime_gives(name: str) -> None:
    g, outputs, axes, kinds = DRAWINGS[name]()
    imported = assert_agrees(g, outputs, {"x": "TBF"}, axes)
    assert " ".join(layer.kind for layer in imported.model.layers) == kinds


ELEMENTWISE = {
    "Abs": {},
    "Elu": {"alpha": 1.4},
    "Exp": {},
    "HardSigmoid": {"alpha": 0.3},
    "HardSwish": {},
    "LeakyRelu": {"alpha": 0.3},
    "Neg": {},
    "Relu": {},
    "Sigmoid": {},
    "Softmax": {"axis": -1},
    "Softplus": {},
    "Softsign": {},
    "Tanh": {},
    "ThresholdedRelu": {"alpha": 0.2},
}


@pytest.mark.parametrize("op", ELEMENTWISE)
def test_a_function_stands_behind_any_layer(op: str) -> None:
    g = Sketch()
    assert_agrees(g, [g.add(op, behind(g), **ELEMENTWISE[op])], {"x": "TBF"}, ["TBH"])


@pytest.mark.parametrize("turned", [False, True])
def test_a_product_of_x_and_its_sigmoid_is_silu(turned: bool) -> None:
    g = Sketch()
    y = g.add("Add", behind(g), g.draw(HIDDEN))
    pair = y, g.add("Sigmoid", y)
    assert_becomes_silu(g, g.add("Mul", *(pair[::-1] if turned else pair)))


def assert_becomes_silu(g: Sketch, y: str) -> None:
    imported = assert_agrees(g, [y], {"x": "TBF"}, ["TBH"])
    assert [layer.kind for layer in imported.model.layers] == ["gru", "affine", "pointwise"]


def test_a_product_with_the_sigmoid_of_another_value_is_not_silu() -> None:
    g = Sketch()
    y = behind(g)
    gate = g.add("Sigmoid", g.add("Slice", y, [HIDDEN - 1], [-HIDDEN - 1], [2], [-1]))
    imported = assert_agrees(g, [g.add("Mul", y, gate)], {"x": "TBF"}, ["TBH"])
    assert imported.model.layers[-1].kind == "arithmetic"


@pytest.mark.parametrize(("op", "before"), [("Log", "Exp"), ("Sqrt", "Abs"), ("Reciprocal", "Exp")])
def test_a_function_of_positive_numbers_stands_behind_another(op: str, before: str) -> None:
    g = Sketch()
    assert_agrees(g, [g.add(op, g.add("Add", g.add(before, behind(g)), np.float32(0.1)))], {"x": "TBF"}, ["TBH"])


def test_a_prelu_has_a_slope_for_each_value() -> None:
    g = Sketch()
    assert_agrees(g, [g.add("PRelu", behind(g), g.draw(HIDDEN))], {"x": "TBF"}, ["TBH"])


def test_several_inputs_are_joined_in_the_order_of_the_graph_and_that_is_said() -> None:
    g = Sketch()
    g.inputs.append(g.info("other", ["T", "B", 2]))
    g.inputs.insert(0, g.info("unlike", ["B", "T", 2, 2]))
    y = g.add("Concat", "other", "x", g.add("Transpose", g.add("Reshape", "unlike", [0, 0, 4]), perm=[1, 0, 2]), axis=2)
    y = g.add("Add", behind(g, y, 9), g.add("MatMul", "other", g.draw(2, HIDDEN)))
    imported = assert_agrees(g, [y], {"unlike": "BT22", "x": "TBF", "other": "TB2"}, ["TBH"])
    assert imported.model.notes["source"]["inputs"] == [["unlike", 4], ["x", 3], ["other", 2]]
    assert "a stream takes 'unlike' (4 values), 'x' (3 values), 'other' (2 values), joined in this order" in imported.remarks


def test_an_input_without_a_batch_is_the_same_for_all_signals() -> None:
    g = Sketch()
    g.inputs.append(g.info("other", ["T", HIDDEN]))
    y = g.add("Mul", behind(g), g.add("Unsqueeze", "other", [1]))
    assert_agrees(g, [y], {"x": "TBF", "other": "TH"}, ["TBH"])


def test_several_outputs_are_joined_in_the_order_of_the_graph_and_that_is_said() -> None:
    g = Sketch()
    y = behind(g)
    heads = [g.add("Softmax", g.add("MatMul", y, g.draw(HIDDEN, 2)), name="b"), g.add("MatMul", y, g.draw(HIDDEN, 1), name="a")]
    imported = assert_agrees(g, heads, {"x": "TBF"}, ["TB2", "TB1"])
    assert imported.model.notes["source"]["outputs"] == [["b.0", 2], ["a.0", 1]]
    assert imported.remarks == ("a stream gives 'b.0' (2 values), 'a.0' (1 value), joined in this order",)


def test_the_time_is_found_behind_what_does_not_tell_of_it() -> None:
    """Whether an axis is time is told by the recurrent node alone, which stands behind all the rest."""
    g = Sketch("BTF", open_axes="BT")
    y = g.add("Tanh", g.add("Slice", "x", [1], [3], [2]))
    y = g.add("Concat", y, g.add("Gather", "x", np.int64([0]), axis=2), axis=-1)
    assert_agrees(g, [behind(g, g.add("Transpose", y, perm=[1, 0, 2]))], {"x": "BTF"}, ["TBH"])


def test_an_input_of_several_axes_within_a_step_is_taken_in_their_order() -> None:
    g = Sketch()
    g.inputs = [g.info("x", [2, "T", "B", INPUTS])]
    y = g.add("Reshape", g.add("Transpose", "x", perm=[1, 2, 3, 0]), [0, 0, 6])
    assert_agrees(g, [behind(g, y, 6)], {"x": "2TBF"}, ["TBH"])


def test_a_graph_of_sums_alone_is_a_model() -> None:
    g = Sketch("BF")
    imported = assert_agrees(g, [g.add("Add", g.add("Tanh", "x"), "x")], {"x": "BF"}, ["BF"])
    assert [layer.kind for layer in imported.model.layers] == ["pointwise", "arithmetic"]


REFUSED: dict[str, tuple[Callable[[Sketch, str], str], str, str]] = {
    "steps-of-different-times": (
        lambda g, y: g.add("Add", y, g.add("Slice", y, [-1], [2**31 - 1], [0])),
        "node 'my_Add' (Add)",
        "every step of one with a single step of the other",
    ),
    "time-with-batch": (
        lambda g, y: g.add("Add", y, g.add("Transpose", y, perm=[1, 0, 2])),
        "node 'my_Add' (Add)",
        "combines the time axis of one signal with the batch axis of the other",
    ),
    "joined-along-time": (lambda g, y: g.add("Concat", y, y, axis=0), "node 'my_Concat' (Concat)", "along time or batch"),
    "split-along-time": (
        lambda g, y: g.add("Split", y, [3, 4], n=2, axis=0)[0],
        "node 'my_Split' (Split)",
        "along another axis than its values",
    ),
    "split-into-sizes-that-do-not-fit": (
        lambda g, y: g.add("Split", y, [3, 4], n=2, axis=2)[0],
        "node 'my_Split' (Split)",
        "splits 4 values into [3, 4]",
    ),
    "joined-with-a-constant": (
        lambda g, y: g.add("Concat", y, g.draw(N_STEPS, N_SIGNALS, 1), axis=2),
        "node 'my_Concat' (Concat)",
        "its input 1 is a constant of shape (7, 2, 1), which does not fit beside the signal",
    ),
    "norm-over-time": (
        lambda g, y: g.add("ReduceL2", y, [0]),
        "node 'my_ReduceL2' (ReduceL2)",
        "what is its feature axis is the time axis",
    ),
    "another-power-of-each-value": (
        lambda g, y: g.add("Pow", y, g.draw(HIDDEN)),
        "node 'my_Pow' (Pow)",
        "a power that is not one constant number",
    ),
    "a-power-of-a-negative-number": (lambda g, y: g.add("Pow", np.float32(-2), y), "node 'my_Pow' (Pow)", "only positive"),
    "divided-by-zero": (lambda g, y: g.add("Div", y, np.float32(0)), "node 'my_Div' (Div)", "every weight must be finite"),
    "split": (
        lambda g, y: g.add("Reshape", y, [-1, 1, HIDDEN + 1]),
        "node 'my_Reshape' (Reshape)",
        "does not keep the axes",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_step_can_compute_is_refused_by_name_and_reason(name: str) -> None:
    draw, who, why = REFUSED[name]
    g = Sketch()
    message = refusal(g.bytes(draw(g, behind(g))))
    assert message.startswith(f"{who}: ")
    assert why in message


def test_an_input_that_is_constant_over_time_is_taken_with_each_step_or_may_be_fixed() -> None:
    g = Sketch()
    g.inputs.append(g.info("speaker", [1, HIDDEN]))
    y = g.add("Add", behind(g), "speaker")
    assert any("'speaker' has no axis of time" in remark for remark in read_onnx(g.bytes(y)).remarks)
    speaker = np.linspace(-1, 1, HIDDEN, dtype=np.float32)[None]
    imported = assert_agrees(g, [y], {"x": "TBF"}, ["TBH"], constants={"speaker": speaker})
    assert imported.model.notes["source"]["constants"] == {"speaker": speaker.tolist()}


def test_integers_pick_from_a_table_and_do_nothing_else() -> None:
    g = Sketch()
    g.inputs = [g.info("x", ["T", "B", INPUTS], TensorProto.INT64)]
    assert "integers, which can only pick from a table" in refusal(g.bytes(g.rnn("x")[0]))


def test_a_step_that_grows_beyond_all_measure_is_refused_where_it_does() -> None:
    g = Sketch()
    y = behind(g)
    for _ in range(30):
        y = g.add("Concat", y, y, axis=2)
    message = refusal(g.bytes(y))
    assert message.startswith("node 'my_Concat16' (Concat): ")
    assert "values in a step, more than 262144 that are allowed" in message
    g = Sketch()
    g.inputs = [g.info("x", ["T", "B", 1 << 40])]
    assert refusal(g.bytes(g.add("Tanh", "x"))).startswith("graph input 'x': has 1099511627776 values in a step, more than")
