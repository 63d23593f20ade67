"""Waits for input or output that a signal ends.

A signal takes effect only in a wait, so that a block of rows is computed, written and counted as a whole or not at all.
"""

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Protocol

from streamrnn.command.signals import Interrupted, signals_handled

_LONGEST_DEAF = 0.05  # seconds


class OutputClosed(Exception):  # noqa: N818 - not a failure
    """The reader of the output has gone away."""


class InterruptibleWaits(Protocol):
    """The waits of a program that reads one file descriptor and writes another."""

    def read(self, n_bytes: int) -> bytes:
        """Block until there is input; up to `n_bytes` of it, none at its end. Raises as `wait_for_input`, and OSError."""

    def wait_for_input(self) -> None:
        """Block until a read will not block.

        Raises Interrupted, and OutputClosed if the reader of the output goes away: further input would have no use.
        """

    def wait_for_output(self) -> None:
        """Block until a write will not block. Raises Interrupted."""


@contextmanager
def signals_end_waits(source: int, target: int) -> Iterator[InterruptibleWaits]:
    """In this context signals take effect only in its value, the waits for the file descriptors `source` and `target`."""
    can_poll = hasattr(select, "poll") and hasattr(os, "set_blocking")
    with _polling(source, target) if can_poll else _asking(source) as waits:
        yield waits


class _PollingWaits:
    """Waits by poll.

    A signal handler only writes the number of the signal to a pipe, and each wait watches that pipe too: a signal that arrives
    just before a wait is not lost.

    wakeup  becomes readable when a signal arrives, and holds its number
    """

    def __init__(self, source: int, target: int, wakeup: int) -> None:
        self._source, self._target, self._wakeup = source, target, wakeup

    def read(self, n_bytes: int) -> bytes:
        self.wait_for_input()
        return os.read(self._source, n_bytes)

    def wait_for_input(self) -> None:
        self._wait((self._target, 0), (self._source, select.POLLIN))

    def wait_for_output(self) -> None:
        self._wait((self._target, select.POLLOUT))

    def _wait(self, *watched: tuple[int, int]) -> None:
        poll = select.poll()
        for descriptor, events in [*watched, (self._wakeup, select.POLLIN)]:
            poll.register(descriptor, events)
        ready = dict(poll.poll())
        self._raise_if_signalled()  # first: Ctrl-C also ends the other programs of a pipeline, and so the input
        if ready.keys() == {self._target} and not ready[self._target] & (select.POLLIN | select.POLLOUT):
            raise OutputClosed

    def _raise_if_signalled(self) -> None:
        with suppress(BlockingIOError):
            raise Interrupted(os.read(self._wakeup, 1)[0])


@contextmanager
def _polling(source: int, target: int) -> Iterator[InterruptibleWaits]:
    wakeup, wakeup_write = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(wakeup_write, False)
    before = signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    try:
        with signals_handled(lambda number: None):  # only a Python handler has its number written to the pipe
            yield _PollingWaits(source, target, wakeup)
    finally:
        signal.set_wakeup_fd(before)
        os.close(wakeup_write)
        os.close(wakeup)


class _AskingWaits:
    """Waits on a system that cannot wait for a pipe and a signal at once, as Windows.

    A thread reads, and the main thread waits for it and looks for signals from time to time. A write that blocks is not ended
    by a signal, and that the reader of the output has gone away is seen by the next write.

    signals  the numbers of those that have come
    """

    def __init__(self, source: int, signals: list[int]) -> None:
        self._source, self._signals = source, signals
        self._requests, self._answers = SimpleQueue[int | None](), SimpleQueue[bytes | OSError]()
        threading.Thread(target=self._read_on_request, name="streamrnn-input", daemon=True).start()

    def read(self, n_bytes: int) -> bytes:
        self._requests.put(n_bytes)
        while True:
            self.wait_for_output()
            with suppress(Empty):
                answer = self._answers.get(timeout=_LONGEST_DEAF)
                if isinstance(answer, OSError):
                    raise answer
                self.wait_for_output()  # first: Ctrl-C also ends the other programs of a pipeline, and so the input
                return answer

    def wait_for_input(self) -> None:
        self.wait_for_output()  # only a file is read in other ways than by `read`, and a file never blocks

    def wait_for_output(self) -> None:
        if self._signals:
            raise Interrupted(self._signals[0])

    def end(self) -> None:
        """Let the thread end."""
        self._requests.put(None)

    def _read_on_request(self) -> None:
        while (n_bytes := self._requests.get()) is not None:
            try:
                self._answers.put(os.read(self._source, n_bytes))
            except OSError as error:
                self._answers.put(error)


@contextmanager
def _asking(source: int) -> Iterator[InterruptibleWaits]:
    caught: list[int] = []
    waits = _AskingWaits(source, caught)
    try:
        with signals_handled(caught.append):
            yield waits
    finally:
        waits.end()
