"""The golden bits: pools of all kinds and types give the recorded bits, for ever."""

import pytest

from tests.golden.bits import pool_bits, recorded
from tests.golden.models import CASES, golden_model

BITS = recorded()


@pytest.mark.few(40)
@pytest.mark.usefixtures("lanes")
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_a_pool_gives_the_golden_bits(name: str, dtype: str) -> None:
    assert pool_bits(name, golden_model(name, dtype)) == BITS[name][dtype]
