"""The comparison of a model with what it was made from, which `import` and `verify` share, and its progress."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from streamrnn.command.console import complain, console
from streamrnn.model import Model

if TYPE_CHECKING:
    from streamrnn_converters.proof.horizon import Horizon
    from streamrnn_converters.proof.layerwise import Layerwise
    from streamrnn_converters.proof.report import Report


def read_source(path: Path, allow_external_data: bool = False) -> bytes:
    """A foreign model, read once: what is proven is what was imported. Raises ConversionError where it cannot be read."""
    if allow_external_data:
        from streamrnn_converters.onnx.parse.file import read_bytes

        return read_bytes(path, allow_external_data=True)
    from streamrnn_converters.reading import read_file

    return read_file(path)


def prove(model: Model, source: bytes) -> "Report":
    """Compare, showing progress on standard error where that is a terminal. Raises as `verify` does."""
    from streamrnn_converters.proof.verification import verify

    with _bar("comparing with onnxruntime") as advance:
        return verify(model, source, progress=advance)


def look_closer(model: Model, source: bytes) -> "Layerwise":
    """Compare layer by layer. Raises as `layerwise` does."""
    from streamrnn_converters.proof.layerwise import layerwise

    return layerwise(model, source)


def look_far(model: Model, source: bytes, n_steps: int) -> "Horizon":
    """Compare over one long signal, showing progress as `prove` does. Raises as `horizon` does."""
    from streamrnn_converters.proof.horizon import horizon

    with _bar(f"{n_steps} steps beside onnxruntime") as advance:
        return horizon(model, source, n_steps=n_steps, progress=advance)


def warn(model: Model) -> tuple[str, ...]:
    """Say, on standard error, what looks wrong in a model that may yet be what was meant."""
    from streamrnn_converters.proof.sanity_checks import suspicions

    found = suspicions(model)
    for sentence in found:
        complain(f"warning: {sentence}")
    return found


@contextmanager
def _bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, where that is a terminal: called with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    to = console(sys.stderr)
    with Progress(*columns, console=to, transient=True, disable=not to.is_terminal) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
