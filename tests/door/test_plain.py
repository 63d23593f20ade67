"""The plain door: `process` can be interrupted, and is then undone; it writes to an array of the caller's."""

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import LSTM, InputError, Model, NonFiniteInputError, Stream
from streamrnn.door import plain

RNG = np.random.default_rng(0)
MODEL = Model([LSTM(RNG.normal(size=(4, 24, 2)), RNG.normal(size=(4, 24, 24)) / 8)])


def test_ctrl_c_ends_a_long_process_and_undoes_it() -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    stream = Stream(MODEL)
    stream.process(RNG.normal(size=(5, 2)))
    before = stream.snapshot()
    block = RNG.normal(size=(3_000_000, 2)).astype(np.float32)
    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            stream.process(block)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert stream.snapshot() == before
    assert stream.process(block[:100]).shape == (100, 24)


def test_however_often_process_looks_up_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    block = RNG.normal(size=(500, 2)).astype(np.float32)
    whole = Stream(MODEL).process(block)
    monkeypatch.setattr(plain, "UNINTERRUPTED_BYTES", 100_000)
    assert Stream(MODEL).process(block).tobytes() == whole.tobytes()


def test_however_large_a_model_is_the_driver_gets_whole_tiles() -> None:
    wide = np.zeros((4, 600, 600), np.float32)
    for model in MODEL, Model([LSTM(wide, wide)]):
        stream = Stream(model)
        assert stream._door._n_uninterrupted % stream._workspace.plan.tile == 0


def test_a_late_refusal_undoes_the_steps_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "UNINTERRUPTED_BYTES", 100_000)
    stream = Stream(MODEL)
    before = stream.snapshot()
    block = RNG.normal(size=(500, 2)).astype(np.float32)
    block[499, 1] = np.nan
    with pytest.raises(NonFiniteInputError, match=r"\[499, 1\]"):
        stream.process(block)
    assert stream.snapshot() == before


ROWS = RNG.normal(size=(60, 2)).astype(np.float32)


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.empty((60, 24), np.float32),
        lambda: np.empty((60, 48), np.float32)[:, ::2],
        lambda: np.empty((24, 60), np.float32).T,
        lambda: np.empty((61, 24), np.float32)[1:],
    ],
    ids=["usual", "strided", "in columns", "a part"],
)
def test_process_writes_to_out_and_returns_it(make: Callable[[], Any]) -> None:
    expected, out = Stream(MODEL).process(ROWS), make()
    assert Stream(MODEL).process(ROWS, out) is out
    assert out.tobytes() == expected.tobytes()
    again = make()
    assert Stream(MODEL).process(ROWS.astype(np.float64), out=again) is again
    assert again.tobytes() == expected.tobytes()


def test_a_block_that_shares_memory_with_out_is_read_before_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "UNINTERRUPTED_BYTES", 100_000)
    memory = np.zeros(60 * 24 + 40, np.float32)
    for begin in 0, 40:
        memory[begin : begin + 120] = ROWS.ravel()
        out = memory[: 60 * 24].reshape(60, 24)
        Stream(MODEL).process(memory[begin : begin + 120].reshape(60, 2), out=out)
        assert out.tobytes() == Stream(MODEL).process(ROWS).tobytes()


@pytest.mark.parametrize(
    "out",
    [
        np.empty((59, 24), np.float32),
        np.empty(60 * 24, np.float32),
        np.empty((60, 24)),
        [[0.0] * 24] * 60,
        np.frombuffer(bytes(4 * 60 * 24), np.float32).reshape(60, 24),
    ],
    ids=["shorter", "1-d", "float64", "list", "read-only"],
)
def test_an_out_of_process_that_cannot_be_written_to_is_refused(out: Any) -> None:
    stream = Stream(MODEL)
    before = stream.snapshot()
    with pytest.raises(InputError, match="process: out must be a writable float32 array"):
        stream.process(ROWS, out=out)
    assert stream.snapshot() == before
