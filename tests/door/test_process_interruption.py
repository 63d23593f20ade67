"""Ctrl-C in calls that change a state: it is the state before or after, and stays that."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import Stream, StreamPool
from tests.interruption import at_every_line, by_timer
from tests.models import model, signal

pytestmark = pytest.mark.usefixtures("old_objects_are_left_alone")

FILES = "plain.py", "plain_door.py", "workspace.py", "stream.py", "stream_pool.py"
WHOLE = model("lstm", inputs=3, hidden=5)
BLOCK = signal(60_000)
SOON = 3e-3  # seconds in which the interrupted calls come to their driver


def of_stream() -> tuple[Callable[[], Any], Callable[[], bytes]]:
    stream = Stream(WHOLE)
    stream._door._n_uninterrupted = 500
    return lambda: stream.process(BLOCK), stream.snapshot


def of_pool() -> tuple[Callable[[], Any], Callable[[], bytes]]:
    pool = StreamPool(WHOLE, 2)
    pool.open(), pool.open()
    return lambda: pool.process([1, 0], BLOCK[:8000].reshape(2, 4000, 3)), lambda: b"".join(pool.snapshot([0, 1]))


@pytest.mark.parametrize("make", [of_stream, of_pool])
def test_a_state_is_put_back_at_once_and_not_when_the_traceback_goes(
    make: Callable[[], tuple[Callable[[], Any], Callable[[], bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell keeps the last traceback. What it holds must not change the stream when it is let go."""
    monkeypatch.setattr("streamrnn.pool.plain_door.UNINTERRUPTED_BYTES", 300_000)
    process, snapshot = make()
    kept: list[BaseException] = []

    def keeping() -> None:
        try:
            process()
        except KeyboardInterrupt as error:
            kept.append(error)
            raise

    before = snapshot()
    process()
    after = snapshot()
    assert before != after
    n_put_back = 0
    for _ in range(12):
        process, snapshot = make()
        assert by_timer(keeping, 1, longest=SOON) <= 1
        by_timer(keeping, 30, longest=SOON)
        now = snapshot()
        n_put_back += len(kept)
        kept.clear()
        gc.collect()
        assert snapshot() == now
    assert n_put_back > 10


@pytest.mark.parametrize("name", ["process", "restore", "reset"])
@pytest.mark.parametrize("make", [Stream, lambda whole: StreamPool(whole, 2)], ids=["stream", "pool"])
def test_a_call_that_is_interrupted_at_any_line_leaves_the_old_state_or_the_new_one(name: str, make: Any) -> None:
    one, x = make(WHOLE), signal(8)
    target: tuple[Any, ...] = ()
    if isinstance(one, StreamPool):
        target, x = (one.open(),), x[None]
        calls = {"process": lambda: one.process([0], x), "restore": lambda: one.restore(0, new), "reset": lambda: one.reset()}
    else:
        calls = {"process": lambda: one.process(x), "restore": lambda: one.restore(new), "reset": lambda: one.reset()}
    new = Stream(WHOLE).snapshot()
    one.process(*([target] if target else []), np.ones_like(x))
    old = one.snapshot(*target)
    calls[name]()
    done, n = one.snapshot(*target), 0
    one.restore(*target, old)
    for _ in at_every_line(calls[name], FILES):
        n += 1
        assert one.snapshot(*target) in (old, done)
        one.restore(*target, old)
    assert n > 1
    assert one.snapshot(*target) == done
