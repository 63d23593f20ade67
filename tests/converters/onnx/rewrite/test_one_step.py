"""Loops over the steps of a signal whose bodies are cells of their own: a stream keeps what they carry.

onnxruntime, which runs the loops as they are, is the reference.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamrnn import ConversionError, Stream, StreamPool
from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install 'streamrnn[convert]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'streamrnn[convert]'")

from onnx import helper  # noqa: E402

from streamrnn_converters.onnx import read_onnx  # noqa: E402
from streamrnn_converters.onnx.imported import Imported  # noqa: E402
from streamrnn_converters.proof.verification import verify  # noqa: E402
from tests.converters.onnx.cell_graphs import Builder, H, I, keras_cell  # noqa: E402
from tests.converters.onnx.loop_graphs import BOOL, FLOAT, INT64, Loops, scanned  # noqa: E402
from tests.converters.onnx.rewrite.test_lifting import BRIEF  # noqa: E402
from tests.converters.proof.mutation_law import survivors  # noqa: E402

#: What a body does: from a builder, states and rows to the next states, and what the step gives.
Body = Callable[[Builder, Sequence[str], Sequence[str]], tuple[list[str], list[str]]]

GRAPHS: dict[str, Callable[[], bytes]] = {}


def graph(draw: Callable[[], bytes]) -> Callable[[], bytes]:
    GRAPHS[draw.__name__.replace("_", "-")] = draw
    return draw


def number(b: Builder, value: Any) -> str:
    return b.constant(np.asarray(value))


def zeros(g: Loops, *shape: int) -> str:
    return g.outer.constant(np.zeros(shape or (2, I), np.float32))


def scan(g: Loops, body: Body, states: Sequence[str], signals: Sequence[str] = ("x",), **options: Any) -> list[str]:
    """A Scan: its final states, and what each step gives."""
    b = g.body()
    names = [f"{b.prefix}s{k}" for k in range(len(states))]
    rows = [f"{b.prefix}x{k}" for k in range(len(signals))]
    ends, given = body(b, names, rows)
    outputs = [b.Identity(name) for name in (*ends, *given)]
    inner = g.graph(b, dict.fromkeys([*names, *rows], FLOAT), outputs)
    made = g.outer.Scan(*states, *signals, outputs=len(outputs), body=inner, num_scan_inputs=len(signals), **options)
    return [made] if len(outputs) == 1 else list(made)


def leaking(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
    """0.9 s + 0.1 x."""
    mean = b.Add(b.Mul(s[0], number(b, np.float32(0.9))), b.Mul(x[0], number(b, np.float32(0.1))))
    return [mean], [mean]


@graph
def leaky_mean() -> bytes:
    g = Loops()
    return g.model({"y": scan(g, leaking, [zeros(g)])[1]})


@graph
def mean_beside_the_signal() -> bytes:
    g = Loops()
    return g.model({"y": g.outer.Sub("x", scan(g, leaking, [zeros(g)])[1])})


@graph
def mean_that_begins_elsewhere() -> bytes:
    g = Loops()
    begin = g.outer.constant(np.tile(np.arange(I, dtype=np.float32), (2, 1)))
    return g.model({"y": scan(g, leaking, [begin])[1]})


@graph
def final_state_alone() -> bytes:
    g = Loops()
    return g.model({"y": scan(g, leaking, [zeros(g)])[0]})


@graph
def final_state_and_every_step() -> bytes:
    g = Loops()
    end, y = scan(g, leaking, [zeros(g)])
    return g.model({"y": y, "end": end})


@graph
def batch_first() -> bytes:
    g = Loops()
    y = scan(g, leaking, [zeros(g)], scan_input_axes=[1], scan_output_axes=[1])[1]
    return g.model({"y": y}, "BT")


@graph
def normaliser_before_a_gru() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        (mean,), _ = leaking(b, s, x)
        off = b.Sub(x[0], mean)
        (spread,), _ = leaking(b, s[1:], [b.Mul(off, off)])
        return [mean, spread], [b.Div(off, b.Sqrt(b.Add(spread, number(b, np.float32(1e-3)))))]

    g = Loops()
    y = scan(g, body, [zeros(g), g.outer.constant(np.ones((2, I), np.float32))])[2]
    return g.model({"y": g.scan("gru", y)[-1]})


@graph
def cell_beside_another_state() -> bytes:
    """The LSTM is recognised; what lies beside it is a state of its own."""

    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        h, c = keras_cell(b, "lstm", I)(x[0], s[0], s[1])
        mean = b.Add(b.Mul(s[2], number(b, np.float32(0.5))), h)
        return [h, c, mean], [b.Tanh(mean)]

    g = Loops()
    return g.model({"y": scan(g, body, [zeros(g, 2, H)] * 3)[-1]})


@graph
def several_signals_and_outputs() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        sums = b.Add(b.MatMul(x[0], b.weights(I, H)), b.MatMul(x[1], b.weights(I, H)))
        h = b.Tanh(b.Add(sums, b.Mul(s[0], b.weights(H))))
        return [h], [h, b.Mul(h, h)]

    g = Loops()
    _, y, squares = scan(g, body, [zeros(g, 2, H)], ["x", g.outer.Tanh("x")])
    return g.model({"y": y, "squares": squares})


@graph
def coupled_cells() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        one = b.Tanh(b.Add(b.MatMul(x[0], b.weights(I, H)), b.MatMul(s[1], b.weights(H, H))))
        other = b.Sigmoid(b.Add(b.MatMul(one, b.weights(H, H)), b.MatMul(s[0], b.weights(H, H))))
        return [one, other], [other]

    g = Loops()
    return g.model({"y": scan(g, body, [zeros(g, 2, H)] * 2)[-1]})


@graph
def running_maximum() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        most = b.Max(s[0], x[0])
        return [most], [most]

    g = Loops()
    return g.model({"y": scan(g, body, [g.outer.constant(np.full((2, I), -1e9, np.float32))])[-1]})


@graph
def frames_before_a_convolution() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        frames = b.Concat(s[0], b.Unsqueeze(x[0], number(b, [2])), axis=2)
        kept = b.Slice(frames, number(b, [1]), number(b, [3]), number(b, [2]))
        return [kept], [b.Squeeze(b.Conv(frames, b.weights(H, I, 3)), number(b, [2]))]

    g = Loops()
    return g.model({"y": scan(g, body, [zeros(g, 2, I, 2)])[-1]})


@graph
def learned_state_that_is_repeated() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        h = b.Tanh(b.Add(b.MatMul(x[0], b.weights(I, H)), b.Mul(s[0], b.weights(H))))
        return [h], [b.Neg(h)]

    g = Loops()
    begin = g.outer.Expand(g.outer.weights(1, H), g.outer.constant(np.array([2, H])))
    return g.model({"y": scan(g, body, [begin])[-1]})


@graph
def choice_that_constants_decide() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        made = [Builder(k, f"branch{k}_") for k in (0, 1)]
        ends = [made[0].Tanh(s[0]), made[1].Relu(s[0])]
        branches = [
            helper.make_graph(own.nodes, "branch", [], [helper.make_tensor_value_info(end, FLOAT, None)], [])
            for own, end in zip(made, ends, strict=True)
        ]
        after = b.Add(b.If(number(b, True), then_branch=branches[0], else_branch=branches[1]), x[0])
        return [after], [after]

    g = Loops()
    return g.model({"y": scan(g, body, [zeros(g)])[-1]})


@graph
def choice_that_a_size_decides() -> bytes:
    """As torch.jit.script writes a squeeze."""

    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        frames = b.Concat(s[0], b.Unsqueeze(x[0], number(b, [2])), axis=2)
        given = b.Conv(frames, b.weights(H, I, 3))
        is_one = b.Equal(b.Gather(b.Shape(given), number(b, np.int64(2)), axis=0), number(b, np.int64(1)))
        made = [Builder(k, f"branch{k}_") for k in (0, 1)]
        ends = [made[0].Squeeze(given, made[0].Constant(value_ints=[2])), made[1].Identity(given)]
        branches = [
            helper.make_graph(own.nodes, "branch", [], [helper.make_tensor_value_info(end, FLOAT, None)], [])
            for own, end in zip(made, ends, strict=True)
        ]
        kept = b.Slice(frames, number(b, [1]), number(b, [3]), number(b, [2]))
        return [kept], [b.If(is_one, then_branch=branches[0], else_branch=branches[1])]

    g = Loops()
    y = scan(g, body, [zeros(g, 2, I, 2)])[-1]
    (node,) = (node for node in g.outer.nodes if node.op_type == "Scan")
    inner = next(attribute for attribute in node.attribute if attribute.name == "body").g
    for size in (2, H):  # onnxruntime asks for it
        inner.output[1].type.tensor_type.shape.dim.add().dim_value = size
    return g.model({"y": y})


@graph
def two_signals_and_the_length_of_one() -> bytes:
    g = Loops()
    o, b = g.outer, g.body()
    step, going, s = (f"{b.prefix}{name}" for name in ("step", "going", "s"))
    after = b.Add(b.Mul(s, b.Sigmoid(b.Gather("u", step, axis=0))), b.Gather("x", step, axis=0))
    outputs = [b.Identity(going), b.Identity(after), b.Identity(after)]
    body = g.graph(b, {step: INT64, going: BOOL, s: FLOAT}, outputs)
    body.output[0].type.tensor_type.elem_type = BOOL
    n_steps = o.Gather(o.Shape("x"), o.constant(np.int64(0)))
    y = o.Loop(n_steps, o.constant(np.array(True)), zeros(g), outputs=2, body=body)[-1]
    return o.model({"x": ["time", 2, I], "u": ["time", 2, I]}, {"y": y})


def counting(by_state: bool) -> bytes:
    """A Loop that gives the mean so far: a sum, divided by a number of steps, of the loop or of its own."""
    g = Loops()
    o, b = g.outer, g.body()
    step, going, total, count = (f"{b.prefix}{name}" for name in ("step", "going", "total", "count"))
    one = number(b, np.int64(1))
    after = b.Add(total, b.Gather("x", step, axis=0))
    counted = b.Add(count, one)
    mean = b.Div(after, b.Cast(counted if by_state else b.Add(step, one), to=FLOAT))
    outputs = [b.Identity(name) for name in (going, after, counted, mean)]
    body = g.graph(b, {step: INT64, going: BOOL, total: FLOAT, count: INT64}, outputs)
    for output, kind in zip(body.output, (BOOL, FLOAT, INT64, FLOAT), strict=True):
        output.type.tensor_type.elem_type = kind
    n_steps = o.Gather(o.Shape("x"), o.constant(np.int64(0)))
    begin = [zeros(g), o.constant(np.int64(0))]
    return g.model({"y": o.Loop(n_steps, o.constant(np.array(True)), *begin, outputs=3, body=body)[-1]})


GRAPHS["mean-by-a-counter"] = lambda: counting(by_state=True)
GRAPHS["mean-by-the-number-of-the-step"] = lambda: counting(by_state=False)


def collecting(how: str) -> bytes:
    """A Loop that collects what it gives in a state of its own, as torch.jit.script writes it."""
    g = Loops()
    o, b = g.outer, g.body()
    step, going, mean, all_of_it = (f"{b.prefix}{name}" for name in ("step", "going", "mean", "all"))
    sequence = b.Slice("x", number(b, [0]), number(b, [2**31 - 1]), number(b, [1])) if how == "list" else "x"
    (after,), _ = leaking(b, [mean], [b.Gather(sequence, step, axis=0)])
    n_steps = o.Gather(o.Shape("x"), o.constant(np.int64(0)))
    if how == "list":
        begin, following = o.SequenceEmpty(dtype=FLOAT), b.SequenceInsert(all_of_it, after)
    elif how == "grown":
        begin, following = zeros(g, 0, 2, I), b.Concat(all_of_it, b.Unsqueeze(after, number(b, [0])), axis=0)
    else:
        rows = o.Concat(o.Unsqueeze(n_steps, o.constant(np.array([0]))), o.constant(np.array([2, I])), axis=0)
        place = b.Unsqueeze(b.Unsqueeze(step, number(b, [0])), number(b, [-1]))
        begin = o.ConstantOfShape(rows)
        following = b.ScatterND(all_of_it, place, b.Unsqueeze(after, number(b, [0])))
    outputs = [b.Identity(going), b.Identity(after), following]
    body = g.graph(b, {step: INT64, going: BOOL, mean: FLOAT, all_of_it: FLOAT}, outputs)
    body.output[0].type.tensor_type.elem_type = BOOL
    if how == "list":
        kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None))
        for info in (body.input[3], body.output[2]):
            info.CopyFrom(helper.make_value_info(info.name, kind))
    else:
        for size in "tbf":
            body.input[3].type.tensor_type.shape.dim.add().dim_param = size
    y = o.Loop(n_steps, o.constant(np.array(True)), zeros(g), begin, outputs=2, body=body)[-1]
    return g.model({"y": o.ConcatFromSequence(y, axis=0, new_axis=1) if how == "list" else y})


GRAPHS |= {f"collects-in-what-is-{how}": lambda how=how: collecting(how) for how in ("grown", "list", "filled")}  # type: ignore[misc]


def brought(stacked: bool = False) -> bytes:
    """A loop whose state the caller brings, and gets back."""
    g = Loops()
    o = g.outer
    axes = o.constant(np.array([0]))
    end, y = scan(g, leaking, [o.Squeeze("h0", axes) if stacked else "h0"])
    sizes = [1, 2, I] if stacked else [2, I]
    return o.model({"x": ["time", 2, I], "h0": sizes}, {"y": y, "hn": o.Unsqueeze(end, axes) if stacked else end})


GRAPHS["state-that-the-caller-brings"] = brought
GRAPHS["stacked-state-that-the-caller-brings"] = lambda: brought(stacked=True)
GRAPHS["fixed-number-of-steps"] = lambda: fixed(6)


def fixed(n_steps: int) -> bytes:
    g = Loops()
    return g.outer.model({"x": [n_steps, 2, I]}, {"y": scan(g, leaking, [zeros(g)])[1]})


@pytest.mark.parametrize("name", GRAPHS)
def test_a_loop_streams_and_is_proven(name: str) -> None:
    data = GRAPHS[name]()
    imported = read_onnx(data)
    assert any("is a step of a cell of its own" in remark for remark in imported.remarks)
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)


def recorded(data: bytes, imported: Imported, n_steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A long signal of one of two streams, and what onnxruntime gives for it."""
    x = np.random.default_rng(4).normal(size=(n_steps, 2, I)).astype(np.float32)
    given = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(["y"], {"x": x})[0]
    return x[:, 0], given[:, 0]


