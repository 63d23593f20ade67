"""The comparison of a model with what it was made from, which `import` and `verify` share, and its progress."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from streamrnn.command.console import console
from streamrnn.errors import StreamRNNError
from streamrnn.model import Model

if TYPE_CHECKING:
    from streamrnn_converters.report import Report


def read_source(path: Path) -> bytes:
    """A foreign model, read once: what is proven is what was imported. Raises StreamRNNError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise StreamRNNError(f"{path}: cannot be read ({error.strerror})") from error


def prove(model: Model, source: bytes) -> "Report":
    """Compare, showing progress on standard error where that is a terminal. Raises as `verify` does."""
    from streamrnn_converters.verification import verify

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    to = console(sys.stderr)
    with Progress(*columns, console=to, transient=True, disable=not to.is_terminal) as progress:
        task = progress.add_task("comparing with onnxruntime", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return verify(model, source, progress=advance)
