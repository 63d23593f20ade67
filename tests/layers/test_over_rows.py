"""Layers that run another layer on the rows of a step: the bits are those of that layer alone."""

from typing import Any

import numpy as np
import pytest

from streamrnn import (
    Bank,
    Dense,
    Frame,
    Layer,
    Model,
    ModelError,
    NonFiniteStateError,
    Reverse,
    Rows,
    Scan,
    Select,
    Stream,
    load,
)
from streamrnn.layers.arithmetic import Arithmetic
from tests.models import conv1d, dense, gru, lstm, one_width, rebuilt, rnn, signal  # noqa: F401  (a fixture)

Array = np.ndarray[Any, Any]


def alone(layer: Layer, x: Array) -> Array:
    """What a stream of one layer gives."""
    return Stream(Model([layer])).process(np.ascontiguousarray(x))


def rows_of(x: Array, rows: int) -> Array:
    """A signal as (steps, rows, values of a row)."""
    return x.reshape(len(x), rows, -1)


_rng = np.random.default_rng(1)
with_a_state = pytest.mark.parametrize(
    "layer",
    [gru(_rng, 3, 9), lstm(_rng, 3, 9, outputs=4), conv1d(_rng, 3, 5)],
    ids=["gru", "lstm-projected", "conv1d"],
)


#: Fewer rows than a kernel takes at once, and more: than a tile of steps (24), than one of a pool (96).
@pytest.mark.parametrize("rows", [1, 2, 24, 25, 100, 193])
@pytest.mark.parametrize("inputs", [3, 11])
def test_each_row_has_the_bits_of_the_layer_alone(rows: int, inputs: int) -> None:
    layer, x = dense(np.random.default_rng(0), inputs, 17, activation="tanh"), signal(30, rows * inputs)
    y = rows_of(alone(Rows(layer, rows), x), rows)
    assert y.tobytes() == alone(layer, rows_of(x, rows).reshape(-1, inputs)).tobytes()


