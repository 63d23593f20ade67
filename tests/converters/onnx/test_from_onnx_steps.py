"""Graphs that take their states and give them back: paired by flow, hidden behind a stream, refused where that cannot be done.

The reference is onnxruntime, run again and again with what it has given before.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import LSTM, Model, Stream, VerificationError
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime

from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof import answers
from streamrnn_converters.proof.verification import Case
from tests.converters.onnx.onnx_graphs import random_node
from tests.converters.onnx.sketch import HIDDEN, INPUTS, Sketch, refusal
from tests.converters.onnx.step_graphs import BRIEF, assert_streams, taking

SHARED = Path(__file__).resolve().parents[4] / "shared" / "models"
SMALL_DTLN = Path(__file__).parents[1] / "fixtures" / "small_dtln.onnx"


Drawing = tuple[bytes, dict[str, str], str]
DRAWINGS: dict[str, Callable[[], Drawing]] = {}


def drawing(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
    DRAWINGS[draw.__name__.replace("_", "-")] = draw
    return draw


@drawing
def states_as_they_are() -> Drawing:
    g = Sketch()
    taking(g, h_in=[1, 1, HIDDEN], c_in=[1, 1, HIDDEN])
    y, h, c = g.rnn("x", "LSTM", h="h_in", c="c_in")
    return g.bytes(y, h, c), {"h_in": h, "c_in": c}, y


@drawing
def states_in_another_order_than_the_outputs() -> Drawing:
    g = Sketch()
    g.inputs = [g.info("c_in", [1, 1, HIDDEN]), g.info("x", [1, 1, INPUTS]), g.info("h_in", [1, 1, HIDDEN])]
    y, h, c = g.rnn("x", "LSTM", h="h_in", c="c_in")
    return g.bytes(c, h, y), {"c_in": c, "h_in": h}, y


@drawing
def states_of_two_layers_packed_in_one() -> Drawing:
    g = Sketch()
    taking(g, h_in=[2, 1, HIDDEN])
    first, second = g.add("Split", "h_in", n=2, axis=0, num_outputs=2)
    y, h = g.rnn("x", h=first)
    y, other = g.rnn(g.squeezed(y, 1), inputs=HIDDEN, h=second)
    packed = g.add("Concat", h, other, axis=0)
    return g.bytes(y, packed), {"h_in": packed}, y


@drawing
def h_and_c_stacked_in_one() -> Drawing:
    g = Sketch()
    taking(g, state=[2, 1, HIDDEN])
    h, c = (g.add("Unsqueeze", g.add("Gather", "state", np.int64(k)), [0]) for k in (0, 1))
    y, h, c = g.rnn("x", "LSTM", h=h, c=c)
    packed = g.add("Concat", h, c, axis=0)
    return g.bytes(y, packed), {"state": packed}, y


@drawing
def four_states_behind_one_another_in_a_row() -> Drawing:
    """One flat vector, from which each state is cut and to which it is joined, the c before the h."""
    g = Sketch()
    taking(g, state=[1, 4 * HIDDEN])
    parts = g.add("Split", "state", n=4, axis=1, num_outputs=4)
    c, h, other_c, other_h = (g.add("Unsqueeze", part, [0]) for part in parts)
    y, h, c = g.rnn("x", "LSTM", h=h, c=c)
    y, other_h, other_c = g.rnn(g.squeezed(y, 1), "LSTM", HIDDEN, h=other_h, c=other_c)
    flat = g.add("Concat", *(g.squeezed(part, 0) for part in (c, h, other_c, other_h)), axis=1)
    return g.bytes(y, flat), {"state": flat}, y


@drawing
def states_reshaped_and_transposed() -> Drawing:
    """(batch, unit, layer) outside, (layer, batch, unit) inside."""
    g = Sketch()
    taking(g, h_in=[1, HIDDEN, 2])
    inside = g.add("Transpose", "h_in", perm=[2, 0, 1])
    first, second = g.add("Slice", inside, [0], [1], [0]), g.add("Slice", inside, [-1], [5], [0])
    y, h = g.rnn("x", h=first)
    y, other = g.rnn(g.add("Reshape", y, [1, 1, -1]), inputs=HIDDEN, h=second)
    outside = g.add("Reshape", g.add("Transpose", g.add("Concat", h, other, axis=0), perm=[1, 2, 0]), [1, HIDDEN, 2])
    return g.bytes(y, outside), {"h_in": outside}, y


@drawing
def a_step_without_an_axis_of_time() -> Drawing:
    g = Sketch()
    g.inputs = [g.info("x", [1, INPUTS]), g.info("h_in", [1, HIDDEN])]
    y, h = g.rnn(g.add("Unsqueeze", "x", [0]), h=g.add("Unsqueeze", "h_in", [0]))
    h = g.squeezed(h, 0)
    return g.bytes(g.add("Tanh", g.add("Gemm", g.squeezed(y, 0, 1), g.draw(HIDDEN, 2))), h), {"h_in": h}, "my_Tanh.0"


@drawing
def a_head_on_the_state_itself() -> Drawing:
    g = Sketch()
    taking(g, h_in=[1, 1, HIDDEN])
    _, h = g.rnn("x", h="h_in")
    y = g.add("MatMul", g.squeezed(h, 0), g.draw(HIDDEN, 2))
    return g.bytes(y, h), {"h_in": h}, y


@drawing
def a_residual_step() -> Drawing:
    g = Sketch()
    taking(g, h_in=[1, 1, HIDDEN])
    y, h = g.rnn("x", "RNN", h="h_in")
    y = g.add("Add", "x", g.add("MatMul", g.squeezed(y, 1), g.draw(HIDDEN, INPUTS)))
    return g.bytes(y, h), {"h_in": h}, y


@drawing
def a_step_whose_time_vanishes_on_one_way_only() -> Drawing:
    g = Sketch()
    taking(g, h_in=[1, 1, HIDDEN])
    y, h = g.rnn("x", h="h_in")
    y = g.add("Add", "x", g.add("MatMul", g.squeezed(y, 0, 1), g.draw(HIDDEN, INPUTS)))
    return g.bytes(y, h), {"h_in": h}, y


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_step_graph_streams_what_onnxruntime_gives_with_its_states_carried(name: str) -> None:
    data, pairs, output = DRAWINGS[name]()
    assert_streams(data, pairs, output)


def test_states_that_nothing_tells_apart_are_paired_by_name() -> None:
    g = Sketch()
    taking(g, hidden=[1, 1, HIDDEN])
    y, h = g.rnn("x", h="hidden")
    other, named = g.add("Identity", h, name="first"), g.add("Identity", h, name="next_hidden")
    imported = read_onnx(g.bytes(y, other, named))
    assert [(state.name, state.source) for state in imported.states] == [("hidden", named)]
    assert any("by name, since several outputs give the same" in remark for remark in imported.remarks)


def test_a_graph_that_takes_many_steps_and_its_states_is_carried_from_chunk_to_chunk() -> None:
    g = Sketch()
    g.inputs = [g.info("x", ["T", "B", INPUTS]), g.info("h_in", [1, "B", HIDDEN])]
    y, h = g.rnn("x", h="h_in")
    data = g.bytes(y, h)
    report = verify(from_onnx(data), data, cases=(Case("normal", 1.0, 250),))
    assert report.proven, str(report)
    g.inputs = [g.info("x", [5, 2, INPUTS]), g.info("h_in", [1, 2, HIDDEN])]
    data = g.bytes(y, h)
    report = verify(from_onnx(data), data, cases=(Case("normal", 1.0, 23),))
    assert report.proven, str(report)


# What verify finds in them.


@pytest.mark.parametrize("start", [0, 30, 170])
def test_an_error_that_comes_with_a_step_is_placed_at_that_step(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers of the stream are changed from one step on."""
    data, _, output = states_as_they_are()

    undisturbed, n_before = answers.stream_runs, 0

    def disturbed(*arguments: Any) -> Any:
        nonlocal n_before
        outputs, states = undisturbed(*arguments)
        outputs[max(0, start - n_before) :] += np.float32(1e-3)
        n_before += len(outputs)
        return outputs, states

    monkeypatch.setattr(answers, "stream_runs", disturbed)
    report = verify(from_onnx(data), data, cases=(Case("normal", 1.0, 200),))
    assert not report.proven
    (wrong,) = (comparison for comparison in report.comparisons if not comparison.agrees)
    assert (wrong.output, wrong.first_disagreement) == (output, start)


