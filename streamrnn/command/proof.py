"""The comparison of a model with what it was made from, which `import` and `verify` share, and its progress."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from streamrnn.command.console import console
from streamrnn.model import Model

if TYPE_CHECKING:
    from streamrnn_converters.verify import Report


def prove(model: Model, source: Path) -> "Report":
    """Compare, showing progress on standard error where that is a terminal. Raises as `verify` does."""
    from streamrnn_converters.verify import verify

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    to = console(sys.stderr)
    with Progress(*columns, console=to, transient=True, disable=not to.is_terminal) as progress:
        task = progress.add_task("comparing with onnxruntime", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return verify(model, source, progress=advance)
