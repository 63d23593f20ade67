"""A storm of Ctrl-C: signals at random moments, and after each one a check that all is as before the call or as after it.

    python -m tests.storm [N]

N interrupted calls (1 000) of each kind. Exit code 1 if a check fails.
"""

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streamrnn import Model, StateStore, Stream, StreamPool
from tests.models import model
from tests.models import signal as noise


class Subject(NamedTuple):
    """What is interrupted.

    call     the n-th call, which changes something
    content  what is there, to compare
    follow   the same as n calls that nobody interrupts: content after the n-th
    """

    call: Callable[[int], Any]
    content: Callable[[], Any]
    follow: Callable[[int], Any]


def of_stream(whole: Model, folder: Path) -> Subject:
    stream, alone, block = Stream(whole), Stream(whole), noise(3000)
    stream._door._n_uninterrupted = 300

    def follow(n: int) -> bytes:
        alone.process(np.roll(block, n, axis=0))  # another end each time, since a long signal forgets the state before it
        return alone.snapshot()

    return Subject(lambda n: stream.process(np.roll(block, n, axis=0)), stream.snapshot, follow)


def of_restored_stream(whole: Model, folder: Path) -> Subject:
    stream, two = Stream(whole), [Stream(whole).snapshot()]
    stream.step([1, 2, 3])
    two.append(stream.snapshot())
    stream.reset()
    return Subject(lambda n: stream.restore(two[n % 2]), stream.snapshot, lambda n: two[n % 2])


def of_pool(whole: Model, folder: Path) -> Subject:
    pool, alone, block = StreamPool(whole, 2), Stream(whole), noise(600)
    both = np.array([pool.open(), pool.open()])

    def follow(n: int) -> set[bytes]:
        alone.process(np.roll(block, n, axis=0))
        return {alone.snapshot()}

    return Subject(
        lambda n: pool.process(both, np.stack([np.roll(block, n, axis=0)] * 2)), lambda: set(pool.snapshot(both)), follow
    )


def of_store(whole: Model, folder: Path) -> Subject:
    store, one = StateStore(folder / "put", sync=False), Stream(whole).snapshot()
    return Subject(
        lambda n: store.put({"a": one, n % 50: one}, note=str(n)),
        lambda: (store.note, len(store)),
        lambda n: (str(n), 1 + min(n, 50)),
    )


def of_pool_with_store(whole: Model, folder: Path) -> Subject:
    store = StateStore(folder / "flushed", sync=False)
    pool, x = StreamPool(whole, 8, store), noise(2)

    def call(n: int) -> None:
        pool.step(pool.open_keys([n % 40, (n + 7) % 40]), x)
        pool.flush(str(n))

    def content() -> Any:
        pool.step(pool.open_keys(["another", "and another"]), x)  # it can be used
        return store.note

    return Subject(call, content, str)


SUBJECTS = {
    "Stream.process": of_stream,
    "Stream.restore": of_restored_stream,
    "StreamPool.process": of_pool,
    "StateStore.put": of_store,
    "StreamPool.flush": of_pool_with_store,
}


class Weather:
    """Signals at random moments; they interrupt only while `armed`."""

    def __init__(self) -> None:
        self.armed, self._over, self._rng = False, False, random.Random(1)
        self._before = signal.signal(signal.SIGINT, self._strike)
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def end(self) -> None:
        """No signals any more."""
        self._over = True
        self._thread.join()
        signal.signal(signal.SIGINT, self._before)

    def _strike(self, *_: Any) -> None:
        if self.armed:
            raise KeyboardInterrupt

    def _send(self) -> None:
        while not self._over:
            time.sleep(self._rng.random() * 2e-3)
            os.kill(os.getpid(), signal.SIGINT)


def run(name: str, n_interrupts: int, folder: Path) -> tuple[int, int]:
    """Interrupt calls so many times. Returns the calls made, and how many had done their work. Raises AssertionError."""
    call, content, follow = SUBJECTS[name](model("lstm", inputs=3, hidden=5), folder)
    n, n_calls, n_done, n_interrupted = 1, 0, 0, 0
    before, after = content(), follow(1)
    assert before != after
    weather = Weather()
    try:
        while n_interrupted < n_interrupts:
            n_calls += 1
            try:
                weather.armed = True
                call(n)
                weather.armed = False
                done = True
            except KeyboardInterrupt:
                weather.armed = False
                n_interrupted += 1
                now = content()
                assert now in (before, after), f"{name}, call {n}: neither as before nor as after"
                done = now == after
                n_done += done
            if done:
                before, n = after, n + 1
                after = follow(n)
    finally:
        weather.armed = False
        weather.end()
    call(n)
    assert content() == after
    return n_calls, n_done


def main() -> int:
    """The command line."""
    n_interrupts = int(sys.argv[1]) if sys.argv[1:] else 1000
    for name in SUBJECTS:
        with tempfile.TemporaryDirectory() as folder:
            n_calls, n_done = run(name, n_interrupts, Path(folder))
        print(f"{name}: {n_interrupts} of {n_calls} calls interrupted, {n_done} of them when their work was done; all is whole")
    return 0


if __name__ == "__main__":
    sys.exit(main())