@pytest.mark.parametrize("field", ["recurrent_weights", "input_weights", "bias"])
def test_a_planted_error_is_found_in_the_answers_and_in_the_states(field: str) -> None:
    data, pairs, output = states_of_two_layers_packed_in_one()
    model = from_onnx(data)
    array = getattr(model.layers[1], field).copy()
    array[(-1,) * array.ndim] += 1e-3
    report = verify(Model([model.layers[0], rebuilt(model.layers[1], **{field: array})]), data, cases=BRIEF)
    assert {c.output for c in report.comparisons if not c.agrees} == {output, pairs["h_in"]}


def test_a_stream_that_does_not_begin_with_zeros_is_found() -> None:
    data, _, _ = states_as_they_are()
    (layer,) = from_onnx(data).layers
    report = verify(Model([rebuilt(layer, initial_cell=np.full(HIDDEN, 0.01))]), data, cases=BRIEF)
    assert {c.first_disagreement for c in report.comparisons} == {0}


# What cannot be a step.

REFUSED: dict[str, tuple[Callable[[Sketch], bytes], str, str]] = {}


def refused(who: str, why: str) -> Callable[[Callable[[Sketch], bytes]], Callable[[Sketch], bytes]]:
    def register(draw: Callable[[Sketch], bytes]) -> Callable[[Sketch], bytes]:
        REFUSED[draw.__name__.replace("_", "-")] = draw, who, why
        return draw

    return register


