"""Graphs that are a single step, whose caller carries all states: every axis lies within the step."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tests.models import one_width  # noqa: F401  (a fixture)

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")
pytest.importorskip("onnxruntime", reason="compares with onnxruntime, which is not installed")

import onnxruntime

from streamrnn import Bank, Scan, Stream
from streamrnn_converters import verify
from streamrnn_converters.onnx import read_onnx
from tests.converters.onnx.onnx_graphs import random_node
from tests.converters.onnx.sketch import Sketch, refusal

BANDS, CHANNELS, HIDDEN = 6, 3, 4

#: Outputs of a graph over x (1, BANDS, 1, CHANNELS) and its states: the answer, then by input the output that gives it back.
Drawing = tuple[str, dict[str, str]]


def sketch(**states: tuple[int, ...]) -> Sketch:
    g = Sketch("B")
    g.inputs = [g.info("x", [1, BANDS, 1, CHANNELS]), *(g.info(name, sizes) for name, sizes in states.items())]
    return g


def recurrent(g: Sketch, op: str, x: str, inputs: int, initial: tuple[str, ...] = (), n: int = 1, **attributes: Any) -> Any:
    """Y and the final states of a node with `n` directions."""
    tensors = [random_node(g.rng, op, inputs, HIDDEN).tensors for _ in range(n)]
    weights = [np.concatenate([own[name] for own in tensors]) for name in "WRB"]
    return g.add(op, x, *weights, "", *initial, n=3 if op == "LSTM" else 2, hidden_size=HIDDEN, **attributes)


def frame_by_bands(g: Sketch, order: tuple[int, ...] = (1, 0, 2)) -> str:
    """x as (bands, 1, channels), or in another order."""
    return str(g.add("Transpose", g.add("Reshape", "x", [1, BANDS, CHANNELS]), perm=list(order)))


def many_bands_with_one_set_of_weights(op: str) -> tuple[Sketch, Drawing]:
    names = ("h", "c")[: 2 if op == "LSTM" else 1]
    g = sketch(**dict.fromkeys(names, (1, BANDS, HIDDEN)))
    y, *ends = recurrent(g, op, frame_by_bands(g, (0, 1, 2)), CHANNELS, names)
    centred = g.add("Sub", y, g.add("ReduceMean", y, [2]))  # so that the bands cannot be a batch
    return g, (g.add("Tanh", centred), dict(zip(names, ends, strict=True)))


def both_ways_over_the_bands(op: str, **attributes: Any) -> tuple[Sketch, Drawing]:
    """Beside a counter, which makes it a step whose states are carried."""
    g = sketch(count_in=(1,))
    order = (0, 1, 2) if attributes.get("layout") else (1, 0, 2)
    y, last, *_ = recurrent(g, op, frame_by_bands(g, order), CHANNELS, n=2, direction="bidirectional", **attributes)
    both = g.add("Concat", g.add("Reshape", y, [-1]), g.add("Reshape", last, [-1]), axis=0)
    count = g.add("Add", "count_in", np.ones(1, np.float32), name="count_out")
    return g, (g.add("Concat", both, count, axis=0), {"count_in": count})


def frames_of_a_cache() -> tuple[Sketch, Drawing]:
    """A convolution over this frame and the two before it, which the caller keeps; a GRU over the mean of the bands."""
    g = sketch(cache_in=(1, CHANNELS, 2, BANDS), h=(1, 1, HIDDEN))
    frame = g.add("Transpose", "x", perm=[0, 3, 2, 1])
    frames = g.add("Concat", "cache_in", frame, axis=2)
    y = g.add("Relu", g.add("Conv", frames, g.draw(5, CHANNELS, 3, 3), g.draw(5), pads=[0, 1, 0, 1]))
    rows = g.add("Transpose", g.add("ReduceMean", y, [3], keepdims=0), perm=[2, 0, 1])
    _, h = recurrent(g, "GRU", rows, 5, ("h",), linear_before_reset=1)
    cache = g.add("Slice", frames, [1], [3], [2], name="cache_out")
    answer = g.add("Concat", g.add("Reshape", y, [-1]), g.add("Reshape", h, [-1]), axis=0)
    return g, (answer, {"cache_in": cache, "h": h})


def states_written_into_one_tensor() -> tuple[Sketch, Drawing]:
    """Two GRUs, whose states are rows of one tensor: each is picked out of it and written into it again."""
    g = sketch(states_in=(2, 1, HIDDEN))
    x = g.add("Reshape", "x", [1, 1, BANDS * CHANNELS])
    states = "states_in"
    for layer in range(2):
        h = g.add("Unsqueeze", g.add("Gather", states, np.int64(layer), axis=0), [0])
        y, end = recurrent(g, "GRU", x, HIDDEN if layer else BANDS * CHANNELS, (h,))
        x = g.add("Squeeze", y, [1])
        states = g.add("ScatterND", states, np.array([[layer]]), end)
    return g, (g.add("Tanh", x), {"states_in": states})


def values_written_into_constants() -> tuple[Sketch, Drawing]:
    g = sketch(count_in=(1,))
    indices = np.stack(np.meshgrid(np.arange(BANDS), [0, 2], indexing="ij"), -1)
    picked = g.add("Gather", g.add("Reshape", "x", [BANDS, CHANNELS]), [0, 1], axis=1)
    written = g.add("ScatterND", g.draw(BANDS, CHANNELS), indices, picked)
    count = g.add("Add", "count_in", np.ones(1, np.float32), name="count_out")
    return g, (g.add("Mul", written, count), {"count_in": count})


DRAWINGS: dict[str, Callable[[], tuple[Sketch, Drawing]]] = {
    "a-bank-of-grus": lambda: many_bands_with_one_set_of_weights("GRU"),
    "a-bank-of-lstms": lambda: many_bands_with_one_set_of_weights("LSTM"),
    "a-gru-over-bands": lambda: both_ways_over_the_bands("GRU", linear_before_reset=1),
    "an-lstm-over-bands": lambda: both_ways_over_the_bands("LSTM"),
    "a-cache-of-frames": frames_of_a_cache,
    "states-written-into-one-tensor": states_written_into_one_tensor,
    "values-written-into-constants": values_written_into_constants,
}


def made(name: str) -> tuple[bytes, Mapping[str, str]]:
    g, (answer, back) = DRAWINGS[name]()
    return g.bytes(answer, *back.values()), back


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_stream_gives_what_the_graph_gives_step_by_step(name: str) -> None:
    data, back = made(name)
    imported = read_onnx(data, states=dict(back))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    given = {entry.name: np.zeros(entry.shape, np.float32) for entry in session.get_inputs()}
    stream, x = Stream(imported.model), np.random.default_rng(3).normal(size=(60, BANDS * CHANNELS)).astype(np.float32)
    for row in x:
        answer, *states = session.run(None, given | {"x": row.reshape(1, BANDS, 1, CHANNELS)})
        given |= dict(zip(back, states, strict=True))
        np.testing.assert_allclose(stream.step(row), answer.ravel(), rtol=0, atol=5e-6 * max(1, np.abs(answer).max()))


@pytest.mark.parametrize("name", ["a-bank-of-grus", "a-cache-of-frames", "states-written-into-one-tensor"])
def test_it_is_proven(name: str) -> None:
    data, back = made(name)
    assert verify(read_onnx(data, states=dict(back)).model, data).proven


def test_a_recurrence_over_bands_and_one_with_many_bands_are_layers() -> None:
    kinds = [type(layer) for layer in read_onnx(made("a-gru-over-bands")[0]).model.layers]
    assert kinds.count(Scan) == 2
    assert any(isinstance(layer, Bank) for layer in read_onnx(made("a-bank-of-grus")[0]).model.layers)


def test_states_picked_out_of_what_was_written_into_stay_states_of_layers() -> None:
    kinds = [layer.kind for layer in read_onnx(made("states-written-into-one-tensor")[0]).model.layers]
    assert kinds.count("gru") == 2
    assert "delay" not in kinds


def test_a_state_that_is_carried_along_the_rows_of_a_step_is_refused() -> None:
    g = sketch(h=(1, 1, HIDDEN))
    y, h = recurrent(g, "GRU", frame_by_bands(g), CHANNELS, ("h",))
    bands = g.add("ReduceL2", y, [0])  # so that the bands cannot be time
    assert "(ReduceL2)" in refusal(g.bytes(bands, h))
