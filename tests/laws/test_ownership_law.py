"""The ownership law (no aliasing): a result is the caller's to keep, and a stream never keeps or changes an input."""

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamrnn import Model, Stream
from tests.models import ALL, mixed, model, models, quick, signal

every_variant = pytest.mark.parametrize("variant", ALL)


@every_variant
def test_what_step_returned_is_never_overwritten(variant: str) -> None:
    stream = Stream(model(variant))
    x = signal(100)
    kept = [stream.step(row) for row in x]
    frozen = [y.copy() for y in kept]
    stream.process(x)
    stream.reset()
    del stream
    gc.collect()
    for y, copy in zip(kept, frozen, strict=True):
        assert y.tobytes() == copy.tobytes()
        assert y.flags.writeable
    addresses = {y.ctypes.data for y in kept}
    assert len(addresses) == len(kept)


@quick
@given(whole=models(), holds=st.lists(st.sampled_from(["keep", "drop", "view", "process"]), min_size=5, max_size=60))
def test_whatever_is_kept_stays_as_it_was(whole: Model, holds: list[str]) -> None:
    stream, kept = Stream(whole), []
    for hold, row in zip(holds, signal(len(holds), whole.input_size), strict=True):
        y = stream.process(row[None]) if hold == "process" else stream.step(row)
        if hold != "drop":
            part = y[:1] if hold == "view" else y
            kept.append((part, part.copy()))
    assert all(part.tobytes() == copy.tobytes() for part, copy in kept)


@every_variant
def test_writing_into_what_was_returned_does_not_reach_the_stream(variant: str) -> None:
    vandal, quiet = Stream(model(variant)), Stream(model(variant))
    for row in signal(50):
        y = vandal.step(row)
        assert y.tobytes() == quiet.step(row).tobytes()
        y[:] = np.nan
        vandal.process(row[None])[:] = np.nan
        quiet.process(row[None])
        for states in vandal.states:
            for state in states.values():
                state[:] = np.nan
    assert vandal.snapshot() == quiet.snapshot()


@every_variant
def test_inputs_are_not_modified(variant: str) -> None:
    stream = Stream(model(variant))
    for x in signal(20), signal(20).astype(np.float64), np.asfortranarray(signal(20)), signal(20).tolist():
        before = np.array(x).tobytes()
        stream.process(x)
        for row in x:
            stream.step(row)
        assert np.array(x).tobytes() == before


@every_variant
def test_later_writes_to_an_input_do_not_matter(variant: str) -> None:
    reused, fresh = Stream(model(variant)), Stream(model(variant))
    buffer = np.zeros(3, np.float32)
    for row in signal(50):
        buffer[:] = row
        assert reused.step(buffer).tobytes() == fresh.step(row.copy()).tobytes()
        buffer[:] = np.nan
    assert reused.snapshot() == fresh.snapshot()


def test_an_output_may_be_the_next_input() -> None:
    whole = model("lstm", inputs=6, hidden=6)
    chained, copied = Stream(whole), Stream(whole)
    y = z = signal(1, 6)[0]
    for _ in range(50):
        y, z = chained.step(y), copied.step(z.copy())
        assert y.tobytes() == z.tobytes()


def test_streams_of_one_model_share_nothing_but_the_model() -> None:
    whole = mixed()
    alone, first, second = Stream(whole), Stream(whole), Stream(whole)
    x = signal(80)
    expected = alone.process(x)
    for row, other, want in zip(x, signal(80, seed=1), expected, strict=True):
        second.step(other)
        assert first.step(row).tobytes() == want.tobytes()


def test_a_stream_keeps_what_it_needs_alive() -> None:
    def make() -> Any:
        return Stream(mixed())

    expected = Stream(mixed()).process(signal(200))
    stream = make()
    gc.collect()
    trash = [np.full(4096, np.nan, np.float32) for _ in range(200)]
    actual = stream.process(signal(200))
    assert len(trash) == 200
    assert actual.tobytes() == expected.tobytes()


def test_a_snapshot_is_the_callers_too() -> None:
    stream = Stream(mixed())
    saved = stream.snapshot()
    assert type(saved) is bytes
    again = bytearray(saved)
    stream.restore(again)
    again[:] = bytes(len(again))
    assert stream.snapshot() == saved
