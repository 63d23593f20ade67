"""Graphs that are refused, by the name of the node and the reason."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.converters.onnx.sketch import (
    HIDDEN,
    INPUTS,
    N_STEPS,
    Sketch,
    refusal,
)

#: A graph, who is refused, and why.
Refused = tuple[bytes, str, str]
REFUSALS: dict[str, Callable[[], Refused]] = {}


def refused(draw: Callable[[], Refused]) -> Callable[[], Refused]:
    REFUSALS[draw.__name__.replace("_", "-")] = draw
    return draw


def behind_a_gru(why: str, op: str, *inputs: Any, who: str = "", squeezed: bool = True, **attributes: Any) -> Refused:
    """A graph in which a node, who is refused, has the output of a GRU, (T, B, F) or (T, 1, B, F), for its first input."""
    g = Sketch()
    y = g.rnn("x")[0]
    return g.bytes(g.add(op, g.squeezed(y, 1) if squeezed else y, *inputs, **attributes)), who or f"node 'my_{op}' ({op})", why


def behind_a_dense(why: str, op: str, *inputs: Any, axes: str = "TBF", **attributes: Any) -> Refused:
    """The same with the output of a dense layer of 3 outputs."""
    g = Sketch(axes)
    return g.bytes(g.add(op, g.add("MatMul", "x", g.draw(INPUTS, 3)), *inputs, **attributes)), f"node 'my_{op}' ({op})", why


@refused
def an_unused_graph_input() -> Refused:
    g = Sketch()
    g.inputs.append(g.info("speaker", [1, 4]))
    return g.bytes(g.rnn("x")[0]), "graph input 'speaker'", "has no part in the outputs"


@refused
def an_output_that_is_a_constant() -> Refused:
    g = Sketch()
    return (
        g.bytes(g.rnn("x")[0], g.add("Add", g.draw(2), g.draw(2))),
        "graph output 'my_Add.0'",
        "does not depend on the signal",
    )


@refused
def an_output_that_is_a_shape() -> Refused:
    g = Sketch()
    return g.bytes(g.rnn("x")[0], g.add("Shape", "x")), "graph output 'my_Shape.0'", "does not depend on the signal"


@refused
def an_output_that_is_the_mask_of_a_dropout() -> Refused:
    g = Sketch()
    y, mask = g.add("Dropout", g.rnn("x")[0], n=2)
    return g.bytes(y, mask), f"graph output {mask!r}", "cannot be streamed"


@refused
def states_of_another_branch() -> Refused:
    g = Sketch()
    one, other = g.rnn("x"), g.rnn("x")
    return g.bytes(one[0], other[1]), f"graph output {other[1]!r}", "is a state of a gru layer on which no other output depends"


@refused
def no_layers_at_all() -> Refused:
    g = Sketch()
    return g.bytes(g.add("Identity", "x")), "no layer lies between", "there is nothing to stream"


@refused
def an_axis_too_many() -> Refused:
    g = Sketch("TB1F", open_axes="TB1")
    return (
        g.bytes(g.add("MatMul", "x", g.draw(INPUTS, 2))),
        "graph input 'x'",
        "has axes that are neither time, batch nor features",
    )


@refused
def a_second_layer_over_the_batch() -> Refused:
    g = Sketch()
    y = g.add("Transpose", g.squeezed(g.rnn("x")[0], 1), perm=[1, 0, 2])
    return g.bytes(g.rnn(y, inputs=HIDDEN)[0]), "node 'my_GRU1' (GRU)", "what is its time axis is the batch axis of the signal"


@refused
def a_dense_layer_over_time() -> Refused:
    g = Sketch(open_axes="B")
    y = g.add("Transpose", g.squeezed(g.rnn("x")[0], 1), perm=[1, 2, 0])
    y = g.add("MatMul", y, g.draw(N_STEPS, 2))
    return g.bytes(y), "node 'my_MatMul' (MatMul)", "what is its feature axis is the time axis of the signal"


@refused
def a_recurrent_layer_behind_the_last_step() -> Refused:
    g = Sketch()
    y = g.add("Slice", g.squeezed(g.rnn("x")[0], 1), [-1], [2**31 - 1], [0])
    return g.bytes(g.rnn(y, inputs=HIDDEN)[0]), "node 'my_GRU1' (GRU)", "is the last step of a signal only"


@refused
def a_recurrent_layer_over_states() -> Refused:
    g = Sketch()
    return (
        g.bytes(g.rnn(g.rnn("x")[1], inputs=HIDDEN)[0]),
        "node 'my_GRU1' (GRU)",
        "its input is the last step of a signal only",
    )


@refused
def states_joined_in_different_orders() -> Refused:
    g = Sketch(open_axes="T")
    y, first = g.rnn("x")
    second = g.add("Transpose", g.rnn(g.squeezed(y, 1), inputs=HIDDEN)[1], perm=[0, 2, 1])
    return (
        g.bytes(g.add("Concat", first, second, axis=0)),
        "node 'my_Concat' (Concat)",
        "only values within a step can be joined",
    )


@refused
def an_input_of_booleans() -> Refused:
    g = Sketch()
    y = g.rnn("x")[0]
    g.inputs[0].type.tensor_type.elem_type = TensorProto.BOOL
    return g.bytes(y), "graph input 'x'", "BOOL cannot be streamed, only FLOAT, DOUBLE and FLOAT16"


@refused
def a_function_of_the_model() -> Refused:
    g = Sketch()
    g.outputs = [g.rnn("x")[0]]
    model = g.model()
    body = [helper.make_node("Identity", ["a"], ["b"])]
    model.functions.append(helper.make_function("mine", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 18)]))
    return model.SerializeToString(), "function 'Twice'", "not understood"


@refused
def control_flow() -> Refused:
    g = Sketch()
    bodies = {
        name: helper.make_graph([helper.make_node("Identity", ["x"], [name])], name, [], [g.info(name, None)])
        for name in ("then_branch", "else_branch")
    }
    condition = g.add("Greater", g.add("ReduceMax", "x"), np.float32(0))
    return g.bytes(g.rnn(g.add("If", condition, **bodies))[0]), "node 'my_If' (If)", "its condition is not decided"


@refused
def a_loop_within_a_choice() -> Refused:
    g, branches = Sketch(), {}
    for key in ("then_branch", "else_branch"):
        row, copied = g.info(f"{key}.row", None), g.info(f"{key}.copied", None)
        body = helper.make_graph([helper.make_node("Identity", [row.name], [copied.name])], key, [row], [copied])
        loop = helper.make_node("Scan", ["x"], [key], "inner", body=body, num_scan_inputs=1)
        branches[key] = helper.make_graph([loop], key, [], [g.info(key, None)])
    decided = g.add("Constant", name="decided", value=numpy_helper.from_array(np.array(True)))
    return g.bytes(g.rnn(g.add("If", decided, **branches))[0]), "node 'inner' (Scan)", "graphs within nodes"


@refused
def an_operator_of_another_domain() -> Refused:
    g = Sketch()
    return g.bytes(g.add("GRU", "x", domain="com.acme")), "node 'my_GRU' (GRU)", "operators of the domain 'com.acme'"


@refused
def weights_in_another_file() -> Refused:
    g = Sketch()
    g.outputs = [g.rnn("x")[0]]
    model = g.model()
    tensor = model.graph.initializer[1]
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    return model.SerializeToString(), f"initializer {tensor.name!r}", "its data lies in another file"


@refused
def weights_shorter_than_their_shape() -> Refused:
    g = Sketch()
    g.outputs = [g.rnn("x")[0]]
    model = g.model()
    tensor = model.graph.initializer[1]
    tensor.raw_data = tensor.raw_data[:-4]
    return model.SerializeToString(), f"initializer {tensor.name!r}", "does not fit its shape (1, 12, 4)"


@refused
def every_step_times_every_other() -> Refused:
    g = Sketch()
    y = g.squeezed(g.rnn("x")[0], 1)
    queries, keys = g.add("Transpose", y, perm=[1, 0, 2]), g.add("Transpose", y, perm=[1, 2, 0])
    return g.bytes(g.add("MatMul", queries, keys)), "node 'my_MatMul' (MatMul)", "multiplies every step with every other"


@refused
def weights_that_are_not_finite() -> Refused:
    weights = np.full((HIDDEN, 2), np.nan, np.float32)
    return behind_a_gru("every weight must be finite", "MatMul", weights)


ONE_LINERS: dict[str, Callable[[], Refused]] = {
    "unknown-operator": lambda: behind_a_gru("this operator is not understood as part of a stream", "Hardmax"),
    "unknown-attribute": lambda: behind_a_gru("attribute 'wet' is not understood", "Identity", wet=1),
    "unknown-attribute-of-a-dense-layer": lambda: behind_a_gru(
        "attribute 'wet' is not understood", "MatMul", np.ones((HIDDEN, 2), np.float32), wet=1
    ),
    "missing-attribute": lambda: behind_a_gru("does not say along which axis", "Concat"),
    "missing-input": lambda: behind_a_gru("has 1 inputs, but the operator takes 2 at least", "Gather"),
    "left-out-input": lambda: behind_a_gru("its axes must be a constant list", "Unsqueeze", "x"),
    "activation-over-time": lambda: behind_a_dense("axis=0 is not the feature axis alone", "Softmax", axis=0),
    "softmax-without-such-an-axis": lambda: behind_a_dense("axes [5] do not fit 3 axes", "Softmax", axis=5),
    "sum-with-itself": lambda: behind_a_gru("combines 4 values with 3", "Add", "x"),
    "product": lambda: behind_a_gru("only constants are understood here", "ReduceProd", [2]),
    "bias-of-too-many-numbers": lambda: behind_a_dense("has shape (4,), which does not fit", "Add", np.ones(4, np.float32)),
    "bias-of-one-number-a-signal": lambda: behind_a_gru(
        "it differs along the batch axis, as node 'my_GRU' (GRU) tells", "Add", np.ones((3, 1), np.float32)
    ),
    "bias-of-one-number-a-step": lambda: behind_a_gru(
        "has shape (7, 1, 4), which does not fit", "Add", np.ones((7, 1, 4), np.float32)
    ),
    "bias-of-integers": lambda: behind_a_dense("not a constant of floats", "Add", [1, 2, 3]),
    "bias-that-is-not-finite": lambda: behind_a_dense("must be finite", "Add", np.array([1, np.inf, 2], np.float32)),
    "gemm-of-three-axes": lambda: behind_a_gru("has 3 axes, expected 2", "Gemm", np.ones((HIDDEN, 2), np.float32)),
    "gemm-from-the-other-side": lambda: behind_a_gru("transA=1", "Gemm", np.ones((HIDDEN, 2), np.float32), transA=1),
    "gemm-with-wrong-rows": lambda: behind_a_dense(
        "its weights have 5 rows, but the signal has 3 features", "Gemm", np.ones((5, 2), np.float32), axes="BF"
    ),
    "gemm-with-a-wrong-bias": lambda: behind_a_dense(
        "C has shape (2, 1), expected (2,)", "Gemm", np.ones((3, 2), np.float32), np.ones((2, 1), np.float32), axes="BF"
    ),
    "matmul-with-a-matrix-for-each-step": lambda: behind_a_gru(
        "it differs along the time axis, as node 'my_GRU' (GRU) tells", "MatMul", np.ones((5, HIDDEN, 2), np.float32)
    ),
    "products-summed-over-time": lambda: behind_a_gru(
        "it needs all of time at once, and a stream has one step",
        "Einsum",
        np.ones((HIDDEN, 2), np.float32),
        equation="tbh,hk->bk",
    ),
    "a-diagonal": lambda: behind_a_gru(
        "takes a diagonal", "Einsum", np.ones((HIDDEN,) * 2, np.float32), equation="tbh,hh->tbh"
    ),
    "an-equation-of-other-axes": lambda: behind_a_gru(
        "does not fit its inputs of 3, 2 axes", "Einsum", np.ones((HIDDEN, 2), np.float32), equation="bh,hk->bk"
    ),
    "an-equation-that-is-none": lambda: behind_a_gru(
        "does not fit its inputs of 3, 2 axes", "Einsum", np.ones((HIDDEN, 2), np.float32), equation="t.h,hk->.k"
    ),
    "products-with-integers": lambda: behind_a_gru("not with a constant of floats", "MatMul", [[[1, 2]] * HIDDEN]),
    "transpose-of-too-few-axes": lambda: behind_a_gru("perm [1, 0] does not fit", "Transpose", perm=[1, 0]),
    "squeeze-of-the-features": lambda: behind_a_gru(
        "removes axis 3, whose size is not 1 but 4", "Squeeze", [3], squeezed=False
    ),
    "squeeze-of-an-axis-that-is-not-there": lambda: behind_a_gru("axes [4] do not fit 4 axes", "Squeeze", [4], squeezed=False),
    "squeeze-of-one-axis-twice": lambda: behind_a_gru("axes [1, -3] do not fit 4 axes", "Squeeze", [1, -3], squeezed=False),
    "unsqueeze-of-no-axis": lambda: behind_a_gru("has 1 inputs, but the operator takes 2 at least", "Unsqueeze"),
    "reshape-that-exchanges": lambda: behind_a_gru("does not keep the axes", "Reshape", [HIDDEN, -1, 3], squeezed=False),
    "reshape-with-two-free-sizes": lambda: behind_a_gru("does not keep the axes", "Reshape", [-1, -1, HIDDEN]),
    "reshape-to-a-great-many-axes": lambda: behind_a_gru("does not keep the axes", "Reshape", [0, 0, *[1] * 5000, -1]),
    "gather-of-the-first-step": lambda: behind_a_gru("picks index 0 of the time axis", "Gather", np.int64(0)),
    "gather-of-several-steps": lambda: behind_a_gru("picks several entries", "Gather", [-1, -2]),
    "gather-of-a-signal": lambda: behind_a_gru("picks index 0 of the batch axis", "Gather", np.int64(0), axis=1),
    "gather-from-an-axis-that-is-not-there": lambda: behind_a_gru("axes [4] do not fit", "Gather", np.int64(-1), axis=4),
    "gather-at-a-place-that-is-computed": lambda: behind_a_gru("its indices are not constant integers", "Gather", "x"),
    "gather-at-a-place-that-is-no-integer": lambda: behind_a_gru("not constant integers", "Gather", np.float32(-1)),
    "reshape-to-sizes-that-are-no-integers": lambda: behind_a_gru(
        "its shape must be a constant list of integers", "Reshape", np.array([0, 0, -1], np.complex64)
    ),
    "slice-of-the-first-steps": lambda: behind_a_gru("cuts the output of a gru layer", "Slice", [0], [3], [0]),
    "slice-backwards": lambda: behind_a_gru(
        "turns the output of a gru layer around in time", "Slice", [-1], [-(2**62)], [0], [-1]
    ),
    "slice-of-the-batch": lambda: behind_a_gru("picks index -1 of the batch axis", "Slice", [-1], [2**31 - 1], [1]),
    "slice-of-nothing": lambda: behind_a_gru("picks nothing", "Slice", [2], [2], [2]),
    "slice-without-an-end": lambda: behind_a_gru("has 2 inputs, but the operator takes 3 at least", "Slice", [0]),
    "slice-of-fewer-starts-than-axes": lambda: behind_a_gru("do not fit the operator", "Slice", [0], [3], [0, 1]),
    "expand-of-the-signal": lambda: behind_a_gru("repeats the signal", "Expand", [7, 2, 5]),
    "cast-of-the-signal": lambda: behind_a_gru("to another type than floats", "Cast", to=TensorProto.INT64),
    "cast-to-nothing": lambda: behind_a_gru("to another type than floats", "Cast"),
    "celu-of-no-constant": lambda: behind_a_gru("alpha=0.0 is not positive", "Celu", alpha=0.0),
    "gelu-of-another-kind": lambda: behind_a_gru("approximate='erf' is neither", "Gelu", approximate="erf"),
    "dropout-in-training": lambda: behind_a_gru("training mode", "Dropout", np.float32(0.4), np.array(True)),
    "shape-with-a-wrong-attribute": lambda: behind_a_gru("start=1.5 is not of type int", "Shape", start=1.5),
}


@pytest.mark.parametrize("name", [*REFUSALS, *ONE_LINERS])
def test_what_is_not_understood_is_refused_by_name_and_reason(name: str) -> None:
    data, who, why = (REFUSALS | ONE_LINERS)[name]()
    message = refusal(data)
    assert message.startswith(who)
    assert why in message
    assert "\n" not in message
