"""Signals that ask the program to end, and where they take effect."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: Windows has no SIGHUP; SIGBREAK is Ctrl-Break there, and the closing of the window.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


class Interrupted(Exception):  # noqa: N818 - not a failure
    """A signal asked the program to end.

    signal  its number
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


class Terminated(BaseException):
    """What SIGTERM and the like raise, so that the program ends in order: as KeyboardInterrupt does for Ctrl-C.

    signal  its number
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


@contextmanager
def termination_raised() -> Iterator[None]:
    """In this context signals that ask the program to end raise Terminated; Ctrl-C raises KeyboardInterrupt, as always."""

    def raised(number: int) -> None:
        raise Terminated(number)

    with signals_handled(raised, but=signal.SIGINT):
        yield


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Signals in this context take effect at its end. In the compiler, KeyboardInterrupt would be swallowed by a destructor."""
    caught: list[int] = []
    with signals_handled(caught.append):
        yield
    if caught:
        signal.raise_signal(caught[0])


@contextmanager
def signals_handled(handler: Callable[[int], object], but: int | None = None) -> Iterator[None]:
    """In this context a signal, `but` one, only calls the handler, with its number. Signals that are ignored stay ignored."""

    def called(number: int, frame: FrameType | None) -> None:
        handler(number)

    numbers = [number for number in _SIGNALS if number != but and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, called) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def ignore_ctrl_c() -> None:
    """Let this process ignore Ctrl-C, which the terminal sends to all processes of a program: the first one decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
