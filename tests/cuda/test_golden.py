"""The golden bits on a device: the first steps of every kind of layer that it runs, in ticks and in a chunk."""

import pytest

from tests.cuda.devices import needs_device
from tests.golden.bits import SHORT, pool_bits, recorded
from tests.golden.models import MODELS, golden_model

pytestmark = needs_device

KINDS = "lstm", "gru", "rnn", "dense"
NAMES = [name for name in MODELS if name.startswith(KINDS) and name.endswith("-small")] + ["lstm-1x8", "silence"]
CASES = [(name, dtype) for name in NAMES for dtype in ("float32", "float64")]
CASES += [(f"{name}-{stored}", "float32") for stored in ("bfloat16", "int8") for name in ("lstm", "gru-before", "rnn")]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_a_pool_of_the_device_gives_the_golden_bits(name: str, dtype: str) -> None:
    from streamrnn import cuda

    found = pool_bits(name, golden_model(name, dtype), cuda.StreamPool, SHORT)
    assert found == {"short": recorded()[name][dtype]["short"]}
