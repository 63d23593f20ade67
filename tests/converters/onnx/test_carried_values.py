"""Graphs of one step whose states no recurrent node holds: what goes in and comes back is a state of the stream.

The reference is onnxruntime, run again and again with what it has given before.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import GRU, LSTM, Delay, Stream
from tests.models import one_width  # noqa: F401  (a fixture)

onnx = pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
onnxruntime = pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

from streamrnn_converters import from_onnx, verify  # noqa: E402
from streamrnn_converters.onnx import read_onnx  # noqa: E402
from tests.converters.onnx.sketch import HIDDEN, INPUTS, TOLERANCE, Sketch, refusal  # noqa: E402
from tests.converters.onnx.step_graphs import BRIEF, assert_streams  # noqa: E402

Drawing = tuple[bytes, dict[str, str], str]
DRAWINGS: dict[str, Callable[[], Drawing]] = {}


def drawing(draw: Callable[[], Drawing]) -> Callable[[], Drawing]:
    DRAWINGS[draw.__name__.replace("_", "-")] = draw
    return draw


def step(**states: list[int]) -> Sketch:
    """A graph that takes one step of one signal, without an axis of time, and states."""
    g = Sketch()
    g.inputs = [g.info("x", [1, INPUTS]), *(g.info(name, sizes) for name, sizes in states.items())]
    return g


def dense(g: Sketch, x: str, inputs: int, outputs: int) -> str:
    return str(g.add("Gemm", x, g.draw(inputs, outputs), g.draw(outputs)))


def named(g: Sketch, value: str, name: str) -> str:
    """The same value under another name."""
    g.add("Identity", value)
    g.nodes[-1].output[0] = name
    return name


def mixed(g: Sketch, z: str, old: str, new: str) -> str:
    """(1 - z) old + z new."""
    return str(g.add("Add", g.add("Mul", g.add("Sub", np.float32(1), z), old), g.add("Mul", z, new)))


@drawing
def a_minimal_gru() -> Drawing:
    g = step(h=[1, HIDDEN])
    h = mixed(g, g.add("Sigmoid", dense(g, "x", INPUTS, HIDDEN)), "h", dense(g, "x", INPUTS, HIDDEN))
    y = dense(g, h, HIDDEN, 2)
    return g.bytes(y, h), {"h": h}, y


@drawing
def a_cell_whose_only_output_is_its_state() -> Drawing:
    g = step(h_in=[1, HIDDEN])
    total = g.add("Add", dense(g, "x", INPUTS, HIDDEN), dense(g, "h_in", HIDDEN, HIDDEN))
    h = g.add("HardSigmoid", total, name="h_out")
    return g.bytes(h), {"h_in": h}, h


@drawing
def a_running_mean_before_a_gru() -> Drawing:
    g = step(mean=[1, INPUTS], h=[1, 1, HIDDEN])
    mean = g.add("Add", g.add("Mul", "mean", np.float32(0.9)), g.add("Mul", "x", np.float32(0.1)))
    y, h = g.rnn(g.add("Unsqueeze", g.add("Sub", "x", mean), [0]), h="h")
    return g.bytes(y, mean, h), {"mean": mean, "h": h}, y


@drawing
def the_input_of_the_step_before() -> Drawing:
    g = step(x_prev=[1, INPUTS])
    y = dense(g, g.add("Sub", "x", "x_prev"), INPUTS, 2)
    last = g.add("Identity", "x", name="x_next")
    return g.bytes(y, last), {"x_prev": last}, y


@drawing
def a_cache_of_frames_that_is_shifted() -> Drawing:
    """(1, 3, INPUTS), the oldest first, of four axes outside."""
    g = step(cache_in=[1, 1, 3, INPUTS])
    frames = g.add("Concat", g.add("Squeeze", "cache_in", [1]), g.add("Unsqueeze", "x", [1]), axis=1)
    y = dense(g, g.add("Reshape", frames, [1, 4 * INPUTS]), 4 * INPUTS, 2)
    cache = g.add("Unsqueeze", g.add("Slice", frames, [1], [4], [1]), [1], name="cache_out")
    return g.bytes(y, cache), {"cache_in": cache}, y


@drawing
def a_memory_of_which_a_step_reads_the_latest_rows_only() -> Drawing:
    """(1, 4, INPUTS), attended to after it has moved on by a row."""
    g = step(memory_in=[1, 4, INPUTS])
    row = g.add("Unsqueeze", dense(g, "x", INPUTS, INPUTS), [1])
    memory = g.add("Concat", g.add("Slice", "memory_in", [1], [4], [1]), row, axis=1, name="memory_out")
    scores = g.add("Softmax", g.add("MatMul", memory, g.add("Unsqueeze", "x", [2])), axis=1)
    y = g.add("Einsum", scores, memory, equation="bij,bik->bk")
    return g.bytes(y, memory), {"memory_in": memory}, y


@drawing
def a_count_and_a_mean_of_all_so_far() -> Drawing:
    g = step(count=[1, 1], mean=[1, INPUTS])
    count = g.add("Add", "count", np.float32(1))
    mean = g.add("Add", "mean", g.add("Div", g.add("Sub", "x", "mean"), count))
    y = dense(g, mean, INPUTS, 2)
    return g.bytes(y, count, mean), {"count": count, "mean": mean}, y


@drawing
def two_states_of_one_shape_told_apart_by_number() -> Drawing:
    g = step(s0=[1, HIDDEN], s1=[1, HIDDEN])
    first = g.add("Tanh", g.add("Add", dense(g, "x", INPUTS, HIDDEN), dense(g, "s1", HIDDEN, HIDDEN)))
    second = g.add("Sigmoid", g.add("Add", first, dense(g, "s0", HIDDEN, HIDDEN)))
    y = dense(g, second, HIDDEN, 2)
    return g.bytes(y, named(g, first, "o0"), named(g, second, "o1")), {"s0": "o0", "s1": "o1"}, y


@drawing
def a_state_that_reads_the_output() -> Drawing:
    g = step(trace=[1, 2], y_prev=[1, 2])
    y = g.add("Tanh", dense(g, g.add("Concat", "x", "y_prev", "trace", axis=1), INPUTS + 4, 2))
    trace = g.add("Add", g.add("Mul", "trace", np.float32(0.5)), y, name="trace_out")
    last = g.add("Identity", y, name="y_next")
    return g.bytes(y, trace, last), {"trace": trace, "y_prev": last}, y


@drawing
def a_state_of_which_a_part_is_never_read() -> Drawing:
    g = step(state=[1, 2 * HIDDEN])
    old = g.add("Slice", "state", [0], [HIDDEN], [1])
    h = g.add("HardSigmoid", g.add("Add", dense(g, "x", INPUTS, HIDDEN), dense(g, old, HIDDEN, HIDDEN)))
    y = dense(g, h, HIDDEN, 2)
    state = g.add("Concat", h, g.add("Sigmoid", h), axis=1, name="state_out")
    return g.bytes(y, state), {"state": state}, y


@drawing
def the_h_of_a_node_and_a_mean_in_one_tensor() -> Drawing:
    g = step(state=[1, 1, HIDDEN + INPUTS])
    h, mean = g.add("Split", "state", np.array([HIDDEN, INPUTS]), n=2, axis=2)
    new = g.add("Add", g.add("Mul", mean, np.float32(0.75)), g.add("Mul", "x", np.float32(0.25)))
    y, h = g.rnn(new, h=h)
    state = g.add("Concat", h, new, axis=2)
    return g.bytes(y, state), {"state": state}, y


def reset(op: str) -> Drawing:
    """An input that puts the states of a node back: they are (1 - clamp(x[0])) times what they were."""
    names = ["h_in", "c_in"] if op == "LSTM" else ["h_in"]
    g = step(**{name: [1, 1, HIDDEN] for name in names})
    keep = g.add("Sigmoid", g.add("Slice", "x", [0], [1], [1]))
    states = {name[0]: g.add("Mul", name, keep) for name in names}
    y, *ends = g.rnn(g.add("Unsqueeze", "x", [0]), op, **states)
    return g.bytes(y, *ends), dict(zip(names, ends, strict=True)), y


@drawing
def an_lstm_with_a_reset_input() -> Drawing:
    return reset("LSTM")


@drawing
def a_gru_with_a_reset_input() -> Drawing:
    return reset("GRU")


@drawing
def an_rnn_with_a_reset_input() -> Drawing:
    return reset("RNN")


@pytest.mark.parametrize("name", DRAWINGS)
def test_what_goes_in_and_comes_back_is_a_state_of_the_stream(name: str) -> None:
    data, pairs, output = DRAWINGS[name]()
    assert_streams(data, pairs, output)


def with_defaults(data: bytes, pairs: dict[str, str]) -> bytes:
    """The graph with a value by default for each state, so that a caller may leave it out."""
    whole, rng = onnx.load_from_string(data), np.random.default_rng(8)
    for info in whole.graph.input:
        if info.name in pairs:
            sizes = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
            values = rng.uniform(0.1, 0.6, sizes).astype(np.float32)
            whole.graph.initializer.append(onnx.numpy_helper.from_array(values, info.name))
    return whole.SerializeToString()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_state_with_a_value_by_default_begins_with_it(name: str) -> None:
    data, pairs, output = DRAWINGS[name]()
    data = with_defaults(data, pairs)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names, signals = [entry.name for entry in session.get_outputs()], session.get_inputs()
    model = from_onnx(data, states=pairs)
    x = np.random.default_rng(2).normal(size=(20, model.input_size)).astype(np.float32)
    states: dict[str, Any] = {}  # onnxruntime takes those by default
    rows = []
    for row in x:
        parts = np.split(row, np.cumsum([np.prod(entry.shape, dtype=int) for entry in signals])[:-1])
        feed = {entry.name: part.reshape(entry.shape) for entry, part in zip(signals, parts, strict=True)}
        results = dict(zip(names, session.run(names, feed | states), strict=True))
        states = {state: results[source] for state, source in pairs.items()}
        rows.append(results[output].ravel())
    start = next(each.start for each in read_onnx(data, states=pairs).outputs if each.name == output)
    ours = Stream(model).process(x)[:, start : start + len(rows[0])]
    assert np.abs(ours - rows).max() <= TOLERANCE
    assert verify(model, data, cases=BRIEF).proven


def test_a_value_by_default_that_no_output_gives_back_is_a_constant() -> None:
    data, pairs, _ = DRAWINGS["a-minimal-gru"]()
    data = with_defaults(data, pairs)
    assert [entry.name for entry in read_onnx(data).states] == []
    assert [entry.name for entry in read_onnx(data, states={}).states] == []
    named_alike, pairs, _ = DRAWINGS["the-input-of-the-step-before"]()
    imported = read_onnx(with_defaults(named_alike, pairs))
    assert [entry.name for entry in imported.states] == ["x_prev"]
    assert any("'x_prev' begins with the values" in remark for remark in imported.remarks)


def test_a_state_is_kept_once_where_a_recurrent_layer_holds_it() -> None:
    data, _, _ = DRAWINGS["the-h-of-a-node-and-a-mean-in-one-tensor"]()
    layers = from_onnx(data).layers
    assert [layer.size for layer in layers if isinstance(layer, Delay)] == [INPUTS]
    assert [type(layer) for layer in layers if not isinstance(layer, Delay) and layer.states] == [GRU]
    assert not any(isinstance(layer, LSTM) for layer in layers)


def test_a_state_of_which_layers_read_parts_that_overlap_is_kept_once() -> None:
    data, _, _ = DRAWINGS["a-memory-of-which-a-step-reads-the-latest-rows-only"]()
    assert [layer.size for layer in from_onnx(data).layers if isinstance(layer, Delay)] == [4 * INPUTS]


def test_the_states_of_a_stream_show_what_is_carried() -> None:
    data, _, _ = DRAWINGS["a-count-and-a-mean-of-all-so-far"]()
    stream = Stream(from_onnx(data))
    for n_steps in range(1, 5):
        stream.step(np.ones(INPUTS))
        values = [value["value"].tolist() for value in stream.states if value]
        assert sorted(values) == sorted([[float(n_steps)], [1.0] * INPUTS])


# What is a signal, and what is asked.


def plain(*outputs: str, **inputs: list[int]) -> bytes:
    """Each output is a function of all inputs, of the size of the input in its place."""
    g = Sketch()
    g.inputs = [g.info(name, sizes) for name, sizes in inputs.items()]
    joined = g.add("Concat", *inputs, axis=1) if len(inputs) > 1 else next(iter(inputs))
    total = sum(sizes[-1] for sizes in inputs.values())
    sizes = [*(size[-1] for size in inputs.values()), 2]
    return g.bytes(*(named(g, dense(g, joined, total, size), name) for name, size in zip(outputs, sizes, strict=False)))


def test_a_signal_that_keeps_its_shape_is_no_state() -> None:
    imported = read_onnx(plain("y", x=[1, INPUTS]))
    assert [entry.name for entry in imported.inputs] == ["x"]
    assert not imported.states


def test_two_signals_that_one_output_has_the_shape_of_are_no_states() -> None:
    imported = read_onnx(plain("enhanced", noisy=[1, INPUTS], far=[1, INPUTS]))
    assert [entry.name for entry in imported.inputs] == ["noisy", "far"]


def test_where_an_input_may_be_a_signal_or_a_state_the_import_asks_and_names_the_option_that_answers() -> None:
    data = plain("a", "b", first=[1, INPUTS], second=[1, INPUTS])
    message = refusal(data)
    assert message.startswith("graph input 'first': may be a state that comes back as output 'a' or 'b', or a signal")
    assert "states={'first': 'a', 'second': 'b'} (--state first=a --state second=b)" in message
    assert [entry.name for entry in read_onnx(data, states={}).inputs] == ["first", "second"]
    carried = read_onnx(data, states={"second": "b"})
    assert {state.name: state.source for state in carried.states} == {"second": "b"}
    assert carried.model.notes["source"]["states"] == {"second": "b"}


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ({"q": "b"}, "the graph has no input 'q'"),
        ({"second": "q"}, "the graph has no output 'q'"),
        ({"first": "a", "second": "a"}, "output 'a' is given for several inputs"),
    ],
)
def test_pairs_that_do_not_fit_the_graph_are_refused(states: dict[str, str], message: str) -> None:
    with pytest.raises(Exception, match=message):
        read_onnx(plain("a", "b", first=[1, INPUTS], second=[1, INPUTS]), states=states)


def test_a_state_that_the_caller_says_is_a_signal_becomes_one() -> None:
    data, _, _ = DRAWINGS["a-minimal-gru"]()
    imported = read_onnx(data, states={})
    assert [entry.name for entry in imported.inputs] == ["x", "h"]
    assert not any(layer.states for layer in imported.model.layers)