@refused("graph input 'h_in'", "no output gives the final ones back")
def states_that_are_not_given_back(g: Sketch) -> bytes:
    taking(g, h_in=[1, 1, HIDDEN])
    return g.bytes(g.rnn("x", h="h_in")[0])


@refused("graph input 'h_in'", "in another order or shape than they must go in")
def states_of_two_layers_given_back_in_the_other_order(g: Sketch) -> bytes:
    taking(g, h_in=[2, 1, HIDDEN])
    first, second = g.add("Split", "h_in", n=2, axis=0, num_outputs=2)
    y, h = g.rnn("x", h=first)
    y, other = g.rnn(g.squeezed(y, 1), inputs=HIDDEN, h=second)
    return g.bytes(y, g.add("Concat", other, h, axis=0))


@refused("graph input 'h_in'", "in another order or shape than they must go in")
def states_given_back_in_another_shape(g: Sketch) -> bytes:
    taking(g, h_in=[1, 1, HIDDEN])
    y, h = g.rnn("x", h="h_in")
    return g.bytes(y, g.squeezed(h, 0))


@refused("graph input 'h_in'", "none brings the c of a lstm layer, which begins anew with every run")
def an_h_without_its_c(g: Sketch) -> bytes:
    taking(g, h_in=[1, 1, HIDDEN])
    y, h, c = g.rnn("x", "LSTM", h="h_in", c=g.constant(g.draw(1, 1, HIDDEN)))
    return g.bytes(y, h, c)


@refused("graph input 'h_in'", "none brings the h of a gru layer")
def states_of_one_layer_of_two(g: Sketch) -> bytes:
    taking(g, h_in=[1, 1, HIDDEN])
    y, h = g.rnn("x", h="h_in")
    return g.bytes(g.rnn(g.squeezed(y, 1), inputs=HIDDEN)[0], h)


@refused("graph input 'h_in'", "two states begin with its value 0")
def one_state_for_two_layers(g: Sketch) -> bytes:
    taking(g, h_in=[1, 1, HIDDEN])
    y, h = g.rnn("x", h="h_in")
    return g.bytes(g.rnn(g.squeezed(y, 1), inputs=HIDDEN, h="h_in")[0], h)


