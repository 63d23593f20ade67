"""How the axes of a reshaped array lie in those that it had."""

import pytest

pytest.importorskip("onnx", reason="importing needs the extra 'convert'")

from streamrnn_converters.onnx.axes.alignment import blocks, resolved
from streamrnn_converters.onnx.values import Size

T, B = Size(1, ("t",)), Size(1, ("b",))

CASES = {
    "nothing-moves": ([T, B, 4], [T, B, 4], [T, B, 4], [([0], [0]), ([1], [1]), ([2], [2])]),
    "two-open-sizes-merged": ([B, T, 8], [-1, 8], [B * T, 8], [([0, 1], [0]), ([2], [1])]),
    "and-apart-again": ([B, T, 3], [B, -1, 3], [B, T, 3], [([0], [0]), ([1], [1]), ([2], [2])]),
    "the-product-by-name": ([B, T, 8], [B * T, 8], [B * T, 8], [([0, 1], [0]), ([2], [1])]),
    "features-split": ([T, 8], [0 + 2, 4, -1], [2, 4, T], [([0, 1], [0, 1, 2])]),
    "features-split-behind-time": ([T, 8], [T, -1, 4], [T, 2, 4], [([0], [0]), ([1], [1, 2])]),
    "ones-are-in-no-block": ([T, 1, 4], [1, -1, 1, 4], [1, T, 1, 4], [([0], [1]), ([2], [3])]),
    "sizes-that-do-not-divide": ([4, 6, 5], [6, 4, 5], [6, 4, 5], [([0, 1], [0, 1]), ([2], [2])]),
    "as-few-as-possible": ([2, 60, 8], [120, 8], [120, 8], [([0, 1], [0]), ([2], [1])]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_block_holds_the_same_values_before_and_after_and_is_as_small_as_possible(name: str) -> None:
    sizes, target, known, expected = CASES[name]
    assert resolved(sizes, target) == known
    assert [tuple(block) for block in blocks(sizes, known)] == expected


@pytest.mark.parametrize(
    ("sizes", "target"),
    [([T, 5], [60, 1, -1]), ([2, 3], [4, -1]), ([2, 3], [7]), ([T, 2], [T, T]), ([0, 3], [-1, 3]), ([4], [0]), ([4], [-4, -1])],
    ids=str,
)
def test_a_shape_that_does_not_hold_the_values_has_no_sizes(sizes: list[int | Size], target: list[int | Size]) -> None:
    assert resolved(sizes, target) is None
