"""The chunk law (chunk invariance): any cutting of a signal into `step` and `process` calls gives the same bits."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import Model, Stream
from tests.models import ALL, cuts, mixed, model, models, quick, signal

N_STEPS = 150


def in_chunks(stream: Stream, x: Any, lengths: list[int]) -> Any:
    """The outputs, the signal given in chunks of these lengths, each chunk of one as a step."""
    outputs, at = [np.zeros((0, stream.model.output_size), np.float32)], 0
    for length in lengths:
        piece = x[at : at + length]
        outputs.append(stream.step(piece[0])[None] if length == 1 else stream.process(piece))
        at += length
    assert at == len(x)
    return np.concatenate(outputs)


def assert_same_bits(whole: Model, x: Any, lengths: list[int]) -> None:
    at_once, cut = Stream(whole), Stream(whole)
    expected, actual = at_once.process(x), in_chunks(cut, x, lengths)
    assert actual.dtype == expected.dtype == np.float32
    assert actual.tobytes() == expected.tobytes()
    assert cut.snapshot() == at_once.snapshot()


@pytest.mark.parametrize("variant", ALL)
def test_any_chunking_gives_the_same_bits(variant: str) -> None:
    @quick
    @given(hidden=st.integers(1, 70), inputs=st.integers(1, 20), seed=st.integers(0, 99), lengths=cuts(N_STEPS))
    def law(hidden: int, inputs: int, seed: int, lengths: list[int]) -> None:
        whole = model(variant, inputs=inputs, hidden=hidden, gain=2, seed=seed)
        assert_same_bits(whole, signal(N_STEPS, inputs, seed=seed), lengths)

    law()


@quick
@given(whole=models(), lengths=cuts(60), loudness=st.sampled_from([0.1, 1.0, 30.0]))
def test_any_chunking_of_any_stack_gives_the_same_bits(whole: Model, lengths: list[int], loudness: float) -> None:
    assert_same_bits(whole, signal(60, whole.input_size, loudness=loudness), lengths)


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 64, 100])
def test_chunks_around_a_tile_give_the_same_bits(length: int) -> None:
    n_whole, rest = divmod(300, length)
    assert_same_bits(mixed(), signal(300), [length] * n_whole + [rest] * (rest > 0))


@pytest.mark.parametrize("variant", ALL)
def test_a_chunk_of_no_steps_changes_nothing(variant: str) -> None:
    stream = Stream(model(variant))
    stream.process(signal(5))
    before = stream.snapshot()
    nothing = stream.process(np.zeros((0, 3), np.float32))
    assert (nothing.shape, nothing.dtype) == ((0, stream.model.output_size), np.float32)
    assert stream.snapshot() == before
