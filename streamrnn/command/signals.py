"""Signals, and waits for input or output that a signal ends.

A signal takes effect only in a wait, so that a block of rows is computed, written and counted as a whole or not at all. A
signal handler only writes the number of the signal to a pipe, and each wait watches that pipe too: a signal that arrives just
before a wait is not lost.
"""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):  # noqa: N818 - not a failure
    """A signal asked the program to end.

    signal  its number
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


class OutputClosed(Exception):  # noqa: N818 - not a failure
    """The reader of the output has gone away."""


class InterruptibleWaits:
    """The waits of a program that reads one file descriptor and writes another. Made by `signals_end_waits`.

    source, target  the file descriptors
    wakeup          becomes readable when a signal arrives, and holds its number
    """

    def __init__(self, source: int, target: int, wakeup: int) -> None:
        self._source = source
        self._target = target
        self._wakeup = wakeup

    def wait_for_input(self) -> None:
        """Block until a read will not block.

        Raises Interrupted, and OutputClosed if the reader of the output goes away: further input would have no use.
        """
        self._wait((self._target, 0), (self._source, select.POLLIN))

    def wait_for_output(self) -> None:
        """Block until a write will not block. Raises Interrupted."""
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
def signals_end_waits(source: int, target: int) -> Iterator[InterruptibleWaits]:
    """In this context signals take effect only in the waits that are its value."""
    wakeup, wakeup_write = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(wakeup_write, False)
    before = signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    try:
        with _handled(lambda number, frame: None):  # only a Python handler has its number written to the pipe
            yield InterruptibleWaits(source, target, wakeup)
    finally:
        signal.set_wakeup_fd(before)
        os.close(wakeup_write)
        os.close(wakeup)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Signals in this context take effect at its end. In the compiler, KeyboardInterrupt would be swallowed by a destructor."""
    caught: list[int] = []
    with _handled(lambda number, frame: caught.append(number)):
        yield
    if caught:
        signal.raise_signal(caught[0])


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Install a handler for the length of the context. Signals that are ignored stay ignored."""
    numbers = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
