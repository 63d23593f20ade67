"""Entry locks: one caller at a time, and Ctrl-C never leaves one taken."""

import ctypes
import os
import subprocess
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
    if isinstance(lock, module.PlainEntryLock):
        return int(lock.busy)
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("kind", ["Stream", "StreamPool", "PlainEntryLock"])
def test_what_another_thread_was_in_says_in_a_fork_that_it_cannot_be_used(kind: str) -> None:
    """While a thread computes, the process forks. Streams that nobody was in go on in the child, with the same bits."""
    code = f"""
import os, sys, threading, time
import numpy as np
from streamrnn import Stream, StreamBusyError, StreamPool
from streamrnn.door import builtin, entry_lock
from tests.models import mixed, signal

kind = {kind!r}
if kind == "PlainEntryLock":
    builtin.layout_is_known = entry_lock.layout_is_known = lambda: False  # a compiled door needs a lock in machine code
whole = mixed()
free, busy = Stream(whole), StreamPool(whole, 4) if kind == "StreamPool" else Stream(whole)
x, long = signal(1)[0], np.zeros((1_000_000, 3), np.float32)
door = busy._door.entry_lock
if kind == "StreamPool":
    busy.open(), busy.open()
    work = lambda: busy.process([0], long[None])
else:
    work = lambda: busy.process(long)
expected = Stream(whole).step(x).tobytes()
entered = threading.Thread(target=work, daemon=True)
entered.start()
time.sleep(0.1)
if not os.fork():
    for call in (busy.snapshot, busy.reset, lambda: busy.step([0], x[None]) if kind == "StreamPool" else busy.step(x.tolist())):
        try:
            call()
            print("not refused")
        except StreamBusyError as error:
            print("forked" in str(error), "make a new one" in str(error))
    print(free.step(x).tobytes() == expected, Stream(whole).step(x).tobytes() == expected)
    sys.stdout.flush()
    os._exit(0)
os.wait()
try:
    busy.snapshot()
    print("over too early")
except StreamBusyError as error:
    print("another thread is in" in str(error))
sys.stdout.flush()
os._exit(0)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "ignore", "-c", code]  # Python 3.12 warns of a fork beside threads
    out = subprocess.check_output(command, text=True, env=environment)
    assert out.split("\n") == ["True True"] * 4 + ["True", ""]
