"""The progress bar of long work: on standard error, and only where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamrnn.command.console import console


@contextmanager
def progress_bar(description: str, *, show_count: bool = False, threaded: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Show a bar until the context ends. The value of the context is called with (done, total) as the work goes on.

    show_count  also print "done/total"
    threaded    let a thread redraw the bar, so that its clock runs on; False where that would disturb a measurement
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    count = [MofNCompleteColumn()] if show_count else []
    columns = (TextColumn("{task.description}"), BarColumn(), *count, TimeElapsedColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True, auto_refresh=threaded) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total, refresh=not threaded)
