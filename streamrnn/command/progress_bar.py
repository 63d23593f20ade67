"""The progress bars of long work: on standard error, and only where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamrnn.command.console import console

if TYPE_CHECKING:
    from rich.progress import Progress

_shown: "list[Progress]" = []  # a terminal shows the bars of one Progress at a time


@contextmanager
def progress_bar(description: str, *, show_count: bool = False, threaded: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Show a bar until the context ends. The value of the context is called with (done, total) as the work goes on.

    show_count  also print "done/total"
    threaded    let a thread redraw the bar, so that its clock runs on; False where that would disturb a measurement. A bar
                within another one is redrawn as that is
    """
    if not is_terminal():
        yield lambda done, total: None
        return
    with _progress(threaded) as progress:
        task = progress.add_task(description, total=None, count="")

        def advance(done: int, total: int) -> None:
            count = f"{done}/{total}" if show_count else ""
            progress.update(task, completed=done, total=total, count=count, refresh=not progress.live.auto_refresh)

        try:
            yield advance
        finally:
            progress.refresh()  # with what it was called with last
            progress.remove_task(task)


def is_terminal() -> bool:
    """Whether standard error is a terminal, so that bars are shown."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def _progress(threaded: bool) -> "Iterator[Progress]":
    """The progress that is shown, or else a new one."""
    if _shown:
        yield _shown[-1]
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True, auto_refresh=threaded) as progress:
        _shown.append(progress)
        try:
            yield progress
        finally:
            _shown.remove(progress)
