"""Packed weights, unpacked by plain index arithmetic."""

import numpy as np
import pytest

from streamrnn import StateOutput
from streamrnn.target.packing import SIGMOID_SCALE, TANH_SCALE, Width, pack, rows
from tests.models import VARIANTS

WIDTHS = [Width(4, 1), Width(4, 3), Width(8, 2), Width(16, 1), Width(16, 5)]


@pytest.mark.parametrize("width", WIDTHS, ids=str)
@pytest.mark.parametrize("units", [1, 3, 4, 7, 16, 17, 33])
def test_every_weight_lies_where_panel_row_gate_block_and_lane_say(width: Width, units: int) -> None:
    rng = np.random.default_rng(0)
    sections = [rng.normal(size=(n_rows, 3, units)).astype(np.float32) for n_rows in (1, 5, 2)]
    packed = pack(width, *sections)
    whole = np.concatenate(sections)
    parts = packed.reshape(width.panels(units), 8, 3, width.blocks, width.lanes)
    for unit in range(width.padded(units)):
        panel, inside = divmod(unit, width.units)
        block, lane = divmod(inside, width.lanes)
        expected = whole[:, :, unit] if unit < units else 0
        np.testing.assert_array_equal(parts[panel, :, :, block, lane], expected)


@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_padding_reaches_the_next_whole_panel(width: Width) -> None:
    for units in range(1, 200):
        assert 0 <= width.padded(units) - units < width.units
        assert width.padded(units) == width.panels(units) * width.units


def test_sections_of_different_gates_share_a_panel() -> None:
    first, second = np.ones((2, 3, 5), np.float32), np.full((4, 1, 5), 2, np.float32)
    packed = pack(Width(4, 1), first, second).reshape(2, 2 * 3 * 4 + 4 * 1 * 4)
    np.testing.assert_array_equal(packed[0], [1] * 24 + [2] * 16)


def test_rows_are_the_weights_transposed_and_scaled_by_gate() -> None:
    gates = np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    scales = np.array([SIGMOID_SCALE, TANH_SCALE])
    scaled = rows(gates, scales)
    assert scaled.dtype == np.float32
    assert scaled.flags.c_contiguous
    for gate in range(2):
        np.testing.assert_array_equal(scaled[:, gate], (gates[gate].astype(np.float64) * scales[gate]).T.astype(np.float32))


def test_a_weight_that_the_scale_would_drive_to_infinity_is_the_largest_there_is() -> None:
    gates = np.array([[[3e38, -3e38, 1.0]]], np.float32)
    largest = np.finfo(np.float32).max
    assert rows(gates, TANH_SCALE).ravel().tolist() == [largest, -largest, np.float32(TANH_SCALE)]


def test_a_bias_is_one_row() -> None:
    bias = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(rows(bias), bias[None])


def test_the_scales_turn_exponentials_to_base_2() -> None:
    np.testing.assert_allclose(2.0 ** np.array([SIGMOID_SCALE, TANH_SCALE]), np.exp([-1, 2]), rtol=1e-15)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("hidden", [1, 7, 16, 33])
def test_every_layer_packs_into_float32_that_holds_its_weights(variant: str, hidden: int) -> None:
    layer = VARIANTS[variant](np.random.default_rng(2), 3, hidden, 1.0)
    op = layer.pack(Width(8, 2))
    assert bool(op.recipe) != bool(op.kernel)
    kind = layer.layer.kind if isinstance(layer, StateOutput) else layer.kind
    assert kind in (op.recipe or op.kernel).split(".")
    assert (op.input_size, op.output_size) == (layer.input_size, layer.output_size)
    assert op.weights.dtype == op.constants.dtype == np.float32
    assert op.weights.ndim == op.constants.ndim == 1
    matrices = [tensor for tensor in layer.tensors().values() if tensor.ndim > 1 and tensor.shape[0] != 3]
    within = op.held or op  # the weights of a layer over rows are those of the layer that it holds
    weights = within.weights if within.recipe else np.concatenate([within.weights, within.constants])
    assert np.count_nonzero(weights) >= sum(matrix.size for matrix in matrices)
    assert dict(op.state).keys() == dict(layer.states).keys()
