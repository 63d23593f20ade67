"""Loop and Scan over the steps of a signal, whose bodies are cells that are known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError
from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'streamrnn[convert]'")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'streamrnn[convert]'")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from streamrnn_converters.onnx import read_onnx  # noqa: E402
from streamrnn_converters.proof.verification import verify  # noqa: E402
from tests.converters.onnx.cell_graphs import H, I, T  # noqa: E402
from tests.converters.onnx.loop_graphs import Loops, looped, open_ended, scanned  # noqa: E402
from tests.converters.onnx.rewrite.test_lifting import BRIEF, KERAS  # noqa: E402

every_kind = pytest.mark.parametrize("kind", KERAS)


def assert_becomes(data: bytes, *kinds: str) -> None:
    imported = read_onnx(data)
    assert [layer.kind for layer in imported.model.layers] == [kind.partition("-")[0] for kind in kinds]
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)


@every_kind
@pytest.mark.parametrize("layers", [1, 2])
def test_a_scan_over_cells_becomes_layers(kind: str, layers: int) -> None:
    g = Loops()
    *_, y = g.scan(kind, "x", layers=layers)
    assert_becomes(g.model({"y": y}), *[kind] * layers)


@every_kind
def test_the_final_states_of_a_scan_are_those_of_the_layer(kind: str) -> None:
    g = Loops()
    h, *others = g.scan(kind, "x")
    data = g.model({"y": others[-1], "h": h} | ({"c": others[0]} if kind == "lstm" else {}))
    assert_becomes(data, kind)
    assert any("is a final state" in remark for remark in read_onnx(data).remarks)


def test_the_axes_of_the_steps_of_a_scan_may_be_the_second() -> None:
    g = Loops()
    *_, y = g.scan("gru", "x", scan_input_axes=[1], scan_output_axes=[1])
    assert_becomes(g.model({"y": y}, "BT"), "gru")


def test_a_scan_may_begin_with_other_states_than_zeros() -> None:
    g = Loops()
    wide = g.outer.constant(np.array([2, H]))
    states = [g.outer.Expand(state, wide) for state in g.states("lstm", zeros=False)]
    *_, y = g.scan("lstm", "x", states=states)
    assert_becomes(g.model({"y": y}), "lstm")


@every_kind
@pytest.mark.parametrize("how", ["", "sliced", "counted", "compared"])
def test_a_loop_over_a_cell_becomes_a_layer(kind: str, how: str) -> None:
    assert_becomes(looped(kind, how=how), kind)


def test_what_a_loop_hands_on_unchanged_is_taken_from_outside() -> None:
    """As TensorFlow does with the weights and the signal of a while_loop."""
    model = onnx.load_model_from_string(looped("lstm", how="counted"))
    (node,) = (node for node in model.graph.node if node.op_type == "Loop")
    body = next(attribute for attribute in node.attribute if attribute.name == "body").g
    kernel = next(tensor for tensor in body.initializer if list(tensor.dims) == [I, 4 * H])
    body.initializer.remove(kernel)
    moved = model.graph.initializer.add()
    moved.CopyFrom(kernel)
    for name, inner in ((f"{kernel.name}.outer", kernel.name), ("x", "x.inner")):
        node.input.append(name)
        body.input.append(helper.make_tensor_value_info(inner, TensorProto.FLOAT, None))
        body.node.append(helper.make_node("Identity", [inner], [f"{inner}.next"]))
        body.output.insert(len(body.output) - 1, helper.make_tensor_value_info(f"{inner}.next", TensorProto.FLOAT, None))
        node.output.insert(len(node.output) - 1, f"{inner}.end")
    moved.name = f"{kernel.name}.outer"
    for inner in body.node:
        if inner.op_type == "Gather":
            inner.input[0] = "x.inner"
    assert_becomes(model.SerializeToString(), "lstm")


def test_a_loop_behind_another_becomes_two_layers() -> None:
    g = Loops()
    *_, y = g.scan("gru", "x")
    *_, y = g.scan("rnn", g.outer.MatMul(y, g.outer.weights(H, I)))
    assert_becomes(g.model({"y": y}), "gru", "dense", "rnn")


def test_what_a_loop_does_with_the_output_of_a_cell_comes_after_its_layer() -> None:
    assert_becomes(scanned(change=lambda b, h: b.Mul(h, b.constant(np.float32(2)))), "gru", "affine")


def test_a_state_that_a_loop_hands_on_unchanged_is_a_constant() -> None:
    """So that its cell begins anew at every step."""

    def handed_on(node: Any, body: Any) -> None:
        (end,) = (inner for inner in body.node if inner.output[0] == body.output[0].name)
        end.input[0] = body.input[0].name

    assert_becomes(changed(handed_on), "scan")


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "backwards": (lambda: scanned(scan_input_directions=[1]), "goes backwards, which cannot be streamed"),
    "part-of-the-signal": (lambda: looped(n_steps=T - 1), "of time only the last step can be picked"),
    "never": (lambda: looped(going=False), "when it ends is not understood"),
    "without-end": (open_ended, "when it ends is not understood"),
    "steps-along-no-axis-of-a-sequence": (
        lambda: scanned(scan_input_axes=[2]),
        "its input W has shape (1, 15, 3), expected (1, 15, 2)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_another_loop_is_refused_by_node_and_reason(name: str) -> None:
    draw, why = REFUSED[name]
    with pytest.raises(ConversionError) as refused:
        read_onnx(draw())
    assert why in str(refused.value)
    assert str(refused.value).startswith("node ")


def changed(change: Callable[[Any, Any], None]) -> bytes:
    """A good model with a Scan, of which something was changed: the node and its body."""
    model = onnx.load_model_from_string(scanned())
    node = next(node for node in model.graph.node if node.op_type == "Scan")
    change(node, next(attribute for attribute in node.attribute if attribute.name == "body").g)
    return model.SerializeToString()  # type: ignore[no-any-return]


def nested(node: Any, body: Any) -> None:
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    body.node.insert(0, inner)


BROKEN: dict[str, tuple[Callable[[Any, Any], None], str]] = {
    "loops-within-loops": (nested, "graphs within nodes are only understood in a Loop or Scan"),
    "fewer-inputs-than-the-body": (lambda node, body: node.input.pop(0), "they must be as many"),
    "fewer-outputs-than-the-body": (lambda node, body: node.output.pop(0), "do not fit its body"),
    "more-scanned-than-there-is": (lambda node, body: _number(node, 5), "do not fit its body"),
    "nothing-scanned": (lambda node, body: _number(node, 0), "do not fit its body"),
    "a-node-without-inputs": (
        lambda node, body: body.node.insert(0, helper.make_node("Identity", [], ["copied"])),
        "has 0 inputs, but the operator takes 1 at least",
    ),
    "no-number-of-scanned": (
        lambda node, body: [node.attribute.remove(one) for one in [*node.attribute] if one.name == "num_scan_inputs"],
        "do not fit its body ('num_scan_inputs')",
    ),
    "a-name-from-outside-given-again": (
        lambda node, body: body.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "x")),
        "its body gives 'x', which the graph around it gives too",
    ),
    "a-name-that-nothing-gives": (lambda node, body: body.node[0].input.__setitem__(0, "nothing"), "reads 'nothing'"),
    "a-name-given-twice": (lambda node, body: body.node.append(body.node[0]), "is given twice"),
    "a-name-that-is-no-text": (lambda node, body: body.node.append(helper.make_node("Identity", ["x"], ["y" * 3000])), "name"),
}


def _number(node: Any, number: int) -> None:
    next(attribute for attribute in node.attribute if attribute.name == "num_scan_inputs").i = number


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_body_is_refused(name: str) -> None:
    change, why = BROKEN[name]
    with pytest.raises(ConversionError) as refused:
        read_onnx(changed(change))
    assert why in str(refused.value)


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0x7F800000])
def test_weights_that_are_no_numbers_are_no_cell(bits: int) -> None:
    """Quiet and signalling NaN, infinity."""
    model = onnx.load_model_from_string(scanned())
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = np.frombuffer(largest.raw_data, np.uint32).copy()
    values[3] = bits
    largest.raw_data = values.tobytes()
    with pytest.raises(ConversionError):
        read_onnx(model.SerializeToString())


def test_an_opset_beyond_all_counts_as_the_newest() -> None:
    model = onnx.load_model_from_string(scanned())
    model.opset_import[0].version = 2**40
    assert read_onnx(model.SerializeToString()).model.layers