@pytest.mark.parametrize("name", ["coupled-cells", "normaliser-before-a-gru", "cell-beside-another-state", "mean-by-a-counter"])
def test_a_stream_agrees_over_500_steps_in_steps_chunks_and_pools(name: str) -> None:
    data = GRAPHS[name]()
    imported = read_onnx(data)
    x, theirs = recorded(data, imported, 500)
    stream, chunked, pool = Stream(imported.model), Stream(imported.model), StreamPool(imported.model, capacity=2)
    stepped = np.stack([stream.step(row) for row in x])
    assert np.abs(stepped - theirs).max() <= 1e-5
    assert np.array_equal(stepped, np.concatenate([chunked.process(x[:123]), chunked.process(x[123:])]))
    slots = [pool.open(), pool.open()]
    pooled = np.stack([pool.step(slots, np.stack([row, -row]))[0] for row in x])
    assert np.array_equal(stepped, pooled)


@pytest.mark.parametrize("name", ["coupled-cells", "frames-before-a-convolution", "fixed-number-of-steps"])
def test_noise_in_the_place_of_any_weight_is_found(name: str) -> None:
    fates = dict(survivors(GRAPHS[name]()))
    assert set(fates.values()) <= {"found", "named"}, fates
    assert "found" in fates.values()


def test_a_loop_of_a_fixed_number_of_steps_is_proven_with_its_states_open() -> None:
    data = fixed(6)
    report = verify(read_onnx(data).model, data, cases=BRIEF)
    assert any(case == "states open" for case in (comparison.case for comparison in report.comparisons))


