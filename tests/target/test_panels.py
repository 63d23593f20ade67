"""The layout of a recipe's weights, unpacked by plain index arithmetic, and the positions of its table."""

import numpy as np
import pytest

from streamrnn.cells import gru, lstm
from streamrnn.recipe import Pass, Recipe
from streamrnn.target.packing import Width
from streamrnn.target.panels import PanelLayout, Positions

WIDTHS = [Width(4, 1), Width(4, 3), Width(8, 2), Width(16, 1)]
SIZES = {"inputs": 5, "hidden": 19, "outputs": 19}


def drawn(layout: PanelLayout) -> tuple[dict[tuple[str, str], np.ndarray], dict[str, np.ndarray]]:
    """Weights and biases for a layout, all different."""
    rng = np.random.default_rng(0)
    weights, biases = {}, {}
    for of_pass in layout.sections:
        for section, _, _, n_rows in of_pass:
            for name in section.sums:
                weights[section.vector, name] = rng.normal(size=(SIZES["hidden"], n_rows)).astype(np.float32)
            for name in section.begins:
                biases[name] = rng.normal(size=SIZES["hidden"]).astype(np.float32)
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


def test_weights_are_stored_in_a_type_of_their_own() -> None:
    width = Width(4, 1, np.float64, stored=np.float32)
    layout = PanelLayout(lstm.standard, width, SIZES)
    weights, biases = drawn(layout)
    packed = layout.packed(weights, biases)
    assert packed.dtype == np.float32
    assert packed.nbytes == layout.n_bytes == PanelLayout(lstm.standard, Width(4, 1), SIZES).n_bytes
    assert 2 * layout.n_bytes == PanelLayout(lstm.standard, Width(4, 1, np.float64), SIZES).n_bytes


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
