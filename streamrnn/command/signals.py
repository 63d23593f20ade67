"""Waiting for input and for room in the output, and all that can end a wait: a signal, or a reader that has gone away.

Signals are put off to the waits, so a block of rows is computed, written and accounted for as a whole or not at all. All that
they do is to put their number into a pipe, which every wait watches too: none is lost between looking and waiting.
"""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """The program was asked to end.

    signal  the signal's number
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


class OutputClosed(Exception):  # noqa: N818 - nothing went wrong
    """Nobody reads the output any more."""


class Interruption:
    """The waits of a program that reads from one descriptor and writes to another; `interruptible` makes one.

    woken  becomes readable with a signal, and holds its number
    """

    def __init__(self, source: int, target: int, woken: int) -> None:
        self._source = source
        self._target = target
        self._woken = woken

    def wait_for_input(self) -> None:
        """Block until a read will not. Raises Interrupted, or OutputClosed: then nobody waits for what might still come."""
        self._wait((self._target, 0), (self._source, select.POLLIN))

    def wait_for_output(self) -> None:
        """Block until a write will not. Raises Interrupted."""
        self._wait((self._target, select.POLLOUT))

    def _wait(self, *watched: tuple[int, int]) -> None:
        poll = select.poll()
        for descriptor, events in [*watched, (self._woken, select.POLLIN)]:
            poll.register(descriptor, events)
        ready = dict(poll.poll())
        self._heed_signals()  # before all else: Ctrl-C ends what stands before this program in a pipe too
        if ready.keys() == {self._target} and not ready[self._target] & (select.POLLIN | select.POLLOUT):
            raise OutputClosed

    def _heed_signals(self) -> None:
        with suppress(BlockingIOError):
            raise Interrupted(os.read(self._woken, 1)[0])


@contextmanager
def interruptible(source: int, target: int) -> Iterator[Interruption]:
    """Put signals off to the waits of the context's value."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        with _handled(lambda number, frame: None):  # a handler of Python's, so that the number gets into the pipe
            yield Interruption(source, target, woken)
    finally:
        signal.set_wakeup_fd(before)
        os.close(wake)
        os.close(woken)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put signals off to the end of the context: a compiler's destructors would swallow the exception that Ctrl-C becomes."""
    caught: list[int] = []
    with _handled(lambda number, frame: caught.append(number)):
        yield
    if caught:
        signal.raise_signal(caught[0])


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have signals handled so, for as long as the context lasts. Those that are ignored stay ignored."""
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
