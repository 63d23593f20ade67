"""Graphs that look ahead, or have a stride over time: a stream answers so many steps later, and once for so many rows; and all
of its answers are those of the graph.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, RNN, ConversionError, Model, Stream
from streamrnn.audio import OutputRows
from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime
from onnx import helper

from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.onnx.imported import Imported
from streamrnn_converters.proof.horizon import horizon
from streamrnn_converters.proof.verification import Case
from streamrnn_converters.reference_runs.graph_arrays import graph_array, input_array
from tests.converters.onnx.onnx_graphs import random_node
from tests.converters.onnx.sketch import HIDDEN, INPUTS, TOLERANCE, Sketch, refusal

STEPS = 200


def conv(g: Sketch, x: str, inputs: int, outputs: int, taps: int = 3, **attributes: Any) -> str:
    """With a bias, so that what comes before the first step is no zero."""
    return str(g.add("Conv", x, g.draw(outputs, inputs, taps), g.draw(outputs), **attributes))


def same(g: Sketch, x: str = "x", inputs: int = INPUTS, outputs: int = INPUTS, taps: int = 3) -> str:
    return conv(g, x, inputs, outputs, taps, pads=[taps // 2, taps // 2])


def recurrent(g: Sketch, x: str, op: str = "GRU", inputs: int = INPUTS) -> str:
    """(batch, features, time) through a node and a dense layer, (time, batch, 2)."""
    y = g.rnn(g.add("Transpose", x, perm=[2, 0, 1]), op, inputs)[0]
    return str(g.add("Add", g.add("MatMul", g.squeezed(y, 1), g.draw(HIDDEN, 2)), g.draw(2)))


def turned(g: Sketch, y: str) -> str:
    """(time, 1, batch, features) to (batch, features, time)."""
    return str(g.add("Transpose", g.squeezed(y, 1), perm=[1, 2, 0]))


def residual(g: Sketch, x: str) -> str:
    return str(g.add("Add", x, same(g, g.add("Relu", same(g, x)))))


def joined(g: Sketch) -> str:
    """What is late by 0, 2 and 1 steps."""
    return recurrent(g, g.add("Concat", "x", same(g, taps=5), same(g), axis=1), inputs=3 * INPUTS)


def gated(g: Sketch) -> str:
    return recurrent(g, g.add("Mul", same(g, taps=5), g.add("Sigmoid", same(g))))


def behind_an_lstm(g: Sketch) -> str:
    y = g.rnn(g.add("Transpose", "x", perm=[2, 0, 1]), "LSTM")[0]
    return recurrent(g, same(g, turned(g, y), HIDDEN))


def logarithm(g: Sketch) -> str:
    """What is no number before the first step."""
    late = g.add("Add", same(g, "x", taps=5), "x")
    inverse = g.add("Reciprocal", g.add("Abs", "x"))
    return recurrent(g, g.add("Add", g.add("Log", g.add("Abs", same(g, inverse))), late))


def over_bands(g: Sketch) -> str:
    """A convolution over bands and time, pooled along the bands, before a GRU."""
    y = g.add("Conv", g.add("Unsqueeze", "x", [1]), g.draw(2, 1, 3, 3), g.draw(2), pads=[1, 1, 1, 1])
    y = g.add("Conv", g.add("Relu", y), g.draw(2, 2, 3, 5), g.draw(2), pads=[1, 2, 1, 2])
    return recurrent(g, g.add("Reshape", y, [0, 2 * INPUTS, -1]), inputs=2 * INPUTS)


def cropped(g: Sketch) -> str:
    """Convolutions without padding, and what they read cut to the length that they leave, as WaveNet has it."""
    y = "x"
    for _ in range(2):
        given = conv(g, y, INPUTS, INPUTS, 2, dilations=[2])
        length = g.add("Gather", g.add("Shape", given), np.array([2]))
        y = g.add("Add", g.add("Slice", y, g.add("Neg", length), [2**63 - 1], [2]), g.add("Tanh", given))
    return y


AHEAD: dict[str, tuple[Callable[[Sketch], str], int]] = {
    "same-gru": (lambda g: recurrent(g, same(g)), 1),
    "same-lstm": (lambda g: recurrent(g, same(g, taps=5), "LSTM"), 2),
    "same-rnn": (lambda g: recurrent(g, same(g), "RNN"), 1),
    "alone": (lambda g: same(g, taps=5), 2),
    "two-in-a-row": (lambda g: recurrent(g, same(g, g.add("Relu", same(g)), taps=5)), 3),
    "residual": (lambda g: recurrent(g, residual(g, "x")), 2),
    "two-residuals": (lambda g: residual(g, residual(g, "x")), 4),
    "joined": (joined, 2),
    "gated": (gated, 2),
    "behind-an-lstm": (behind_an_lstm, 1),
    "cropped-to-what-is-left": (cropped, 4),
    "no-numbers-before-the-first-step": (logarithm, 2),
    "over-bands": (over_bands, 3),
    "dilated": (lambda g: recurrent(g, conv(g, "x", INPUTS, INPUTS, pads=[2, 4], dilations=[3])), 4),
    "by-auto-pad": (lambda g: recurrent(g, conv(g, "x", INPUTS, INPUTS, 4, auto_pad="SAME_UPPER")), 2),
    "without-padding": (lambda g: recurrent(g, conv(g, "x", INPUTS, INPUTS)), 2),
    "without-padding-then-padded": (
        lambda g: recurrent(g, conv(g, g.add("Relu", conv(g, "x", INPUTS, INPUTS)), INPUTS, INPUTS, pads=[4, 0])),
        0,
    ),
    "padded-behind-a-function": (
        lambda g: recurrent(g, conv(g, g.add("Sigmoid", g.add("Pad", "x", [0, 0, 2, 0, 0, 0])), INPUTS, INPUTS)),
        2,
    ),
    "shifted": (
        lambda g: g.add("Sub", g.add("Slice", g.add("Pad", "x", [0, 0, 0, 0, 0, 2]), [2], [2**31 - 1], [2]), "x"),
        2,
    ),
    "averaged": (
        lambda g: g.add("AveragePool", residual(g, "x"), kernel_shape=[3], pads=[1, 1], count_include_pad=1),
        3,
    ),
    "transposed": (lambda g: g.add("ConvTranspose", "x", g.draw(INPUTS, 2, 3), g.draw(2), pads=[1, 1]), 1),
}  # fmt: skip


def strided(g: Sketch, x: str = "x", taps: int = 3, stride: int = 2, before: int = 1, after: int = 1, **sizes: int) -> str:
    inputs, outputs = sizes.get("inputs", INPUTS), sizes.get("outputs", INPUTS)
    return conv(g, x, inputs, outputs, taps, strides=[stride], pads=[before, after])


def subsampled(g: Sketch) -> str:
    """Two convolutions that leave every fourth step."""
    return recurrent(g, strided(g, g.add("Relu", strided(g, outputs=5)), inputs=5), "LSTM")


def subsampled_bands(g: Sketch) -> str:
    """Convolutions over bands and time that halve both."""
    y = g.add("Conv", g.add("Unsqueeze", "x", [1]), g.draw(2, 1, 3, 3), g.draw(2), pads=[1, 1, 1, 1], strides=[2, 2])
    return recurrent(g, g.add("Reshape", g.add("Relu", y), [0, 2 * 2, -1]), inputs=4)


def around_a_stride(g: Sketch) -> str:
    """What meets behind a stride, early and late."""
    early = strided(g, taps=1, before=0, after=0)
    return recurrent(g, g.add("Add", early, strided(g, g.add("Tanh", same(g, taps=5)))))


def every_third(g: Sketch, first: int) -> str:
    return str(g.add("Slice", recurrent(g, same(g)), [first], [2**31 - 1], [0], [3]))


#: With the steps by which answers are late, and the rows of a step.
STRIDED: dict[str, tuple[Callable[[Sketch], str], int, int]] = {
    "as-padded": (lambda g: recurrent(g, strided(g)), 0, 2),
    "whole-windows": (lambda g: recurrent(g, strided(g, taps=4, stride=4, before=0, after=0)), 0, 4),
    "subsampled": (subsampled, 0, 4),
    "looks-into-the-next": (lambda g: recurrent(g, strided(g, taps=4)), 1, 2),
    "without-padding": (lambda g: recurrent(g, strided(g, before=0, after=0), "LSTM"), 1, 2),
    "looks-back-only": (lambda g: recurrent(g, strided(g, before=2, after=0)), 0, 2),
    "behind-what-looks-ahead": (lambda g: recurrent(g, strided(g, g.add("Relu", same(g))), "RNN"), 1, 2),
    "before-what-looks-ahead": (lambda g: recurrent(g, same(g, g.add("Relu", strided(g, stride=3)))), 1, 3),
    "dilated": (lambda g: conv(g, "x", INPUTS, 2, strides=[2], dilations=[3], pads=[3, 3]), 1, 2),
    "by-auto-pad": (lambda g: conv(g, "x", INPUTS, 2, 5, strides=[2], auto_pad="SAME_UPPER"), 1, 2),
    "of-one-tap": (lambda g: strided(g, taps=1, stride=5, before=0, after=0), 0, 5),
    "largest": (lambda g: recurrent(g, g.add("MaxPool", "x", kernel_shape=[2], strides=[2])), 0, 2),
    "largest-of-what-looks-ahead": (lambda g: recurrent(g, g.add("MaxPool", same(g), kernel_shape=[2], strides=[2])), 1, 2),
    "average": (
        lambda g: g.add("AveragePool", residual(g, "x"), kernel_shape=[3], strides=[2], pads=[1, 1], count_include_pad=1),
        1,
        2,
    ),
    "largest-beside-padding": (lambda g: recurrent(g, g.add("MaxPool", "x", kernel_shape=[3], strides=[2], pads=[1, 1])), 0, 2),
    "largest-beside-much-padding": (
        lambda g: g.add("MaxPool", same(g), kernel_shape=[3], strides=[3], pads=[2, 2], dilations=[3]),
        1,
        3,
    ),
    "average-without-padding": (
        lambda g: g.add("AveragePool", residual(g, "x"), kernel_shape=[4], strides=[2], pads=[2, 1]),
        1,
        2,
    ),
    "bands": (subsampled_bands, 0, 2),
    "around": (around_a_stride, 1, 2),
    "every-third": (lambda g: every_third(g, 0), 0, 3),
    "every-third-from-the-last-of-three-on": (lambda g: every_third(g, 2), 1, 3),
}  # fmt: skip


def session(data: bytes) -> onnxruntime.InferenceSession:
    """Its optimiser writes the number of steps of an exporter's example into some graphs."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def assert_agrees(data: bytes, late: int, stride: int = 1) -> Imported:
    """Every answer of a stream is that of the graph, so many steps later; as chunks and step by step."""
    imported = read_onnx(data)
    (output,), model = imported.outputs, imported.model
    assert (output.late, model.stride) == (late, stride)
    assert OutputRows.of(model).delay == late * stride
    assert any(f"answers come {late} step" in remark for remark in imported.remarks) == bool(late)
    assert any(f"a step takes {stride} rows" in remark for remark in imported.remarks) == (stride > 1)
    n_rows, n_signals = imported.size_of("time") or STEPS * stride, imported.size_of("batch") or 2
    x = np.random.default_rng(1).normal(size=(n_rows, n_signals, model.input_size)).astype(np.float32)
    (reference,) = session(data).run(None, {"x": input_array(x, imported.input)})
    signals = []
    for signal in range(n_signals):
        stream, rows = Stream(model), x[:, signal]
        steps = [stream.step(each) for each in rows[: 20 * stride].reshape(20, *model.step_shape)]
        signals.append(np.concatenate([np.array(steps), stream.process(rows[20 * stride :])]))
    ours = graph_array(np.stack(signals, axis=1)[late:], output)
    given = output.answered(reference, n_rows // stride, n_signals)
    assert ours.shape == given.shape
    assert np.abs(ours - given).max() <= TOLERANCE * max(1, np.abs(given).max())
    return imported


@pytest.mark.parametrize("name", AHEAD)
def test_what_looks_ahead_answers_later_and_right_from_the_first_step_on(name: str) -> None:
    draw, late = AHEAD[name]
    g = Sketch("BFT", open_axes="BT")
    assert_agrees(g.bytes(draw(g)), late)


@pytest.mark.parametrize("name", STRIDED)
def test_a_stride_over_time_gives_one_answer_for_so_many_rows(name: str) -> None:
    draw, late, stride = STRIDED[name]
    g = Sketch("BFT", open_axes="BT")
    assert_agrees(g.bytes(draw(g)), late, stride)


@pytest.mark.parametrize(
    "name", ["same-gru", "residual", "without-padding", "over-bands", "subsampled", "largest-of-what-looks-ahead"]
)
def test_it_is_proven_and_another_weight_is_not(name: str) -> None:
    g = Sketch("BFT", open_axes="BT")
    data = g.bytes((AHEAD | STRIDED)[name][0](g))
    model = from_onnx(data)
    assert verify(model, data).proven
    index = next(k for k, layer in enumerate(model.layers) if layer.kind in ("lstm", "gru", "conv1d"))
    layers = list(model.layers)
    weights = next(iter(layers[index].tensors()))
    layers[index] = layers[index].with_tensor(weights, np.zeros_like(layers[index].tensors()[weights]))
    assert not verify(Model(layers, model.notes, model.sources), data).proven


@pytest.mark.parametrize("name", ["residual", "looks-into-the-next"])
def test_it_holds_over_a_long_signal(name: str) -> None:
    g = Sketch("BFT", open_axes="BT")
    data = g.bytes((AHEAD | STRIDED)[name][0](g))
    found = horizon(from_onnx(data), data, n_steps=500)
    assert found.agrees, str(found)
    assert found.n_steps == 500


@pytest.mark.parametrize("n_rows", [41, 42])
def test_a_graph_may_fix_any_number_of_rows(n_rows: int) -> None:
    g = Sketch("BFT")
    g.inputs = [g.info("x", [1, INPUTS, n_rows])]
    data = g.bytes(recurrent(g, strided(g, g.add("Relu", same(g)))))
    model = from_onnx(data, time_axis=2)
    assert model.stride == 2
    assert verify(model, data).proven


def test_samples_of_a_fixed_number_are_taken_as_time_where_nothing_else_can_be() -> None:
    g = Sketch("BF")
    g.inputs = [g.info("x", [1, 200])]
    data = g.bytes(recurrent(g, conv(g, g.add("Unsqueeze", "x", [1]), 1, INPUTS, 8, strides=[4], pads=[2, 2])))
    imported = read_onnx(data)
    assert "axis 1 of graph input 'x' was taken as time" in imported.remarks[0]
    assert (imported.model.stride, imported.outputs[0].late) == (4, 1)
    assert verify(imported.model, data, cases=(Case("normal", 1.0, 200),)).proven


# What torch exports.

FOLDER = Path(__file__).parents[1] / "fixtures" / "time_maps"
#: With the steps by which answers are late, and the rows of a step.
EXPORTS = {"beat-tracker": (3, 1), "dilated": (7, 1), "encoder": (0, 4), "pooled": (1, 2), "samples": (1, 8)}


def test_each_export_is_looked_at() -> None:
    assert {path.stem.partition(".")[0] for path in FOLDER.iterdir()} == set(EXPORTS)


@pytest.mark.parametrize("exporter", ["script", "dynamo"])
@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_of_torch_gives_what_the_graph_gives(name: str, exporter: str) -> None:
    late, stride = EXPORTS[name]
    assert_agrees((FOLDER / f"{name}.{exporter}.onnx").read_bytes(), late, stride)


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_of_torch_is_proven(name: str) -> None:
    data = (FOLDER / f"{name}.dynamo.onnx").read_bytes()
    assert verify(from_onnx(data), data, cases=(Case("normal", 1.0, 200),)).proven


# Recurrent layers wait for the first entry of what they read.


def behind_a_convolution(op: str, *kept: str, **attributes: Any) -> bytes:
    """A node with all that its definition has, behind a convolution that looks two steps ahead."""
    g = Sketch("BFT", open_axes="T")
    g.inputs = [g.info("x", [1, INPUTS, "T"])]
    tensors = random_node(g.rng, op, INPUTS, HIDDEN, gain=3.0).tensors
    names = ["W", "R", "B", "", *kept]
    x = g.add("Transpose", same(g, taps=5), perm=[2, 0, 1])
    y = g.add(op, x, *(tensors[name] if name else "" for name in names), n=2, hidden_size=HIDDEN, **attributes)[0]
    return g.bytes(g.squeezed(y, 1))


WAITING: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "lstm": ("LSTM", (), {}),
    "lstm-peepholes": ("LSTM", ("", "", "P"), {}),
    "lstm-coupled": ("LSTM", (), {"input_forget": 1}),
    "lstm-hard": ("LSTM", (), {"activations": ["HardSigmoid", "Relu", "Tanh"]}),
    "gru": ("GRU", ("initial_h",), {"linear_before_reset": 1}),
    "gru-reset-before": ("GRU", ("initial_h",), {}),
    "gru-hard": ("GRU", ("initial_h",), {"activations": ["HardSigmoid", "Softsign"]}),
    "rnn": ("RNN", (), {}),
    "rnn-relu-clip": ("RNN", (), {"activations": ["Relu"], "clip": 0.5}),
}