def test_a_loop_of_a_single_step_begins_anew_unless_its_states_are_to_be_carried() -> None:
    data = fixed(1)
    anew, kept = read_onnx(data), read_onnx(data, states="carry")
    assert not any(layer.states for layer in anew.model.layers)
    assert any("each step begins anew" in remark for remark in anew.remarks)
    stream, x = Stream(kept.model), np.ones(I, np.float32)
    given = np.stack([stream.step(x), stream.step(x)])
    assert np.allclose(given, [[0.1], [0.19]])


def test_layers_come_in_the_same_order_in_every_process() -> None:
    """The copy whose states are laid open has them in the same order."""
    kinds = [layer.kind for layer in read_onnx(GRAPHS["coupled-cells"]()).model.layers]
    assert kinds == ["dense", "delay", "dense", "arithmetic", "pointwise", "dense", "delay", "dense", "arithmetic", "pointwise"]


def begins_with_the_signal() -> bytes:
    g = Loops()
    first = g.outer.Tanh(g.outer.ReduceMean("x", g.outer.constant(np.array([0])), keepdims=0))
    return g.model({"y": scan(g, leaking, [first])[1]})


def reads_all_of_the_signal() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        after = b.Add(s[0], b.ReduceMean("x", number(b, [0]), keepdims=0))
        return [after], [after]

    g = Loops()
    return g.model({"y": scan(g, body, [zeros(g)])[1]})