@refused("graph input 'h_in'", "goes in and out once for any number of steps of 'x'")
def a_state_of_several_steps_that_is_used_as_a_signal(g: Sketch) -> bytes:
    g.inputs.append(g.info("h_in", [1, "B", HIDDEN]))
    y, h = g.rnn("x", h="h_in")
    return g.bytes(y, h, g.add("Tanh", "h_in"))


@refused("node 'my_LSTM' (LSTM)", "its initial_h is the output of a dense layer, not a constant")
def a_state_that_is_computed_in_a_cell_with_peepholes(g: Sketch) -> bytes:
    taking(g, h_in=[1, 1, HIDDEN], c_in=[1, 1, HIDDEN])
    h = g.add("MatMul", "h_in", g.draw(HIDDEN, HIDDEN))
    tensors = random_node(g.rng, "LSTM", INPUTS, HIDDEN).tensors
    weights = [tensors[name] for name in "WRB"]
    return g.bytes(*g.add("LSTM", "x", *weights, "", h, "c_in", g.draw(1, 3 * HIDDEN), n=3, hidden_size=HIDDEN))


@pytest.mark.parametrize("name", REFUSED)
def test_states_that_no_stream_can_keep_are_refused_by_name_and_reason(name: str) -> None:
    draw, who, why = REFUSED[name]
    message = refusal(draw(Sketch()))
    assert message.startswith(f"{who}: ")
    assert why in message


# A model that people run.


@pytest.fixture(params=["small", "whole"])
def dtln(request: pytest.FixtureRequest) -> Path:
    """The model, and its nodes with fewer weights, which a clone of the project has."""
    path = SMALL_DTLN if request.param == "small" else SHARED / "dtln" / "model_1.onnx"
    if not path.exists():
        pytest.skip("shared/models/dtln/model_1.onnx is not there; it is no part of the project")
    return path


def test_dtln_streams_500_steps_as_onnxruntime_with_its_packed_state_carried(dtln: Path) -> None:
    """Two LSTMs exported from Keras, states (1, layer, unit, h or c); magnitudes of a spectrum, to 1e-5 at every step."""
    imported = read_onnx(dtln)
    assert [layer.kind for layer in imported.model.layers] == ["lstm", "lstm", "dense"]
    ((state, source),) = ((state.name, state.source) for state in imported.states)
    x = np.abs(np.random.default_rng(3).normal(size=(500, imported.model.input_size))).astype(np.float32)
    session = onnxruntime.InferenceSession(dtln.read_bytes(), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_outputs()]
    packed, stream = np.zeros(imported.states[0].sizes, np.float32), Stream(imported.model)  # type: ignore[arg-type]
    for row in x:
        results = dict(zip(names, session.run(names, {imported.input.name: row[None, None], state: packed}), strict=True))
        packed = results.pop(source)
        (mask,) = results.values()
        assert np.abs(stream.step(row) - mask[0, 0]).max() <= 1e-5
    assert all(isinstance(layer, LSTM) for layer in imported.model.layers[:2])


def test_dtln_is_proven_and_rounding_is_told_from_errors(dtln: Path) -> None:
    model = from_onnx(dtln)
    report = verify(model, dtln)
    assert report.proven, str(report)
    assert dtln == SMALL_DTLN or any("rounding alone moves float64 by" in remark for remark in report.remarks)
    weights = model.layers[2].weights.copy()  # type: ignore[attr-defined]
    weights[0, 0] += 0.01
    wrong = Model([*model.layers[:2], rebuilt(model.layers[2], weights=weights)])
    assert not verify(wrong, dtln, cases=BRIEF).proven
    with pytest.raises(VerificationError, match="but the graph has lstm, lstm, dense"):
        verify(Model([*model.layers, replace(model.layers[2], weights=np.eye(model.output_size), bias=None)]), dtln)  # type: ignore[type-var]
