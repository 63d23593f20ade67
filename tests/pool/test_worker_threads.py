"""`WorkerThreads`: a pool has helpers of its own, in a fork too, which end with it. test_threads.py checks their results."""

import ctypes
import os
import subprocess
import sys
import threading
import time
from textwrap import dedent
from types import SimpleNamespace

import pytest

from streamrnn import InputError, StreamPool
from streamrnn.target.record import PROCESS
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
    "library",
    [SimpleNamespace(), SimpleNamespace(sem_init=lambda *_: -1, sem_trywait=0, sem_wait=0, sem_post=0, usleep=0, getpid=0)],
)
def test_a_system_without_semaphores_is_told_to_do_without(library: object, monkeypatch: pytest.MonkeyPatch) -> None:
    StreamPool(mixed(), threads=2)  # its kernels are loaded, which takes the real ctypes
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(ctypes, "cast", lambda value, kind: SimpleNamespace(value=value))
    with pytest.raises(InputError, match="use threads=1"):
        StreamPool(mixed(), threads=2)


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
    workers._record[PROCESS] = 0
    make_room = workers._make_room

    def interrupted(record: object) -> None:
        monkeypatch.setattr(workers, "_make_room", make_room)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "_make_room", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.step(slots, x)
    for _ in range(3):
        assert pool.step(slots, x).tobytes() == alone.step(slots, x).tobytes()