def begins_otherwise_for_each_signal() -> bytes:
    g = Loops()
    return g.model({"y": scan(g, leaking, [g.outer.weights(2, I)])[1]})


def grows() -> bytes:
    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        frames = b.Concat(s[0], b.Unsqueeze(x[0], number(b, [1])), axis=1)
        return [frames], [b.ReduceMax(frames, axes=[1], keepdims=0)]

    g = Loops()
    return g.model({"y": scan(g, body, [zeros(g, 2, 1, I)])[1]})


def takes_no_row() -> bytes:
    g = Loops()
    o, b = g.outer, g.body()
    step, going, s = (f"{b.prefix}{name}" for name in ("step", "going", "s"))
    outputs = [b.Identity(going), b.Tanh(s)]
    body = g.graph(b, {step: INT64, going: BOOL, s: FLOAT}, outputs)
    body.output[0].type.tensor_type.elem_type = BOOL
    end = o.Loop(o.constant(np.int64(3)), o.constant(np.array(True)), zeros(g), body=body)
    return g.model({"y": o.Add("x", end)})


def carries_one_state_of_two() -> bytes:
    g = Loops()
    o = g.outer
    end, y = scan(g, leaking, ["h0"])
    y = scan(g, leaking, [zeros(g)], [y])[1]
    return o.model({"x": ["time", 2, I], "h0": [2, I]}, {"y": y, "hn": end})


