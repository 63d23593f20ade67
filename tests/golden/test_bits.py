"""The golden bits: what each kind, type, driver and vector width answers is what it answered when they were made, for ever.

STREAMRNN_GOLDEN=4,8,16, names the vector widths to try; an empty one is the width that this CPU chooses.
"""

import os

import pytest

from tests.golden.bits import pool_bits, recorded, stream_bits
from tests.golden.models import MODELS, golden_model

WIDTHS = os.environ.get("STREAMRNN_GOLDEN", "8").split(",")
BITS = recorded()


@pytest.fixture(params=WIDTHS, ids=lambda lanes: f"lanes={lanes or 'any'}", autouse=True)
def lanes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setenv("STREAMRNN_LANES", request.param)
    else:
        monkeypatch.delenv("STREAMRNN_LANES", raising=False)
    return


def test_every_golden_model_has_its_bits() -> None:
    assert list(BITS) == list(MODELS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_a_stream_gives_the_golden_bits(name: str, dtype: str) -> None:
    assert stream_bits(name, golden_model(name, dtype)) == BITS[name][dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_a_pool_gives_the_golden_bits(name: str, dtype: str) -> None:
    assert pool_bits(name, golden_model(name, dtype)) == BITS[name][dtype]
