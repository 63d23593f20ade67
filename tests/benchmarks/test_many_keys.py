"""The benchmark of many keys, with few of them: memory flat, sampled keys bit-equal to running alone."""

from pathlib import Path

import pytest

from benchmarks.many_keys import run

MEBIBYTE = 1 << 20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the resident memory is read from /proc, which is Linux's")
def test_keys_through_a_small_pool_keep_memory_flat_and_their_bits(tmp_path: Path) -> None:
    found = run(20_000, 400, tmp_path, n_samples=50)
    assert found.n_different == 0
    assert found.n_evicted > 100
    assert found.most - found.resident < 8 * MEBIBYTE