@pytest.mark.parametrize("name", WAITING)
def test_a_recurrent_layer_waits_in_its_initial_state_bit_for_bit(name: str) -> None:
    op, kept, attributes = WAITING[name]
    data = behind_a_convolution(op, *kept, **attributes)
    imported = read_onnx(data)
    model = imported.model
    (index,) = [k for k, layer in enumerate(model.layers) if isinstance(layer, LSTM | GRU | RNN)]
    x = np.random.default_rng(3).normal(size=(STEPS, INPUTS)).astype(np.float32)
    for scale in (1, 1e6):
        stream = Stream(model)
        stream.process((scale * x[:2]).astype(np.float32))
        for state, initial in model.layers[index].states.items():
            assert (stream.states[index][state] == initial).all()
    (reference,) = session(data).run(None, {"x": x.T[None]})
    assert np.abs(Stream(model).process(x)[2:] - reference[:-2, 0]).max() <= TOLERANCE


CANNOT_WAIT: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "lstm-initial-states": ("LSTM", ("initial_h", "initial_c"), {}),
    "lstm-clip": ("LSTM", (), {"clip": 2.0}),
    "lstm-softsign": ("LSTM", (), {"activations": ["Softsign", "Tanh", "Tanh"]}),
    "gru-clip": ("GRU", (), {"clip": 2.0}),
    "rnn-initial-state": ("RNN", ("initial_h",), {}),
    "rnn-sigmoid": ("RNN", (), {"activations": ["Sigmoid"]}),
}


