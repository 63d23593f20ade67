"""Ctrl-C at every place where it may come."""

import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from linecache import getline
from pathlib import Path
from types import FrameType
from typing import Any


@contextmanager
def after_lines(n: int, files: Collection[str]) -> Iterator[None]:
    """KeyboardInterrupt before the n-th line, from 0 on, of files with these names that is run in here.

    `with` and `try` do not count: Python looks for no signal between the end of a block and an `__exit__` in C, nor at `try`.
    """
    left = n

    def each(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if Path(frame.f_code.co_filename).name not in files:
            return None
        if event == "line" and not getline(frame.f_code.co_filename, frame.f_lineno).lstrip().startswith(("with ", "try:")):
            left -= 1
            if left == -1:
                raise KeyboardInterrupt
        return each

    before = sys.gettrace()
    sys.settrace(each)
    try:
        yield
    finally:
        sys.settrace(before)


def at_every_line(call: Callable[[], Any], files: Collection[str]) -> Iterator[None]:
    """Interrupt a call before each of its lines in turn, in files with these names; yields behind each interruption.

    It ends with a call that is not interrupted. A signal raises at fewer places: behind calls, and at the entry of functions.
    """
    for n in range(100_000):
        try:
            with after_lines(n, files):
                call()
        except KeyboardInterrupt:
            yield
        else:
            return


def by_timer(call: Callable[[], Any], n: int, longest: float = 60e-6) -> int:
    """Call it n times, each with a signal that raises up to `longest` seconds later. Returns how many were interrupted."""

    def interrupt(*_: Any) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise KeyboardInterrupt

    armed, interrupted, before = False, 0, signal.signal(signal.SIGALRM, interrupt)
    try:
        for index in range(n):
            try:
                armed = True
                signal.setitimer(signal.ITIMER_REAL, 2e-6 + longest * (index % 60) / 60)
                call()
                armed = False
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return interrupted
