"""The plain door: `process` can be interrupted, and is then undone."""

import signal
from typing import Any

import numpy as np
import pytest

from streamrnn import LSTM, Model, NonFiniteInputError, Stream
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


def test_a_late_refusal_undoes_the_steps_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "UNINTERRUPTED_BYTES", 100_000)
    stream = Stream(MODEL)
    before = stream.snapshot()
    block = RNG.normal(size=(500, 2)).astype(np.float32)
    block[499, 1] = np.nan
    with pytest.raises(NonFiniteInputError, match=r"\[499, 1\]"):
        stream.process(block)
    assert stream.snapshot() == before
