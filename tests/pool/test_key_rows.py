"""`KeyRows`: what `step_keys` does in machine code is what it does in Python."""

import sys
from typing import Any

import numpy as np
import pytest

from streamrnn import Stream, StreamPool
from streamrnn.door.arguments import inputs_of
from tests.models import model, signal

I = 3  # noqa: E741 - the field's name
MODEL = model("lstm", inputs=I, hidden=5)
WIDE = signal(2, 2 * I)

KNOWN: dict[str, Any] = {
    "float32": WIDE[0, :I],
    "float64": WIDE[0, :I].astype(float),
    "strided": WIDE[0, ::2],
    "reversed": WIDE[1, I - 1 :: -1],
    "a list": [0.5, -1.0, 2.5],
    "a tuple of scalars": (np.float32(0.5), np.float64(-1), 0.25),
}
UNUSUAL: dict[str, Any] = {
    "ints": [1, 2, 3],
    "float16": WIDE[0, :I].astype(np.float16),
    "another length": [1.0, 2.0],
    "a matrix": WIDE[:1, :I],
    "masked": np.ma.masked_equal([1.0, 2.0, 3.0], 2),
    "NaN": [0.0, float("nan"), 0.0],
    "beyond float32": [1e300, 0.0, 0.0],
    "None": None,
    "big-endian": WIDE[0, :I].astype(">f4"),
}


@pytest.fixture(scope="module")
def pool() -> StreamPool:
    pool = StreamPool(MODEL, 8)
    if pool._key_rows is None:
        pytest.skip("compiled doors are not used here")
    return pool


def test_inputs_of_all_known_types_become_the_rows_that_python_makes(pool: StreamPool) -> None:
    rows = pool._key_rows.gather([*KNOWN.values()])
    assert rows is not None
    assert rows.tobytes() == inputs_of("step_keys", KNOWN, (I,)).astype(np.float32).tobytes()


@pytest.mark.parametrize("name", UNUSUAL)
def test_any_other_input_is_left_to_python(pool: StreamPool, name: str) -> None:
    assert pool._key_rows.gather([[0.0] * I, UNUSUAL[name]]) is None
    assert pool._key_rows.gather([]) is not None


def test_results_are_arrays_of_their_own_and_nothing_is_leaked(pool: StreamPool) -> None:
    y, dtype = signal(100, 5), np.dtype(np.float32)
    before = sys.getrefcount(None), sys.getrefcount(dtype)
    results = pool._key_rows.scatter(y)
    assert all(row.flags.owndata and row.flags.c_contiguous and sys.getrefcount(row) == 3 for row in results)
    assert np.array(results).tobytes() == y.tobytes()
    del results
    assert abs(sys.getrefcount(None) - before[0]) < 50  # other threads of the test run use None too
    assert sys.getrefcount(dtype) == before[1]


def test_steps_by_key_give_the_bits_of_single_streams(pool: StreamPool) -> None:
    pool.open_keys([*KNOWN])
    y = pool.step_keys(KNOWN)
    for key, x in KNOWN.items():
        assert y[key].tobytes() == Stream(MODEL).step(x).tobytes()