@pytest.mark.parametrize("name", CANNOT_WAIT)
def test_a_recurrent_layer_that_cannot_wait_is_refused_by_name(name: str) -> None:
    op, kept, attributes = CANNOT_WAIT[name]
    message = refusal(behind_a_convolution(op, *kept, **attributes))
    assert message.startswith(f"node 'my_{op}' ({op}): its input is 2 steps late, since what comes before looks ahead")


# What cannot be answered later.


def with_states(g: Sketch) -> str:
    g.inputs.append(g.info("h", [1, 1, HIDDEN]))
    y, end = g.rnn(g.add("Transpose", same(g), perm=[2, 0, 1]), h="h")
    g.outputs = [end]
    return str(y)


def backwards(g: Sketch, x: str) -> str:
    tensors = random_node(g.rng, "GRU", INPUTS, HIDDEN, direction="bidirectional").tensors
    given = [tensors[name] for name in ("W", "R", "B")]
    x = g.add("Transpose", x, perm=[2, 0, 1])
    return str(g.add("GRU", x, *given, n=2, hidden_size=HIDDEN, direction="bidirectional")[0])


def in_a_loop(g: Sketch, x: str) -> str:
    """A running sum."""
    body = helper.make_graph(
        [helper.make_node("Add", ["s", "row"], ["next"]), helper.make_node("Tanh", ["next"], ["out"])],
        "body",
        [g.info("s", [1, INPUTS]), g.info("row", [1, INPUTS])],
        [g.info("next", None), g.info("out", None)],
    )
    x = g.add("Transpose", x, perm=[2, 0, 1])
    return str(g.add("Scan", g.draw(1, INPUTS) * 0, x, n=2, body=body, num_scan_inputs=1)[1])


