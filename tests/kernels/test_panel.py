"""Copies of rows write exactly the values that they are asked for, and find what is not finite among them."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from streamrnn.kernels.panel import copy_of_padded, row_copy
from streamrnn.target.layout import aligned
from streamrnn.target.packing import Width

COPIES = {"padded": copy_of_padded, "row": row_copy}


@pytest.fixture(scope="module", params=[(name, width) for name in COPIES for width in (Width(8, 1), Width(4, 1, np.float64))])
def copy(request: pytest.FixtureRequest) -> Any:
    name, width = request.param
    part = COPIES[name](width)

    @njit(error_model="numpy")
    def run(target, source, count):
        return part(target, source, count)

    return run, width.dtype


def memory(dtype: Any) -> tuple[Any, Any]:
    source, target = aligned(64, dtype), aligned(64, dtype)
    source[:] = np.arange(1, 65)
    return source, target


def test_a_copy_writes_the_values_and_nothing_beyond(copy: Any) -> None:
    run, dtype = copy
    for count in range(41):
        source, target = memory(dtype)
        assert run(target.ctypes.data, source.ctypes.data, count)
        assert target.tolist() == [*source[:count], *[0] * (64 - count)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_copy_tells_whether_its_values_are_finite_and_not_what_is_beyond(bad: float, copy: Any) -> None:
    run, dtype = copy
    for count in range(1, 34):
        for at in (0, count - 1, count, count + 1):
            source, target = memory(dtype)
            source[at] = bad
            assert run(target.ctypes.data, source.ctypes.data, count) == (at >= count)
