"""A graph of one step without states in or out begins each step anew, and so does its model, unless the states are carried.

The reference is onnxruntime, called once for each step.
"""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import ConversionError, Model, Stream
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime

from streamrnn_converters import from_onnx
from streamrnn_converters.onnx import read_onnx
from tests.converters.onnx.onnx_graphs import RecurrentNode, random_node, recurrent_model
from tests.converters.onnx.sketch import HIDDEN, INPUTS, TOLERANCE, Sketch

N_STEPS = 20
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {}),
    "lstm-coupled": ("LSTM", {"input_forget": 1}),
    "lstm-clipped": ("LSTM", {"clip": 0.3}),
    "lstm-of-other-functions": ("LSTM", {"activations": ["HardSigmoid", "Softsign", "Relu"]}),
    "gru-after": ("GRU", {"linear_before_reset": 1}),
    "gru-before": ("GRU", {}),
    "gru-after-clipped": ("GRU", {"linear_before_reset": 1, "clip": 0.3}),
    "gru-before-of-other-functions": ("GRU", {"activations": ["HardSigmoid", "Softsign"]}),
    "rnn": ("RNN", {}),
    "rnn-clipped": ("RNN", {"clip": 0.3, "activations": ["Relu"]}),
}


def one_step(node: RecurrentNode, *outputs: str) -> bytes:
    """A graph of one step of one signal that gives Y, and other outputs of the node."""
    model = recurrent_model(node, n_steps=1, batch=1)
    kept = [info for info in model.graph.output if info.name in ("Y", *outputs)]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return model.SerializeToString()  # type: ignore[no-any-return]


def signal(inputs: int = INPUTS) -> NDArray[np.float32]:
    return (3 * np.random.default_rng(1).normal(size=(N_STEPS, inputs))).astype(np.float32)


def called_step_by_step(data: bytes, x: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return np.array(
        [np.concatenate([y.ravel() for y in session.run(None, {entry.name: row.reshape(entry.shape)})]) for row in x]
    )


def assert_begins_anew(data: bytes) -> Model:
    imported = read_onnx(data)
    x = signal(imported.model.input_size)
    expected, stream = called_step_by_step(data, x), Stream(imported.model)
    ours = np.concatenate([[stream.step(row) for row in x[:10]], stream.process(x[10:])])
    assert np.abs(ours - expected).max() <= TOLERANCE
    assert not any(layer.states for layer in imported.model.layers)
    assert any("each step begins anew from the initial state" in remark for remark in imported.remarks)
    return imported.model


@pytest.mark.parametrize("without", [(), ("initial_h", "initial_c", "P")], ids=["full", "from-zeros"])
@pytest.mark.parametrize("form", FORMS)
def test_each_step_of_the_model_begins_anew_as_the_graph_does(form: str, without: tuple[str, ...]) -> None:
    op, attributes = FORMS[form]
    assert_begins_anew(one_step(random_node(np.random.default_rng(3), op, INPUTS, HIDDEN, **attributes).but(*without)))


def test_two_layers_and_a_head_begin_anew() -> None:
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [1, 1, INPUTS])]
    y = g.squeezed(g.rnn("x", "LSTM")[0], 1)
    last = g.squeezed(g.rnn(y, "GRU", inputs=HIDDEN)[1], 0)
    assert_begins_anew(g.bytes(g.add("Tanh", g.add("MatMul", last, g.draw(HIDDEN, 2)))))


def test_a_convolution_begins_anew_after_zeros() -> None:
    g = Sketch("TBF", "")
    g.inputs = [g.info("x", [1, INPUTS, 1])]
    y = g.add("Conv", "x", g.draw(HIDDEN, INPUTS, 3), g.draw(HIDDEN), pads=[2, 0])
    assert_begins_anew(g.bytes(y))


def test_a_lone_h_is_an_answer() -> None:
    model = recurrent_model(random_node(np.random.default_rng(3), "GRU", INPUTS, HIDDEN), n_steps=1)
    del model.graph.output[0]
    assert_begins_anew(model.SerializeToString())


@pytest.mark.parametrize("outputs", [("Y_h",), ("Y_h", "Y_c")], ids=["h", "h-and-c"])
def test_a_graph_that_gives_its_states_keeps_them(outputs: tuple[str, ...]) -> None:
    imported = read_onnx(one_step(random_node(np.random.default_rng(3), "LSTM", INPUTS, HIDDEN), *outputs))
    assert [layer.kind for layer in imported.model.layers] == ["lstm"]


def test_states_are_kept_where_they_are_to_be_carried_and_the_model_notes_it() -> None:
    data = one_step(random_node(np.random.default_rng(3), "LSTM", INPUTS, HIDDEN))
    imported = read_onnx(data, states="carry")
    assert [layer.kind for layer in imported.model.layers] == ["lstm"]
    assert imported.model.notes["source"]["states"] == "carry"
    assert any("states='carry' was given" in remark for remark in imported.remarks)
    longer = recurrent_model(random_node(np.random.default_rng(3), "LSTM", INPUTS, HIDDEN), n_steps=N_STEPS)
    session = onnxruntime.InferenceSession(longer.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(["Y"], {"X": signal()[:, None]})
    assert np.abs(Stream(imported.model).process(signal()) - y[:, 0, 0]).max() <= TOLERANCE


def refusal(data: bytes, states: Any) -> str:
    with pytest.raises(ConversionError) as refused:
        from_onnx(data, states=states)
    return str(refused.value)


def test_carry_is_refused_where_it_means_nothing() -> None:
    many = recurrent_model(random_node(np.random.default_rng(3), "GRU", INPUTS, HIDDEN)).SerializeToString()
    assert "a stream of it keeps its states anyway" in refusal(many, "carry")
    g = Sketch("BF", "")
    g.inputs = [g.info("x", [1, INPUTS])]
    assert "no layer of the graph has a state" in refusal(g.bytes(g.add("MatMul", "x", g.draw(INPUTS, 2))), "carry")
    assert "states='keep' is not understood" in refusal(many, "keep")