def lone(draw: Callable[[Sketch], str]) -> bytes:
    """A graph for one signal."""
    g = Sketch("BFT", open_axes="T")
    g.inputs = [g.info("x", [1, INPUTS, "T"])]
    y = draw(g)
    return g.bytes(y, *g.outputs)


REFUSED: dict[str, tuple[Callable[[Sketch], str], str]] = {
    "the-last-step": (
        lambda g: g.add("Gather", same(g), np.int64(-1), axis=2),
        "picks the last step of what looks 1 step ahead",
    ),
    "the-last-state": (
        lambda g: g.rnn(g.add("Transpose", same(g), perm=[2, 0, 1]))[1],
        "is the answer after the last step of what looks 1 step ahead",
    ),
    "constants-before": (
        lambda g: g.add("Slice", g.add("Concat", g.draw(1, INPUTS, 1), same(g), axis=2), [0], [-1], [2]),
        "puts constants before the first step of what looks ahead",
    ),
    "in-a-loop": (lambda g: in_a_loop(g, same(g)), "goes over what looks 1 step ahead"),
    "in-a-loop-behind-a-stride": (lambda g: in_a_loop(g, strided(g)), "goes over a signal with a step for every 2 rows"),
    "with-states": (with_states, "cannot come later where states go in and out"),
}


