"""Every kind at the vector widths that this CPU chooses for its size, against the float64 reference."""

import pytest

from tests.layers.test_against_reference import assert_is_the_reference
from tests.models import model, signal


@pytest.mark.parametrize("hidden", [1, 9, 24, 33, 40, 64, 300])
@pytest.mark.parametrize("variant", ["lstm", "gru-reset-after", "gru-reset-before", "rnn-tanh", "dense-linear"])
def test_the_width_of_every_size_gives_the_reference(variant: str, hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMRNN_LANES")
    assert_is_the_reference(model(variant, hidden=hidden, seed=hidden), signal(40))
