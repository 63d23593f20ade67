"""Entry locks: one caller at a time, and Ctrl-C never leaves one taken."""

import ctypes
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamrnn import Stream, StreamBusyError, StreamPool
from streamrnn.door import entry_lock as module
from streamrnn.pool.call_errors import refuse
from tests.interruption import by_timer
from tests.models import mixed, signal


def busy(lock: Any) -> int:
    return ctypes.c_int64.from_address(module.busy_address(lock)).value


@pytest.fixture(params=["machine code", "Python"])
def lock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    if request.param == "Python":
        monkeypatch.setattr(module, "layout_is_known", lambda: False)
    made = module.entry_lock(refuse)
    assert isinstance(made, module.PlainEntryLock) == (request.param == "Python")
    return made


def test_one_caller_is_in_at_a_time_and_the_next_one_afterwards(lock: Any) -> None:
    for _ in range(3):
        assert busy(lock) == 0
        with lock:
            assert busy(lock) == 1
            with pytest.raises(StreamBusyError), lock:
                pass
            assert busy(lock) == 1
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    assert busy(lock) == 0


def test_a_lock_leaks_no_reference() -> None:
    lock = module.entry_lock(refuse)
    things = lock, type(lock), refuse
    before = [*map(sys.getrefcount, things)]
    for _ in range(1000):
        with lock, pytest.raises(StreamBusyError), lock:
            pass
        module.entry_lock(refuse)
    assert [*map(sys.getrefcount, things)] == before


SLOTS = [*range(20)]
CALLS: dict[str, Callable[[StreamPool, Stream], Any]] = {
    "reset of a pool": lambda pool, _: pool.reset(SLOTS),
    "snapshot of a pool": lambda pool, _: pool.snapshot(3),
    "a tick through the plain door": lambda pool, _: pool.step(SLOTS, signal(20)),
    "process of a pool": lambda pool, _: pool.process(SLOTS[:2], signal(8).reshape(2, 4, 3)),
    "reset of a stream": lambda _, stream: stream.reset(),
    "snapshot of a stream": lambda _, stream: stream.snapshot(),
    "process of a stream": lambda _, stream: stream.process(signal(5)),
    "a step through the plain door": lambda _, stream: stream.step(signal(1)[0].tolist()),
}


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_never_leaves_a_lock_taken(name: str) -> None:
    pool, stream = StreamPool(mixed(), 20), Stream(mixed())
    for _ in SLOTS:
        pool.open()
    x, slots = signal(20), np.array(SLOTS)
    CALLS[name](pool, stream)
    assert by_timer(lambda: CALLS[name](pool, stream), 1500) > 0
    pool.step(slots, x)
    pool.reset()
    stream.step(x[0])
    stream.reset()
