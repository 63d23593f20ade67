"""Where the rows of a run come from and where its outputs go, with their formats."""

from pathlib import Path
from typing import NamedTuple

from streamrnn.command.running.formats import Columns, Format


class Endpoints(NamedTuple):
    """The paths of input and output ("-": standard input or output), and their formats.

    columns  which column of the input is what
    sync     whether output and states should survive a power failure
    append   whether the output comes after what the file has
    rate     frames per second of a wav that is written; None: that of the wav that is read
    """

    source: Path
    source_format: Format
    target: Path
    target_format: Format
    columns: Columns
    sync: bool = True
    append: bool = False
    rate: int | None = None
