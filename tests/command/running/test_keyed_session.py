"""Rows of many keys, shared out between pool steps."""

import numpy as np
import pytest

from streamrnn.command.running.keyed_session import ticks


@pytest.mark.parametrize("n_slots", [1, 3, 50])
@pytest.mark.parametrize("n_rows", [0, 1, 2, 100])
def test_each_row_is_in_one_tick_each_slot_at_most_once_in_a_tick_and_in_its_order(n_rows: int, n_slots: int) -> None:
    slots = np.random.default_rng(n_rows).integers(0, n_slots, n_rows)
    found = list(ticks(slots))
    assert sorted(row for tick in found for row in tick) == list(range(n_rows))
    for tick in found:
        assert len(set(slots[tick])) == len(tick)
    for slot in set(slots):
        rows = [row for tick in found for row in tick if slots[row] == slot]
        assert rows == sorted(rows)
    assert len(found) == max(np.bincount(slots), default=0)
