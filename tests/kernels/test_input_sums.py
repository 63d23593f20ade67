"""Input sums that are computed ahead for a tile of steps, and weights that are stored in another type than the sums."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import cfunc, types

from streamrnn.cells import dense, gru
from streamrnn.kernels.input_sums import input_sums
from streamrnn.kernels.step import step_of_stream
from streamrnn.recipe import Recipe
from streamrnn.target.packing import DType, Width
from streamrnn.target.panels import PanelLayout, Positions
from streamrnn.target.storage import rounded

Array = np.ndarray[Any, Any]


def compiled(function: Callable[..., int]) -> Any:
    return cfunc(types.int64(*[types.int64] * 4), nopython=True, error_model="numpy")(function).ctypes


def table_of(layout: PanelLayout, weights: Array, **vectors: Array) -> Array:
    """The table of an op in a stream; each vector is at one address, before the step and after it."""
    positions = Positions(layout.recipe)
    table = np.zeros(positions.count, np.int64)
    for index, (n_panels, sections) in enumerate(zip(layout.n_panels, layout.sections, strict=True)):
        table[positions.n_panels(index)] = n_panels
        for section, offset, panel_bytes, n_rows in sections:
            table[positions.address(index, section.vector)] = weights.ctypes.data + offset
            table[positions.last_address(index, section.vector)] = weights.ctypes.data + offset + (n_panels - 1) * panel_bytes
            table[positions.panel_bytes(index, section.vector)] = panel_bytes
            table[positions.n_rows(index, section.vector)] = n_rows
    for name, vector in vectors.items():
        table[positions.now(name)] = vector.ctypes.data
    return table


def drawn(
    recipe: Recipe, width: Width, inputs: int, hidden: int, stored: str | None = None
) -> tuple[PanelLayout, Array, Array, Array]:
    """A layout, its packed weights, the input weights, (sums, units, inputs), and their biases, (sums, units).

    stored  a type that can hold the weights
    """
    rng = np.random.default_rng(3)
    layout = PanelLayout(recipe, width, {"inputs": inputs, "hidden": hidden, "outputs": hidden})
    weights, biases = {}, {}
    for sections in layout.sections:
        for section, _, _, n_rows in sections:
            weights |= {(section.vector, name): rng.normal(size=(hidden, n_rows)).astype(np.float32) for name in section.sums}
            if stored:
                weights |= {key: rounded(weights[key], stored) for key in weights}
            biases |= {name: rng.normal(size=hidden).astype(np.float32) for name in section.begins}
    fed = [name for one in recipe.passes for s in one.sections if s.vector == "x" for name in s.sums]
    return (
        layout,
        layout.packed(weights, biases),
        np.array([weights["x", name] for name in fed]),
        np.array([biases[name] for name in fed]),
    )


@pytest.mark.parametrize("recipe", [dense.linear, gru.reset_after, gru.reset_before], ids=["dense", "after", "before"])
@pytest.mark.parametrize("inputs", [1, 8, 64, 65, 150])
def test_sums_made_ahead_are_bias_plus_products_and_the_same_for_any_number_of_steps(recipe: Recipe, inputs: int) -> None:
    width, hidden = Width(4, 2), 19
    layout, packed, weights, biases = drawn(recipe, width, inputs, hidden)
    run, table = sums_ahead(recipe, width), table_of(layout, packed)
    x = np.random.default_rng(1).normal(size=(11, inputs)).astype(np.float32)
    # [step][pass][panel][sum][block][lane]
    sizes = [one.input_sums * width.padded(hidden) for one in recipe.passes]

    def made(rows: Array) -> Array:
        target = np.zeros((len(rows), sum(sizes)), np.float32)
        run(table.ctypes.data, rows.ctypes.data, len(rows), target.ctypes.data)
        return target

    whole = made(x)
    assert all(made(x[at : at + 1]).tobytes() == whole[at : at + 1].tobytes() for at in range(len(x)))
    first = 0
    for begin, size in zip(np.cumsum([0, *sizes]), sizes, strict=False):
        n_sums = size // width.padded(hidden)
        by_panel = whole[:, begin : begin + size].reshape(len(x), -1, n_sums, width.units)
        found = by_panel.transpose(0, 2, 1, 3).reshape(len(x), n_sums, -1)[:, :, :hidden]
        expected = biases[None, first : first + n_sums] + np.einsum("ti,shi->tsh", x, weights[first : first + n_sums])
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        first += n_sums


def sums_ahead(recipe: Recipe, width: Width) -> Any:
    """The compiled part of `input_sums`, as a function (table, inputs, n_steps, sums)."""
    make = input_sums(recipe, width)

    def kernel(table, x, n_steps, target):  # type: ignore[no-untyped-def]
        make(table, x, n_steps, target)
        return 0

    return compiled(kernel)


def one_step(recipe: Recipe, width: Width) -> Any:
    """The compiled part of `step_of_stream`, as a function (table, input, 0, 0)."""
    take = step_of_stream(recipe, width)

    def kernel(table, x, _, __):  # type: ignore[no-untyped-def]
        take(table, x, 0, 0, -1)
        return 0

    return compiled(kernel)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stored", ["bfloat16", "float16"])
@pytest.mark.parametrize("inputs", [3, 70])
def test_weights_stored_in_16_bits_give_the_sums_of_the_same_weights_in_full(inputs: int, stored: str, dtype: DType) -> None:
    """The type in which weights are stored must not change the sums: every number of 16 bits is one of `dtype`."""
    recipe, hidden, found = dense.linear, 13, set()
    x = np.random.default_rng(1).normal(size=(6, inputs)).astype(dtype)
    for kept in stored, None:
        width = Width(4, 2, dtype, stored=kept)
        layout, packed, _, _ = drawn(recipe, width, inputs, hidden, stored)
        padded = width.padded(hidden)
        ahead, room, rows = np.zeros((len(x), padded), dtype), np.zeros(padded, dtype), []
        table = table_of(layout, packed, y=room)
        sums_ahead(recipe, width)(table.ctypes.data, x.ctypes.data, len(x), ahead.ctypes.data)
        run = one_step(recipe, width)
        for row in x:
            run(table.ctypes.data, row.ctypes.data, 0, 0)
            rows.append(room.copy())
        found |= {ahead.tobytes(), np.array(rows).tobytes()}
    assert len(found) == 1
