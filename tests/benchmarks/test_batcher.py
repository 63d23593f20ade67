"""The benchmark of the batcher, with few tasks."""

import asyncio

from benchmarks.batcher import CASES, compare


def test_both_contenders_take_all_steps() -> None:
    found = asyncio.run(compare(CASES[0], 10, 20, 2))
    assert list(found) == ["Batcher", "asyncio alone"]
    assert all(rate > 0 for rates in found.values() for rate in rates)
