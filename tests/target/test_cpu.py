"""On every CPU there is a width for every layer."""

import numpy as np
import pytest

from streamrnn.target import cpu
from streamrnn.target.packing import DType


@pytest.mark.parametrize("n_bytes", [16, 32, 64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gates", [1, 2, 3, 4])
def test_pools_have_widths_that_fill_a_vector_of_the_cpu_at_most(
    n_bytes: int, dtype: DType, gates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    for name in ("widest_vector", "_full_rate_vector"):
        monkeypatch.setattr(cpu, name, lambda: n_bytes)
    for units in (1, 2, 3, 16, 40, 1000):
        assert 16 <= cpu.pool_width_for(units, (gates,), dtype).vector_bytes <= n_bytes
