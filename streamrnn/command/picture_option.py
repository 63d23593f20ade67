"""The option `--plot`: a picture that is drawn at the end of a run."""

from pathlib import Path

import typer

from streamrnn.command.output_path import check_output_path
from streamrnn.picture_file import KINDS, new_figure


def check_picture(path: Path, source: Path) -> None:
    """Find out before the long work whether a picture can be drawn and written.

    Raises BadParameter for an extension that is no picture, MissingExtraError without matplotlib, and StreamRNNError as
    `check_output_path` does.
    """
    if path.suffix.lower() not in KINDS:
        raise typer.BadParameter(f"--plot {path}: a picture is one of {', '.join(KINDS)}")
    new_figure(1, 1)
    check_output_path(path, source)
