"""Rows in blocks: none lost, in their order, and no block larger than it may be."""

import numpy as np
import pytest

from streamrnn.command.running.blocks import Block, BlockSize, blocks_of
from streamrnn.command.running.formats import FORMATS, FormatName, Row

CSV = FORMATS[FormatName.CSV]


@pytest.mark.parametrize("seed", range(20))
def test_blocks_are_the_rows_in_their_order_and_within_their_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        Row(f"line {n}", [1.0], error="is bad" if rng.random() < 0.1 else "", kept=("é" * int(rng.integers(0, 9)), n))
        for n in range(60)
    ]
    found = list(blocks_of(rows, CSV, BlockSize(16, 100, 7)))
    assert [row for item in found for row in (item.rows if isinstance(item, Block) else [item])] == rows
    for item in found:
        if isinstance(item, Block):
            n_bytes = len(item.encoded(np.full((len(item.rows), 1), -1.17549435e-38, np.float32), CSV))
            assert 1 <= len(item.rows) <= 7
            assert n_bytes <= 100 or len(item.rows) == 1
    assert max(len(item.rows) for item in found if isinstance(item, Block)) > 2


def test_a_label_that_the_format_cannot_contain_makes_the_row_bad() -> None:
    good, bad = Row("line 1", [1.0], kept=("a",)), Row("line 2", [1.0], kept=("a\n",))
    block, row = blocks_of([good, bad], CSV, BlockSize(16, 100, 7))
    assert (block.rows, row.location, "line break" in row.error) == ([good], "line 2", True)