def refused() -> list[bytes]:
    """Graphs that are refused."""
    return [*(lone(draw) for draw, _ in REFUSED.values()), behind_a_convolution("GRU", clip=2.0)]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_answered_later_is_refused(name: str) -> None:
    draw, why = REFUSED[name]
    assert why in refusal(lone(draw))


@pytest.mark.parametrize(("before", "why"), [(same, "looks 1 step ahead"), (strided, "its stride over time is not 1")])
def test_a_recording_that_is_read_backwards_is_answered_row_by_row_at_once(before: Callable[[Sketch], str], why: str) -> None:
    with pytest.raises(ConversionError, match=why):
        from_onnx(lone(lambda g: backwards(g, before(g))), offline=True)


def carried(n_rows: int | str) -> bytes:
    """A graph that carries the state of a GRU over what every second row gives."""
    g = Sketch("BFT", open_axes="T")
    g.inputs = [g.info("x", [1, INPUTS, n_rows]), g.info("h", [1, 1, HIDDEN])]
    x = g.add("Transpose", strided(g, taps=2, before=0, after=0), perm=[2, 0, 1])
    return g.bytes(*g.rnn(x, h="h"))


@pytest.mark.parametrize("n_rows", [4, "T"])
def test_a_graph_with_a_stride_may_carry_its_states(n_rows: int | str) -> None:
    data = carried(n_rows)
    model = from_onnx(data, time_axis={"x": 2})
    assert model.stride == 2
    assert verify(model, data).proven


def test_it_carries_them_over_whole_steps() -> None:
    with pytest.raises(ConversionError, match="carries its states over 5 rows, which are no whole number of steps of 2 rows"):
        from_onnx(carried(5), time_axis={"x": 2})


def test_as_many_steps_must_come_as_it_looks_ahead() -> None:
    g = Sketch("BFT", open_axes="B")
    g.inputs = [g.info("x", ["B", INPUTS, 2])]
    assert "takes 2 rows, but the first answer comes after 3" in refusal(g.bytes(recurrent(g, same(g, taps=5))))
