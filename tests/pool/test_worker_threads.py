"""`WorkerThreads`: a pool has helpers of its own, in a fork too, which end with it. test_threads.py checks their results."""

import ctypes
import gc
import os
import subprocess
import sys
import threading
import time
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pytest

from streamrnn import InputError, StreamPool
from streamrnn.target.record import ASLEEP, MODE
from tests.models import mixed, signal


def helpers() -> int:
    return sum(thread.name == "streamrnn-pool" for thread in threading.enumerate())


def test_helpers_end_with_their_pool() -> None:
    before = helpers()
    pool = StreamPool(mixed(), threads=4)
    assert helpers() == before + 3
    del pool
    begin = time.monotonic()
    while helpers() > before and time.monotonic() - begin < 30:
        time.sleep(0.01)
    assert helpers() == before


@pytest.mark.parametrize(
    ("python", "why"),
    [(SimpleNamespace(), "Python has no locks"), (SimpleNamespace(PyThread_allocate_lock=lambda: None), "no more")],
)
def test_where_there_are_no_locks_one_is_told_to_do_without(python: object, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = StreamPool(mixed(), threads=2)
    gc.collect()  # no lock of an earlier test is to be freed below
    with monkeypatch.context() as patched:
        patched.setattr(ctypes, "pythonapi", python)
        with pytest.raises(InputError, match=f"{why}.*use threads=1"):
            StreamPool(loaded.model, threads=2)


def test_helpers_that_sleep_between_calls_miss_none_and_leave_their_locks_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls come at every point of a helper's fall asleep; all of its lock's releases are taken, so it is asleep in the end."""
    monkeypatch.setattr("streamrnn.pool.plain_door.SHARED_BYTES", 0)
    pool, alone = StreamPool(mixed(), 64, threads=4), StreamPool(mixed(), 64)
    slots = np.array([pool.open() for _ in range(64)])
    _ = [alone.open() for _ in range(64)]
    x, rng = signal(64), np.random.default_rng(0)
    for pause in rng.uniform(0, 150e-6, 1500):
        end = time.perf_counter() + pause
        while time.perf_counter() < end:
            pass
        assert pool.step(slots, x).tobytes() == alone.step(slots, x).tobytes()
    kept = pool._door._workers._kept  # type: ignore[union-attr]
    begin = time.monotonic()
    while (kept.helpers[:, MODE] != ASLEEP).any() and time.monotonic() - begin < 30:
        time.sleep(0.01)
    time.sleep(0.01)
    assert kept.helpers[:, MODE].tolist() == [ASLEEP] * 3
    take = ctypes.pythonapi.PyThread_acquire_lock
    assert [take(ctypes.c_void_p(lock.address), 0) for lock in kept.locks] == [0] * 3


def _output(script: str) -> str:
    """What a script prints that has a pool on three threads, shared by every call."""
    begin = """
        import os, warnings
        import numpy as np
        import streamrnn
        from streamrnn.pool import plain_door
        from tests.models import mixed, signal

        plain_door.SHARED_BYTES = 0
        pool = streamrnn.StreamPool(mixed(), 64, threads=3)
        slots = np.array([pool.open() for _ in range(64)])

        def answer():
            return pool.step(slots, signal(64)).tobytes()
    """
    StreamPool(mixed(), threads=2)  # its kernels are compiled
    ran = subprocess.run([sys.executable, "-c", dedent(begin) + dedent(script)], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_has_helpers_of_its_own() -> None:
    script = """
        warnings.simplefilter("ignore", DeprecationWarning)  # that a process with threads forks is what is tried
        answer()
        to_parent, from_child = os.pipe()
        child = os.fork()
        answers = [answer() for _ in range(50)]
        if not child:
            os.write(from_child, answers[-1])
            os._exit(0)
        os.waitpid(child, 0)
        print(os.read(to_parent, 1 << 16) == answers[-1])
    """
    assert _output(script) == "True\n"


def test_the_interpreter_ends_with_pools_around() -> None:
    script = """
        others = [streamrnn.StreamPool(mixed(), threads=3) for _ in range(20)]
        answer()
        print("the end")
    """
    assert _output(script) == "the end\n"


def test_helpers_whose_start_was_interrupted_are_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a fork."""
    monkeypatch.setattr("streamrnn.pool.plain_door.SHARED_BYTES", 0)
    pool, alone = StreamPool(mixed(), 64, threads=3), StreamPool(mixed(), 64)
    slots, x = [pool.open() for _ in range(64)], signal(64)
    _ = [alone.open() for _ in range(64)]
    workers = pool._door._workers
    assert workers is not None
    monkeypatch.setattr(workers, "_process", 0)
    workers.forget_helpers()
    make_room = workers._make_room

    def interrupted(record: object) -> None:
        monkeypatch.setattr(workers, "_make_room", make_room)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "_make_room", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.step(slots, x)
    for _ in range(3):
        assert pool.step(slots, x).tobytes() == alone.step(slots, x).tobytes()
