"""The trace of every variant of recurrent layer against the reference, and against the stream that it is a trace of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import (
    GRU,
    LSTM,
    Bank,
    Dense,
    InputError,
    Model,
    ModelError,
    NonFiniteInputError,
    Scan,
    SnapshotError,
    Stream,
    StreamRNNError,
    gate_blocks,
    record_gates,
)
from streamrnn.equations import run_equations
from streamrnn.layers.recipe_layer import Recurrent
from tests.models import VARIANTS, model, one_width  # noqa: F401  (a fixture)

RECURRENT = [name for name in VARIANTS if isinstance(model(name).layers[0], Recurrent)]


def signal(traced: Model, n_steps: int = 40) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).normal(size=(n_steps, traced.input_size)).astype(traced.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RECURRENT)
def test_states_are_those_of_a_stream_bit_for_bit(name: str, dtype: str) -> None:
    traced = model(name, inputs=3, hidden=9).astype(dtype)
    xs, stream = signal(traced), Stream(traced)
    (found, *_), output = (trace := record_gates(traced, xs)).layers, trace.output
    for step, x in enumerate(xs):
        np.testing.assert_array_equal(stream.step(x), output[step])
        for state, vector in stream.states[0].items():
            np.testing.assert_array_equal(found[state][step], vector)


@pytest.mark.parametrize("name", [name for name in RECURRENT if name.startswith(("lstm", "gru"))])
def test_the_new_states_follow_from_the_gates_by_the_equations(name: str) -> None:
    layer = model(name, inputs=3, hidden=9).astype("float64").layers[0]
    xs = signal(Model([layer]))
    (found,) = record_gates(Model([layer]), xs).layers
    if isinstance(layer, GRU):
        h = np.concatenate([layer.initial_hidden[None], found["h"]])
        expected, new = (1 - found["z"]) * found["n"] + found["z"] * h[:-1], found["h"]
    else:
        assert isinstance(layer, LSTM)
        c = np.concatenate([layer.initial_cell[None], found["c"]])
        expected, new = found["f"] * c[:-1] + found["i"] * found["g"], found["c"]
    np.testing.assert_allclose(new, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", RECURRENT)
def test_the_trace_is_that_of_the_equations_in_float64(name: str) -> None:
    traced = model(name, inputs=3, hidden=9)
    xs, layer = signal(traced), traced.layers[0]
    trace, states = record_gates(traced, xs), None
    for step, x in enumerate(xs):
        y, states = run_equations(layer, x[None], states)
        np.testing.assert_allclose(trace.output[step], y[0], rtol=0, atol=1e-5)
        for state, vector in states.items():
            scale = max(1.0, float(np.abs(vector).max()))
            np.testing.assert_allclose(trace.layers[0][state][step], vector, rtol=0, atol=1e-5 * scale)


def test_the_gates_of_each_kind_have_the_names_of_its_equations() -> None:
    assert [*record_gates(model("lstm"), signal(model("lstm"))).layers[0]] == ["i", "f", "g", "o", "c", "h"]
    assert [*record_gates(model("gru-reset-before"), signal(model("gru-reset-before"))).layers[0]] == ["r", "z", "n", "h"]
    assert [*record_gates(model("rnn-tanh"), signal(model("rnn-tanh"))).layers[0]] == ["h"]


def stacked() -> Model:
    return Model([model("lstm", inputs=3, hidden=5).layers[0], model("gru-reset-after", inputs=5, hidden=4).layers[0],
                  model("dense-linear", inputs=4, hidden=2).layers[0]])  # fmt: skip


def test_blocks_are_the_whole_in_parts() -> None:
    xs = signal(stacked(), 50)
    whole, blocks = record_gates(stacked(), xs), list(gate_blocks(stacked(), xs, 16))
    assert [block.n_steps for block in blocks] == [16, 16, 16, 2]
    for name, array in whole.arrays().items():
        # a matrix product of another length may round differently in its last digit
        np.testing.assert_allclose(np.concatenate([block.arrays()[name] for block in blocks]), array, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(whole.output, Stream(stacked()).process(xs))
    assert [sorted(arrays) for arrays in whole.layers] == [list("cfghio"), list("hnrz"), []]


def test_a_trace_is_saved_and_made_a_table(tmp_path: Path) -> None:
    trace = record_gates(stacked(), signal(stacked()))
    trace.save(tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as kept:
        assert {name: kept[name].shape for name in kept} == {name: array.shape for name, array in trace.arrays().items()}
        np.testing.assert_array_equal(kept["0.f"], trace.layers[0]["f"])
    with pytest.raises(StreamRNNError, match="cannot be written"):
        trace.save(tmp_path / "no" / "t.npz")
    with pytest.raises(InputError, match=r"t.csv: a trace is saved as .npz"):
        trace.save(tmp_path / "t.csv")
    assert not (tmp_path / "t.csv").exists()
    pandas = pytest.importorskip("pandas", reason="to_pandas needs pandas")
    table = trace.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    np.testing.assert_array_equal(table["1.z", 2], trace.layers[1]["z"][:, 2])


def test_what_cannot_be_recorded_is_refused_with_the_reason() -> None:
    with pytest.raises(ModelError, match="no LSTM, GRU, RNN or own cell"):
        record_gates(Model([Dense(np.ones((1, 1)))]), [[1.0]])
    for given in ([["a"]], np.zeros((3, 2)), np.zeros(3), None):
        with pytest.raises(InputError, match=r"^record_gates: "):
            record_gates(stacked(), given)
    for no_model in ("model.safetensors", Stream(stacked())):
        with pytest.raises(InputError, match=f"record_gates: {type(no_model).__name__} is not a streamrnn.Model"):
            record_gates(no_model, np.zeros((3, 3)))


def test_a_value_that_is_not_finite_is_named_by_its_place_in_the_whole_signal() -> None:
    xs = signal(stacked(), 50)
    xs[37, 1] = np.nan
    with pytest.raises(NonFiniteInputError, match=r"input\[37, 1\] is nan"):
        list(gate_blocks(stacked(), xs, 16))


def test_a_trace_takes_only_the_signal_that_was_recorded() -> None:
    xs = signal(stacked(), 50)
    trace = record_gates(stacked(), xs)
    assert trace.correlations(xs)[0]["f"].shape == (3,)
    for other in (xs[:10], np.concatenate([xs, xs]), xs[:, 0], [["a"]]):
        with pytest.raises(InputError, match=r"^trace, signal: "):
            trace.correlations(other)


def test_a_trace_is_shown_in_one_short_line() -> None:
    shown = repr(record_gates(stacked(), signal(stacked(), 50)))
    assert shown == "<Trace lstm(i, f, g, o, c, h; 5 units), gru(r, z, n, h; 4 units), dense; 50 steps>"


def test_no_steps_give_an_empty_trace() -> None:
    trace = record_gates(stacked(), np.zeros((0, 3), np.float32))
    assert trace.n_steps == 0
    assert trace.layers[0]["f"].shape == (0, 5)


def test_a_trace_begins_where_a_stream_is() -> None:
    xs, stream = signal(stacked(), 30), Stream(stacked())
    stream.process(xs[:10])
    whole = record_gates(stacked(), xs)
    for start in (stream.states, stream.snapshot()):
        for name, array in record_gates(stacked(), xs[10:], start).arrays().items():
            np.testing.assert_allclose(array, whole.arrays()[name][10:], rtol=1e-6, atol=1e-7)
    with pytest.raises(SnapshotError):
        record_gates(stacked(), xs, Stream(model("lstm")).snapshot())
    with pytest.raises(InputError, match="states of 0 layers"):
        record_gates(stacked(), xs, [])


@pytest.mark.parametrize("kind", ["lstm", "gru-reset-before"])
def test_the_rows_of_a_bank_are_streams_of_their_own_side_by_side(kind: str) -> None:
    inner = model(kind, inputs=2, hidden=3).layers[0]
    xs = signal(Model([inner]), 3 * 20).reshape(20, 6)
    whole, parts = record_gates(Model([Bank(inner, 3)]), xs), list(gate_blocks(Model([Bank(inner, 3)]), xs, 8))
    assert whole.kinds == (f"bank of {inner.kind}",)
    assert whole.figures[0] is not None
    for row in range(3):
        alone = record_gates(Model([inner]), xs[:, 2 * row : 2 * row + 2]).layers[0]
        for name, array in alone.items():
            np.testing.assert_allclose(whole.layers[0][name][:, 3 * row : 3 * row + 3], array, rtol=1e-5, atol=1e-6)
            in_parts = np.concatenate([part.layers[0][name] for part in parts])
            np.testing.assert_allclose(in_parts[:, 3 * row : 3 * row + 3], array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["lstm", "gru-reset-after"])
def test_each_step_of_a_scan_is_a_signal_of_its_own(kind: str) -> None:
    inner = model(kind, inputs=2, hidden=3).layers[0]
    xs = signal(Model([inner]), 4 * 5).reshape(5, 8)
    (found,) = record_gates(Model([Scan(inner, 4)]), xs).layers
    for step, x in enumerate(xs):
        for name, array in record_gates(Model([inner]), x.reshape(4, 2)).layers[0].items():
            np.testing.assert_allclose(found[name][step].reshape(4, -1), array, rtol=1e-5, atol=1e-6)
