"""Input sums of coming steps, computed within the steps before: the sums, bit for bit, that a single step computes."""

import numpy as np
import pytest

from benchmarks.tune import every_width
from streamrnn import Stream
from streamrnn.kernels.coming import is_beside
from streamrnn.kernels.compile import recipe_of
from streamrnn.plan import plan_of
from streamrnn.target.packing import Width
from tests.models import model, signal

BESIDE = Width(4, 1, beside=True)


@pytest.mark.few(4)
@pytest.mark.parametrize("variant", ["lstm-projected", "gru-reset-after", "gru-reset-before", "own-cell", "lstm", "rnn-relu"])
def test_a_chunk_of_any_length_has_the_bits_of_single_steps(variant: str) -> None:
    for inputs in 8, 41:
        whole = model(variant, inputs=inputs, hidden=19)
        with every_width(BESIDE):
            chunks = Stream(model(variant, inputs=inputs, hidden=19))
        (path, width) = next(iter(plan_of(chunks.model).kernels.values()))
        assert is_beside(recipe_of(path), width)
        alone = Stream(whole)
        for n_steps in 5, 12, 13, 24, 31, 60, 130:
            x = signal(n_steps, inputs, seed=n_steps)
            expected = np.array([alone.step(row) for row in x])
            assert chunks.process(x).tobytes() == expected.tobytes(), (inputs, n_steps)


def test_without_a_share_for_every_vector_the_sums_come_before_the_steps() -> None:
    lstm, dense = recipe_of("cells.lstm.standard/stream"), recipe_of("cells.dense.linear/stream")
    assert [is_beside(lstm, Width(4, blocks, beside=True)) for blocks in (1, 2, 3)] == [True, False, True]
    assert not is_beside(lstm, Width(4, 1))
    assert not is_beside(dense, BESIDE)  # no other weights go along
