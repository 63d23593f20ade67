"""Graphs that need the end of a signal, imported for whole recordings, beside onnxruntime, and torch where it wrote them."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from streamrnn import ConversionError, Layer, Model, VerificationError, run_offline
from tests.models import one_width, rebuilt  # noqa: F401  (the first is a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime
from onnx import TensorProto

from streamrnn_converters import from_onnx, verify
from streamrnn_converters.onnx import read_onnx
from streamrnn_converters.proof.horizon import horizon
from streamrnn_converters.proof.verification import Case
from tests.converters.onnx.onnx_graphs import random_node
from tests.converters.onnx.sketch import (
    HIDDEN,
    INPUTS,
    N_SIGNALS,
    N_STEPS,
    TOLERANCE,
    Sketch,
    letters,
)
from tests.converters.onnx.test_from_onnx_exports import HAS_ONNXSCRIPT, HAS_TORCH, path, torch_exports  # noqa: F401  (a fixture)

BRIEF = (Case("normal", 1.0, 30), Case("loud", 10.0, 30))
REMARK = "the model reads recordings backwards: it cannot be streamed, streamrnn.run_offline answers them"
ONE_ANSWER = "the graph gives one answer to a recording: it is in the last row of what run_offline gives"


def recurrent(
    g: Sketch, x: str, direction: str = "bidirectional", op: str = "GRU", inputs: int = INPUTS, lengths: Any = ""
) -> list[str]:
    """Y, Y_h (and Y_c) of a node with every tensor."""
    node = random_node(g.rng, op, inputs, HIDDEN, batch=N_SIGNALS, direction=direction)
    states = [value for name, value in node.tensors.items() if name not in "WRB"]
    weights = [node.tensors[name] for name in "WRB"]
    n = 3 if op == "LSTM" else 2
    return list(g.add(op, x, *weights, lengths, *states, n=n, direction=direction, hidden_size=HIDDEN))


def joined(g: Sketch, y: str) -> str:
    """Y with its directions one behind the other: (time, batch, 2 H)."""
    return str(g.add("Reshape", g.add("Transpose", y, perm=[0, 2, 1, 3]), [0, 0, -1]))


def dense(g: Sketch, x: str, inputs: int = 2 * HIDDEN) -> str:
    return str(g.add("Add", g.add("MatMul", x, g.draw(inputs, 2)), g.draw(2)))


def given_lengths(g: Sketch, dtype: int = TensorProto.INT32) -> str:
    g.inputs.append(g.info("lengths", ["B"], dtype))
    return "lengths"


GRAPHS: dict[str, Callable[[Sketch], tuple[Sequence[str], Sequence[str]]]] = {}


def drawing(draw: Any) -> Any:
    GRAPHS[draw.__name__.replace("_", "-")] = draw
    return draw


@drawing
def both_directions_joined(g: Sketch) -> Any:
    return [joined(g, recurrent(g, "x")[0])], ["TBF"]


@drawing
def a_dense_layer_behind_a_backward_direction(g: Sketch) -> Any:
    return [dense(g, g.squeezed(recurrent(g, "x", "reverse", "LSTM")[0], 1), HIDDEN)], ["TBF"]


@drawing
def two_layers_of_both_directions_and_their_states(g: Sketch) -> Any:
    y, *ends = recurrent(g, "x", op="LSTM")
    above, *more = recurrent(g, joined(g, y), op="LSTM", inputs=2 * HIDDEN)
    return [dense(g, joined(g, above)), *ends, *more], ["TBF", *["LBF"] * 4]


@drawing
def a_forward_layer_above_a_backward_one(g: Sketch) -> Any:
    return [*recurrent(g, g.squeezed(recurrent(g, "x", "reverse")[0], 1), "forward", inputs=HIDDEN)], ["T1BF", "LBF"]


@drawing
def a_head_behind_the_final_states_of_both_directions(g: Sketch) -> Any:
    ends = recurrent(g, "x", op="LSTM")[1]
    return [dense(g, g.add("Reshape", g.add("Transpose", ends, perm=[1, 0, 2]), [0, -1]))], ["BF"]


@drawing
def a_head_behind_the_last_step_of_both_directions(g: Sketch) -> Any:
    return [dense(g, g.add("Gather", joined(g, recurrent(g, "x")[0]), -1, axis=0))], ["BF"]


@drawing
def a_head_behind_the_first_step_of_the_backward_direction(g: Sketch) -> Any:
    first = g.add("Gather", joined(g, recurrent(g, "x")[0]), 0, axis=0)
    return [dense(g, g.add("Slice", first, [HIDDEN], [2**31 - 1], [1]), HIDDEN)], ["BF"]


@drawing
def final_states_alone(g: Sketch) -> Any:
    return recurrent(g, "x", op="LSTM")[1:], ["LBF", "LBF"]


@drawing
def a_signal_turned_around_by_a_slice(g: Sketch) -> Any:
    def around(value: str) -> str:
        return str(g.add("Slice", value, [-1], [-(2**63)], [0], [-1]))

    y = g.squeezed(recurrent(g, around("x"), "forward")[0], 1)
    return [g.add("Concat", around(y), "x", axis=2)], ["TBF"]


@drawing
def a_signal_turned_around_over_all_of_its_steps(g: Sketch) -> Any:
    turned = g.add("ReverseSequence", "x", np.array([N_STEPS] * N_SIGNALS), time_axis=0, batch_axis=1)
    return [g.squeezed(recurrent(g, turned, "forward")[0], 1)], ["TBF"]


WITH_LENGTHS: dict[str, Callable[[Sketch, Any], tuple[Sequence[str], Sequence[str]]]] = {}


def with_lengths(draw: Any) -> Any:
    WITH_LENGTHS[draw.__name__.replace("_", "-")] = draw
    return draw


@with_lengths
def every_step_and_the_states(g: Sketch, lengths: Any) -> Any:
    y, *ends = recurrent(g, "x", op="LSTM", lengths=lengths)
    return [dense(g, joined(g, y)), *ends], ["TBF", "LBF", "LBF"]


@with_lengths
def a_head_behind_the_final_states(g: Sketch, lengths: Any) -> Any:
    ends = recurrent(g, "x", lengths=lengths)[1]
    return [dense(g, g.add("Reshape", g.add("Transpose", ends, perm=[1, 0, 2]), [0, -1]))], ["BF"]


@with_lengths
def a_forward_direction(g: Sketch, lengths: Any) -> Any:
    return [*recurrent(g, "x", "forward", lengths=lengths)], ["T1BF", "LBF"]


@with_lengths
def two_layers(g: Sketch, lengths: Any) -> Any:
    below = joined(g, recurrent(g, "x", lengths=lengths)[0])
    return [joined(g, recurrent(g, below, inputs=2 * HIDDEN, lengths=lengths)[0])], ["TBF"]


@with_lengths
def a_signal_turned_around(g: Sketch, lengths: Any) -> Any:
    whole = g.add("Cast", lengths, to=TensorProto.INT64) if isinstance(lengths, str) else lengths.astype(np.int64)
    y = recurrent(g, g.add("ReverseSequence", "x", whole, time_axis=0, batch_axis=1), "forward", lengths=lengths)[0]
    return [g.add("ReverseSequence", g.squeezed(y, 1), whole, time_axis=0, batch_axis=1)], ["TBF"]


def assert_answers_what_onnxruntime_gives(data: bytes, axes: Sequence[str], lengths: Sequence[int] | None = None) -> None:
    """Every recording, of its own length, gives what the graph gives for it; the graph is fed the lengths that it takes."""
    imported = read_onnx(data, offline=True)
    assert [letters(output.axes) for output in imported.outputs] == list(axes)
    x = np.random.default_rng(1).normal(size=(N_STEPS, N_SIGNALS, INPUTS)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    feed = {"x": x} | ({"lengths": np.array(lengths, np.int32)} if len(session.get_inputs()) > 1 else {})
    ends = lengths or [N_STEPS] * N_SIGNALS
    answers = [run_offline(imported.model, x[:end, k], states=True) for k, end in enumerate(ends)]
    for output, reference in zip(imported.outputs, session.run(None, feed), strict=True):
        for k, (y, states) in enumerate(answers):
            own = reference[..., k, :]
            if output.states:
                values = np.concatenate([states[layer][name] for layer, name in output.states])[list(output.places)]
                assert np.abs(values.reshape(own.shape) - own).max() <= TOLERANCE
                continue
            values = y[:, output.start : output.start + output.size]
            mine, theirs = (values, own[: ends[k]]) if "T" in letters(output.axes) else (values[-1], own)
            assert np.abs(mine.reshape(theirs.shape) - theirs).max() <= TOLERANCE


@pytest.mark.parametrize("open_axes", ["TB", ""], ids=["open", "fixed"])
@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_that_reads_backwards_answers_as_onnxruntime_does(name: str, open_axes: str) -> None:
    g = Sketch(open_axes="" if "all-of-its-steps" in name else open_axes)
    outputs, axes = GRAPHS[name](g)
    data = g.bytes(*outputs)
    assert_answers_what_onnxruntime_gives(data, axes)
    remarks = read_onnx(data, offline=True).remarks
    assert REMARK in remarks
    assert any(remark.startswith(ONE_ANSWER) for remark in remarks) == (axes == ["BF"])
    with pytest.raises(ConversionError, match="offline=True"):
        from_onnx(data)


@pytest.mark.parametrize("constant", [False, True], ids=["input", "constant"])
@pytest.mark.parametrize("name", WITH_LENGTHS)
def test_a_graph_that_is_told_lengths_answers_each_recording_over_its_own(name: str, constant: bool) -> None:
    g = Sketch()
    lengths = [4, N_STEPS]
    outputs, axes = WITH_LENGTHS[name](g, np.array(lengths, np.int32) if constant else given_lengths(g))
    data = g.bytes(*outputs)
    assert_answers_what_onnxruntime_gives(data, axes, lengths)
    report = verify(from_onnx(data, offline=True), data, cases=BRIEF)
    assert report.proven, str(report)
    assert len(report.comparisons) == len(BRIEF) * len(axes)


def test_lengths_that_only_repeat_that_of_the_signal_are_none() -> None:
    g = Sketch(open_axes="B")
    y, _ = recurrent(g, "x", "forward", lengths=np.array([N_STEPS] * N_SIGNALS, np.int32))
    imported = read_onnx(g.bytes(g.add("Gather", y, -1, axis=0)), offline=True)
    assert not imported.offline


def states_of_both_ways(g: Sketch) -> bytes:
    """A forward direction and, by slices, a backward one; the states of both come in and go out."""
    g.inputs += [g.info(name, [1, N_SIGNALS, HIDDEN]) for name in ("h", "k", "c")]
    end = -(2**63)
    y, h = g.rnn("x", h="h")
    backward, k, c = g.rnn(g.add("Slice", "x", [-1], [end], [0], [-1]), "LSTM", h="k", c="c")
    y = g.add("Concat", y, g.add("Slice", backward, [-1], [end], [0], [-1]), axis=3)
    return g.bytes(g.squeezed(y, 1), h, k, c)


@pytest.mark.parametrize("open_axes", ["T", ""], ids=["open", "fixed"])
def test_a_graph_that_gets_states_and_reads_backwards_is_proven_and_its_mutants_are_not(open_axes: str) -> None:
    data = states_of_both_ways(Sketch(open_axes=open_axes))
    model = from_onnx(data, offline=True)
    report = verify(model, data, cases=BRIEF)
    assert report.proven, str(report)
    assert report.unreached == ()
    for index, layer in enumerate(model.layers):
        for name, tensor in layer.tensors().items():
            layers = list(model.layers)
            layers[index] = rebuilt(layer, **{name: tensor + np.float32(0.01)})
            assert not verify(Model(layers, sources=model.sources), data, cases=BRIEF).proven, (index, name)


# What must be found, and what cannot be.


#: Of forward layer, reversal, backward layer, reversal and join: those, and in which order the last joins the directions.
PLANTED: dict[str, Callable[..., tuple[list[Layer], tuple[int, int]]]] = {
    "directions swapped": lambda a, turn, b, back, join: ([b, turn, a, back, join], (0, 3)),
    "directions joined the other way": lambda a, turn, b, back, join: ([a, turn, b, back, join], (3, 0)),
    "no initial state": lambda a, turn, b, back, join: ([a, turn, rebuilt(b, initial_hidden=None), back, join], (0, 3)),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_error_is_found(what: str) -> None:
    g = Sketch()
    data = g.bytes(joined(g, recurrent(g, "x")[0]))
    model = from_onnx(data, offline=True)
    assert [layer.kind for layer in model.layers] == ["gru", "reverse", "gru", "reverse", "concat"]
    layers, joins = PLANTED[what](*model.layers)
    assert not verify(Model(layers, sources=[*model.sources[:4], joins]), data, cases=BRIEF).proven


def two_lengths(g: Sketch) -> list[str]:
    y = g.squeezed(recurrent(g, "x", "forward", lengths=given_lengths(g))[0], 1)
    g.inputs.append(g.info("others", ["B"], TensorProto.INT32))
    return recurrent(g, y, "forward", inputs=HIDDEN, lengths="others")[:1]


def one_without_lengths(g: Sketch) -> list[str]:
    y = g.squeezed(recurrent(g, "x", "forward", lengths=given_lengths(g))[0], 1)
    return recurrent(g, y, "forward", inputs=HIDDEN)[:1]


def states_beside_lengths(g: Sketch) -> list[str]:
    g.inputs.append(g.info("h", [1, "B", HIDDEN]))
    tensors = random_node(g.rng, "GRU", INPUTS, HIDDEN).tensors
    given = [tensors[name] for name in "WRB"]
    return list(g.add("GRU", "x", *given, given_lengths(g), "h", n=2, hidden_size=HIDDEN))


def states_given_to_a_backward_direction(g: Sketch) -> list[str]:
    g.inputs.append(g.info("h", [2, "B", HIDDEN]))
    node = random_node(g.rng, "GRU", INPUTS, HIDDEN, direction="bidirectional")
    weights = [node.tensors[name] for name in "WRB"]
    return list(g.add("GRU", "x", *weights, "", "h", n=2, direction="bidirectional", hidden_size=HIDDEN))


CANNOT: dict[str, tuple[Callable[[Sketch], list[str]], str]] = {
    "a last step that is behind the end of some": (
        lambda g: [g.add("Gather", joined(g, recurrent(g, "x", lengths=given_lengths(g))[0]), -1, axis=0)],
        "node 'my_Gather' (Gather): picks the last step of a batch, which lies after the end of a short recording",
    ),
    "a batch turned around with what is behind the end of some": (
        lambda g: [g.add("Slice", joined(g, recurrent(g, "x", lengths=given_lengths(g))[0]), [-1], [-(2**63)], [0], [-1])],
        "node 'my_Slice' (Slice): turns a batch around with what lies after the end of a short recording",
    ),
    "two inputs of lengths": (two_lengths, "node 'my_GRU1' (GRU): has other sequence_lens than a node before it"),
    "a node without lengths": (one_without_lengths, "node 'my_GRU1' (GRU): has no sequence_lens, while another node has"),
    "states beside lengths": (
        states_beside_lengths,
        "graph input 'h': brings initial states, but the graph is told the lengths",
    ),
    "states for a backward direction": (
        states_given_to_a_backward_direction,
        "node 'my_GRU' (GRU): its initial_h is a graph input, but what is read backwards cannot go on",
    ),
    "the first step of a forward direction": (
        lambda g: [g.add("Gather", g.squeezed(recurrent(g, "x", "forward")[0], 1), 0, axis=0)],
        "node 'my_Gather' (Gather): picks index 0 of the time axis",
    ),
    "the first step of both directions": (
        lambda g: [dense(g, g.add("Gather", joined(g, recurrent(g, "x")[0]), 0, axis=0))],
        "node 'my_MatMul' (MatMul): works on the first step of a forward direction; only that of a backward one is an answer",
    ),
    "lengths that are no integers": (
        lambda g: recurrent(g, "x", lengths=g.draw(2))[:1],
        "node 'my_GRU' (GRU): its sequence_lens is a constant of shape (2,) of float32, expected integers",
    ),
    "lengths of more signals than there are": (
        lambda g: recurrent(g, "x", lengths=np.array([3, 3, 3], np.int32))[:1],
        "node 'my_GRU' (GRU): its sequence_lens has 3 values, for 2 signals",
    ),
    "lengths of zero": (
        lambda g: recurrent(g, "x", lengths=np.array([0, 3], np.int32))[:1],
        "node 'my_GRU' (GRU): its sequence_lens [0, 3] are not all from 1 to the 3 steps of the signal",
    ),
    "lengths that are computed": (
        lambda g: recurrent(g, "x", lengths=g.add("Add", given_lengths(g), np.array([1], np.int32)))[:1],
        "integers, which can only pick from a table",
    ),
    "lengths that are indices too": (
        lambda g: [
            joined(g, recurrent(g, "x", lengths=given_lengths(g))[0]),
            g.add("Gather", g.draw(9, 2), "lengths", axis=0),
        ],
        "graph input 'lengths': brings the lengths of recordings, and is used for something else too",
    ),
    "a signal turned around along its features": (
        lambda g: [g.squeezed(recurrent(g, g.add("ReverseSequence", "x", given_lengths(g), time_axis=2))[0], 1)],
        "node 'my_ReverseSequence' (ReverseSequence): time_axis=2 and batch_axis=1 do not fit 3 axes",
    ),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_no_recording_can_answer_is_refused_by_name_and_reason(name: str) -> None:
    draw, message = CANNOT[name]
    g = Sketch(open_axes="T")
    with pytest.raises(ConversionError) as refused:
        from_onnx(g.bytes(*draw(g)), offline=True)
    assert message in str(refused.value)


def test_there_is_no_horizon_of_a_recording() -> None:
    g = Sketch()
    data = g.bytes(joined(g, recurrent(g, "x")[0]))
    with pytest.raises(VerificationError, match="the graph answers whole recordings"):
        horizon(from_onnx(data, offline=True), data, n_steps=10)


# What torch writes.


@pytest.mark.parametrize("exporter", ["dynamo", "script"])
def test_an_export_of_both_directions_gives_what_torch_computed(exporter: str) -> None:
    with np.load(path("").parents[1] / "exports.npz") as arrays:
        x, y = arrays["x"][:4, :2], arrays["lstm-bidirectional/y"]
    model = from_onnx(path(f"lstm-bidirectional.{exporter}"), offline=True)
    for k in range(2):
        assert np.abs(run_offline(model, x[:, k]) - y[:, k]).max() <= TOLERANCE


def module(exports: Any, kind: str, how: str) -> Any:
    """Two layers of both directions, with a head behind every step, the last, the final states, or the ends of both."""
    torch = pytest.importorskip("torch", reason="exports with torch, which is not installed")

    class Both(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.rnn = exports.rnn(kind, 2, bidirectional=True)
            self.head = torch.nn.Linear(2 * exports.HIDDEN, 2)

        def forward(self, x: Any) -> Any:
            size = exports.HIDDEN
            y, states = self.rnn(x)
            h = states[0] if kind == "lstm" else states
            if how == "last":
                y = y[:, -1]
            if how == "hidden":
                y = torch.cat([h[-2], h[-1]], -1)
            if how == "ends":
                y = torch.cat([y[:, -1, :size], y[:, 0, size:]], -1)
            return self.head(y)

    torch.manual_seed(3)
    return Both().eval()


@pytest.mark.skipif(not HAS_TORCH, reason="exports with torch, which is not installed")
@pytest.mark.parametrize(
    ("kind", "how", "dynamo"),
    [
        *((kind, how, False) for kind in ("lstm", "gru", "rnn") for how in ("all", "last", "hidden", "ends")),
        ("lstm", "hidden", True),
        ("gru", "all", True),
        ("gru", "ends", True),
    ],
)
def test_two_layers_of_both_directions_give_what_torch_computes(
    kind: str,
    how: str,
    dynamo: bool,
    torch_exports: Any,  # noqa: F811
) -> None:
    if dynamo and not HAS_ONNXSCRIPT:
        pytest.skip("torch's newer exporter needs onnxscript, which is not installed")
    import torch

    both = module(torch_exports, kind, how)
    case = torch_exports.Case(lambda: both, open_axes=True, dynamo=dynamo)
    model = from_onnx(torch_exports.exported(case, both), offline=True)
    for length in (1, 2, 24):
        x = torch_exports.signal(case)[:length, 0]
        with torch.no_grad():
            y = both(torch.from_numpy(x[None])).numpy()[0]
        ours = run_offline(model, x)
        assert np.abs((ours if how == "all" else ours[-1]) - y).max() <= TOLERANCE


@pytest.mark.skipif(not HAS_TORCH, reason="exports with torch, which is not installed")
def test_packed_sequences_give_what_torch_computes(torch_exports: Any) -> None:  # noqa: F811
    import torch

    class Packed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = torch_exports.rnn("lstm", 2, bidirectional=True)

        def forward(self, x: Any, lengths: Any) -> Any:
            y, _ = self.rnn(torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True))
            return torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)[0]

    packed, file = Packed().eval(), io.BytesIO()
    x, lengths = torch.from_numpy(np.random.default_rng(4).normal(size=(2, 6, INPUTS)).astype(np.float32)), [6, 3]
    names = {"x": {0: "batch", 1: "time"}, "lengths": {0: "batch"}}
    torch_exports.quietly(
        lambda: torch.onnx.export(
            packed, (x, torch.tensor(lengths)), file, dynamo=False, input_names=list(names), dynamic_axes=names
        )
    )
    model = from_onnx(file.getvalue(), offline=True)
    with torch.no_grad():
        y = packed(x, torch.tensor(lengths)).numpy()
    for k, length in enumerate(lengths):
        assert np.abs(run_offline(model, x[k, :length].numpy()) - y[k, :length]).max() <= TOLERANCE
