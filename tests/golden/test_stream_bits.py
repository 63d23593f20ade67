"""The golden bits: streams of all kinds and types give the recorded bits, for ever."""

import pytest

from tests.golden.bits import recorded, stream_bits
from tests.golden.models import CASES, MODELS, golden_model

BITS = recorded()


def test_every_golden_model_has_its_bits() -> None:
    assert set(BITS) == set(MODELS)


@pytest.mark.few(40)
@pytest.mark.usefixtures("lanes")
@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_a_stream_gives_the_golden_bits(name: str, dtype: str) -> None:
    assert stream_bits(name, golden_model(name, dtype)) == BITS[name][dtype]
