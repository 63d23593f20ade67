"""Waiting for input and for room in the output, and all that can end a wait: a signal, or a reader that has gone away.

Signals are put off to the waits, so a block of rows is computed, written and accounted for as a whole or not at all. All that
they do is to put their number into a pipe, which every wait watches too: none is lost between looking and waiting.
"""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Self

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
    """The waits of a program that reads from one descriptor and writes to another. Signals that are ignored stay ignored."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target

    def __enter__(self) -> Self:
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        self._wake = wake
        self._wakeup_before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._handlers_before = {number: signal.signal(number, _do_nothing) for number in heeded}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._wake)
        os.close(self._woken)

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
        if self._woken in ready:
            raise Interrupted(os.read(self._woken, 1)[0])
        if ready.keys() == {self._target} and not ready[self._target] & (select.POLLIN | select.POLLOUT):
            raise OutputClosed


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A handler of Python's, so that the number gets into the pipe and nothing else happens."""
