"""Pictures that matplotlib draws into files: the extra `plot`."""

from pathlib import Path
from typing import Any

from streamrnn.errors import MissingExtraError, StreamRNNError

#: Extensions of the pictures that can be written.
KINDS = (".png", ".svg", ".pdf")


def new_figure(width: float, height: float) -> Any:
    """An empty figure of matplotlib, in inches. Raises MissingExtraError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing needs matplotlib; install it: pip install 'streamrnn[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, path: Path) -> None:
    """Write a figure. Raises StreamRNNError where the file cannot be written."""
    try:
        figure.savefig(path)
    except OSError as error:
        raise StreamRNNError(f"{path}: cannot be written ({error.strerror})") from error