@pytest.mark.parametrize("rows", [1, 2, 97, 193])
@pytest.mark.parametrize(
    "layer",
    [
        gru(np.random.default_rng(1), 3, 9),
        lstm(np.random.default_rng(1), 3, 9, outputs=4),
        conv1d(np.random.default_rng(1), 3, 5),
    ],
    ids=["gru", "lstm-projected", "conv1d"],
)
def test_each_row_of_a_bank_has_the_bits_and_the_state_of_a_stream_of_its_own(layer: Layer, rows: int) -> None:
    x = signal(30, rows * layer.input_size)
    stream = Stream(Model([Bank(layer, rows)]))
    y = rows_of(stream.process(x), rows)
    for row in {0, rows // 2, rows - 1}:
        own = Stream(Model([layer]))
        assert own.process(np.ascontiguousarray(rows_of(x, rows)[:, row])).tobytes() == y[:, row].tobytes()
        for name, state in own.states[0].items():
            assert np.split(stream.states[0][name], rows)[row].tobytes() == state.tobytes()


@pytest.mark.parametrize("rows", [1, 2, 25, 100])
@pytest.mark.parametrize(
    "layer",
    [
        gru(np.random.default_rng(2), 3, 9),
        lstm(np.random.default_rng(2), 3, 9, outputs=4),
        conv1d(np.random.default_rng(2), 3, 5),
    ],
    ids=["gru", "lstm-projected", "conv1d"],
)
def test_each_step_of_a_scan_has_the_bits_of_a_recording_of_its_rows(layer: Layer, rows: int) -> None:
    x = signal(7, rows * layer.input_size)
    y = rows_of(alone(Scan(layer, rows), x), rows)
    for step in range(len(x)):
        assert y[step].tobytes() == alone(layer, rows_of(x, rows)[step]).tobytes()


@pytest.mark.parametrize("holder", [Rows, Bank, Scan])
def test_the_layer_that_is_held_is_saved_and_converted(holder: type[Any], tmp_path: Any) -> None:
    rng = np.random.default_rng(3)
    model = Model([holder(dense(rng, 3, 4) if holder is Rows else gru(rng, 3, 4), 5)])
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert (again.fingerprint, again.n_parameters) == (model.fingerprint, model.n_parameters)
    x = signal(20, 15)
    assert Stream(again).process(x).tobytes() == Stream(model).process(x).tobytes()
    wide = model.astype("float64")
    assert wide.dtype == np.float64
    np.testing.assert_allclose(Stream(wide).process(x.astype(np.float64)), Stream(model).process(x), rtol=0, atol=1e-6)


def test_an_array_of_the_layer_that_is_held_is_replaced_by_its_name() -> None:
    layer = Rows(dense(np.random.default_rng(3), 3, 4), 5)
    changed = layer.with_tensor("layer.bias", np.ones(4))
    assert (changed.rows, changed.layer.weights is layer.layer.weights) == (5, False)  # type: ignore[attr-defined]
    assert changed.tensors()["layer.bias"].tolist() == [1] * 4
    assert changed.tensors()["layer.weights"].tolist() == layer.tensors()["layer.weights"].tolist()


def test_another_layer_within_is_another_model() -> None:
    rng = np.random.default_rng(4)
    layers = [dense(rng, 3, 4), dense(rng, 3, 4), dense(rng, 3, 4, activation="tanh")]
    assert len({Model([Rows(layer, 2)]).fingerprint for layer in layers} | {Model([Rows(layers[0], 3)]).fingerprint}) == 4


@pytest.mark.parametrize("holder", [Bank, Scan])
def test_a_row_whose_state_overflows_refuses_the_step_and_keeps_the_states(holder: type[Any]) -> None:
    loud = rnn(np.random.default_rng(5), 1, 4, 50.0, activations=("relu",))
    layer = rebuilt(loud, recurrent_weights=loud.recurrent_weights / 500)
    stream = Stream(Model([holder(layer, 40)]))
    x = np.zeros((1, 40), np.float32)
    before, quiet = stream.snapshot(), stream.step(x[0])
    stream.restore(before)
    x[0, 33] = 3e38
    with pytest.raises(NonFiniteStateError):
        stream.process(np.repeat(x, 30, axis=0))
    stream.restore(before)
    assert stream.step(np.zeros(40, np.float32)).tobytes() == quiet.tobytes()


@pytest.mark.parametrize(
    "build",
    [
        lambda a_dense, a_gru: Rows(a_gru, 3),
        lambda a_dense, a_gru: Bank(a_dense, 3),
        lambda a_dense, a_gru: Scan(a_dense, 3),
        lambda a_dense, a_gru: Rows(a_dense, 0),
        lambda a_dense, a_gru: Rows(a_dense, 2.0),
        lambda a_dense, a_gru: Rows("dense", 2),
        lambda a_dense, a_gru: Rows(Rows(a_dense, 2), 2),
        lambda a_dense, a_gru: Rows(Reverse(3), 2),
        lambda a_dense, a_gru: Bank(Frame(3, 2, 4), 2),
        lambda a_dense, a_gru: Rows(Arithmetic(3, "add"), 2),
    ],
)
def test_a_layer_that_cannot_go_over_rows_is_refused_by_name(build: Any) -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(ModelError, match=r"^(rows|bank|scan) layer, (layer|rows): "):
        build(dense(rng, 3, 4), gru(rng, 3, 4))


def test_a_convolution_within_a_step_is_a_selection_of_patches_and_a_dense_layer_on_each() -> None:
    """Over 9 bands of 2 channels, with 3 taps and a zero at each end."""
    rng = np.random.default_rng(7)
    layer: Dense = dense(rng, 6, 5)
    patches = [2 * (band + tap - 1) + channel for band in range(9) for tap in range(3) for channel in range(2)]
    indices = tuple(index if 0 <= index < 18 else 18 for index in patches)
    x = signal(4, 18)
    y = Stream(Model([Select(18, indices, constants=np.zeros(1)), Rows(layer, 9)])).process(x)
    padded = np.pad(x.reshape(4, 9, 2), ((0, 0), (1, 1), (0, 0))).astype(np.float64)
    windows = np.concatenate([padded[:, tap : tap + 9] for tap in range(3)], axis=2)
    np.testing.assert_allclose(y.reshape(4, 9, 5), windows @ layer.weights.T.astype(np.float64) + layer.bias, atol=1e-6)
