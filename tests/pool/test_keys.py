"""`KeyTable` is a dict to look at."""

import numpy as np
import pytest

from streamrnn.pool.keys import KeyTable


@pytest.mark.parametrize("capacity", [64, 100_000])
def test_it_holds_what_a_dict_would(capacity: int) -> None:
    table, expected, rng = KeyTable(capacity), dict[object, int](), np.random.default_rng(0)
    keys = [*range(500), *map(str, range(500)), (1, 2), None, b"x"]
    for _ in range(300):
        some = [keys[index] for index in set(rng.integers(len(keys), size=9).tolist())]
        assert table.absent(some) == [key for key in some if key not in expected]
        for key in set(some) & expected.keys():
            table.remove(key)
            del expected[key]
        new = some[:7]
        table.add(new, range(100))
        expected |= dict(zip(new, range(100), strict=False))
        assert dict(table) == expected
        assert len(table) == len(expected)
        assert list(table.find(new)) == list(range(len(new)))
    with pytest.raises(KeyError):
        list(table.find(["nobody"]))
    assert "nobody" not in table
    assert eval(repr(table), {"KeyTable": dict}) == expected