def writes_at_the_number_of_the_step() -> bytes:
    """A ring of three rows."""
    g = Loops()
    o, b = g.outer, g.body()
    step, going, ring = (f"{b.prefix}{name}" for name in ("step", "going", "ring"))
    place = b.Unsqueeze(b.Unsqueeze(b.Mod(step, number(b, np.int64(3))), number(b, [0])), number(b, [0]))
    after = b.ScatterND(ring, place, b.Unsqueeze(b.Gather("x", step, axis=0), number(b, [0])))
    outputs = [b.Identity(going), b.Identity(after), b.ReduceMean(after, axes=[0], keepdims=0)]
    body = g.graph(b, {step: INT64, going: BOOL, ring: FLOAT}, outputs)
    body.output[0].type.tensor_type.elem_type = BOOL
    n_steps = o.Gather(o.Shape("x"), o.constant(np.int64(0)))
    return g.model({"y": o.Loop(n_steps, o.constant(np.array(True)), zeros(g, 3, 2, I), outputs=2, body=body)[-1]})


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "begins-with-the-signal": (begins_with_the_signal, "with which a state of it begins, is computed from the signal"),
    "reads-all-of-the-signal": (reads_all_of_the_signal, "its body reads all of 'x' at each step"),
    "begins-otherwise-for-each-signal": (
        begins_otherwise_for_each_signal,
        "begins with other values for each signal of a batch",
    ),
    "grows": (grows, "has another shape after a step than before it"),
    "takes-no-row": (takes_no_row, "takes no row of a signal at each step"),
    "carries-one-state-of-two": (carries_one_state_of_two, "of a loop, which begins anew with every run"),
    "writes-at-the-number-of-the-step": (writes_at_the_number_of_the_step, "an integer that a loop counts with"),
    "goes-backwards": (lambda: scanned(scan_input_directions=[1]), "goes backwards"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_stream_can_give_is_refused_for_the_true_reason(name: str) -> None:
    draw, why = REFUSED[name]
    with pytest.raises(ConversionError) as refused:
        read_onnx(draw())
    assert why in str(refused.value)


def recurrent_node(carries: bool) -> bytes:
    """A body with an LSTM node for one step, whose states the loop carries, or which begins anew at every step."""

    def body(b: Builder, s: Sequence[str], x: Sequence[str]) -> tuple[list[str], list[str]]:
        row, axes = b.Unsqueeze(x[0], number(b, [0])), number(b, [0])
        weights = [b.weights(1, 4 * H, I), b.weights(1, 4 * H, H), b.weights(1, 8 * H)]
        states = ["", *s[:2]] if carries else []
        _, h, c = b.LSTM(row, *weights, *states, outputs=3, hidden_size=H)
        mean = b.Add(b.Mul(s[2], number(b, np.float32(0.5))), b.Squeeze(h, axes))
        return [*([b.Identity(h), b.Identity(c)] if carries else [b.Neg(s[0]), b.Neg(s[1])]), mean], [
            b.Add(mean, b.Squeeze(c, axes))
        ]

    g = Loops()
    return g.model({"y": scan(g, body, [zeros(g, 1, 2, H), zeros(g, 1, 2, H), zeros(g, 2, H)])[-1]})


@pytest.mark.parametrize("carries", [True, False])
def test_a_recurrent_node_in_a_body_keeps_what_the_loop_carries_and_nothing_else(carries: bool) -> None:
    data = recurrent_node(carries)
    imported = read_onnx(data)
    assert any(layer.kind == ("lstm" if carries else "scan") for layer in imported.model.layers)
    report = verify(imported.model, data, cases=BRIEF)
    assert report.proven, str(report)
