"""The layout of a recipe's weights, unpacked by plain index arithmetic, and the positions of its table."""

import numpy as np
import pytest

from streamrnn.cells import dense, gru, lstm
from streamrnn.recipe import Pass, Recipe
from streamrnn.target.packing import Width
from streamrnn.target.panels import PanelLayout, Positions

WIDTHS = [Width(4, 1), Width(4, 3), Width(8, 2), Width(16, 1)]
SIZES = {"inputs": 5, "hidden": 19, "outputs": 19}


def drawn(layout: PanelLayout, units: int = SIZES["hidden"]) -> tuple[dict[tuple[str, str], np.ndarray], dict[str, np.ndarray]]:
    """Weights and biases for a layout, all different."""
    rng = np.random.default_rng(0)
    weights, biases = {}, {}
    for of_pass in layout.sections:
        for section, _, _, n_rows in of_pass:
            for name in section.sums:
                weights[section.vector, name] = rng.normal(size=(units, n_rows)).astype(np.float32)
            for name in section.begins:
                biases[name] = rng.normal(size=units).astype(np.float32)
    return weights, biases


@pytest.mark.parametrize("width", WIDTHS, ids=str)
@pytest.mark.parametrize("recipe", [lstm.standard, gru.reset_after, gru.reset_before], ids=["lstm", "after", "before"])
def test_every_weight_lies_where_section_panel_row_sum_block_and_lane_say(recipe: Recipe, width: Width) -> None:
    layout = PanelLayout(recipe, width, SIZES)
    weights, biases = drawn(layout)
    packed = layout.packed(weights, biases)
    assert packed.nbytes == layout.n_bytes
    seen = np.zeros(packed.size, bool)
    for of_pass, n_panels in zip(layout.sections, layout.n_panels, strict=True):
        for section, offset, panel_bytes, n_rows in of_pass:
            for panel in range(n_panels):
                at = (offset + panel * panel_bytes) // 4
                for row in range(-1, n_rows):
                    names = section.begins if row == -1 else section.sums
                    for name in names:
                        for unit in range(panel * width.units, (panel + 1) * width.units):
                            source = biases[name][:, None] if row == -1 else weights[section.vector, name]
                            expected = source[unit, max(row, 0)] if unit < SIZES["hidden"] else 0
                            assert packed[at] == expected
                            assert not seen[at]
                            seen[at] = True
                            at += 1
    assert seen.all()


def test_a_sum_begins_with_its_bias_where_it_is_first_fed() -> None:
    assert [(s.vector, s.begins, s.sums) for s in gru.reset_after.passes[0].sections] == [
        ("x", ("r", "z", "n"), ("r", "z", "n")),
        ("h", ("p",), ("r", "z", "p")),
    ]


def test_scales_are_multiplied_into_rows_and_biases() -> None:
    width, recipe = Width(4, 1), lstm.standard
    layout = PanelLayout(recipe, width, SIZES)
    weights, biases = drawn(layout)
    plain, scaled = layout.packed(weights, biases), layout.packed(weights, biases, {"g": 2.0})
    ratio = scaled[plain != 0] / plain[plain != 0]
    assert set(np.unique(ratio)) == {1.0, 2.0}
    assert np.isclose((ratio == 2).mean(), 0.25)


@pytest.mark.parametrize(("stored", "n_bytes"), [("bfloat16", 2), ("float16", 2), ("int8", 1)])
def test_weights_are_stored_in_fewer_bytes_and_biases_are_not(stored: str, n_bytes: int) -> None:
    sizes = {"inputs": 6, "hidden": 8, "outputs": 8}  # whole panels and whole pairs
    layout = PanelLayout(lstm.standard, Width(4, 1, stored=stored), sizes)
    weights, biases = drawn(layout, 8)
    packed = layout.packed(weights, biases)
    factors = 2 * 4 * 8 if stored == "int8" else 0  # of two matrices
    assert packed.nbytes == layout.n_bytes == 4 * 8 * (6 + 8) * n_bytes + 4 * (4 * 8 + factors)


def test_a_panel_of_integers_has_biases_factors_and_pairs_of_rows() -> None:
    """An odd last row is beside zeros."""
    layout = PanelLayout(dense.linear, Width(4, 1, stored="int8"), {"inputs": 3, "hidden": 4, "outputs": 4})
    matrix = np.array([[127, -3, 5], [1, 127, 0], [127, 0, 0], [0, 64, -127]], np.float32)
    packed = layout.packed({("x", "s"): matrix * np.float32(0.5)}, {"s": np.arange(4, dtype=np.float32)}, {"s": 2.0})
    assert packed[:16].view(np.float32).tolist() == [0, 2, 4, 6]
    assert packed[16:32].view(np.float32).tolist() == [1, 1, 1, 1]
    pairs = packed[32:].view(np.int8).reshape(2, 4, 2)
    assert (pairs[0] == matrix[:, :2]).all()
    assert (pairs[1, :, 0] == matrix[:, 2]).all()
    assert not pairs[1, :, 1].any()


def test_every_position_of_the_table_is_another() -> None:
    for recipe in lstm.general_projected, gru.reset_before:
        positions = Positions(recipe)
        taken = [Positions.OPTIONS, *(positions.n_panels(index) for index in range(len(recipe.passes)))]
        for index, one in enumerate(recipe.passes):
            for section in one.sections:
                taken += [
                    positions.address(index, section.vector),
                    positions.last_address(index, section.vector),
                    positions.panel_bytes(index, section.vector),
                    positions.n_rows(index, section.vector),
                ]
        taken += [positions.now(name) for name in positions.vectors] + [positions.then(name) for name in recipe.states]
        for name in positions.fed:
            taken += [positions.integers(name), positions.integer_bytes(name), positions.most_input(name)]
        assert sorted(taken) == list(range(positions.count))


def h(s):  # type: ignore[no-untyped-def]
    return s


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (lambda: Recipe(("h",), (Pass(h, ("h",), {"x": "s", "y": "s"}),)), "no vector is called y"),
        (lambda: Recipe(("h",), (Pass(h, ("h",), {"x": "s t"}),)), "the cell takes no t"),
        (lambda: Recipe(("h", "c"), (Pass(h, ("h",), {"x": "s"}),)), "no pass writes c"),
        (lambda: Recipe((), (Pass(h, ("y",), {"x": "s"}),)), "no pass writes the output"),
    ],
    ids=["vector", "sum", "state", "output"],
)
def test_a_recipe_whose_names_do_not_meet_is_refused(recipe, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        recipe()
