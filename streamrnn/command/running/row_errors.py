"""What a run does with rows that it cannot use: `--on-error`."""

from enum import StrEnum

from streamrnn.command.console import print_message
from streamrnn.command.running.formats import Row


class OnError(StrEnum):
    """What follows a bad row: the end of the run, or the next row."""

    STOP = "stop"
    SKIP = "skip"


class Stopped(Exception):  # noqa: N818 - the error is already on standard error
    """The run ends at a bad row."""


class RowErrors:
    """Reports and counts bad rows.

    on_error  whether the first one ends the run

    n_rows  bad rows so far
    """

    def __init__(self, on_error: OnError) -> None:
        self._on_error = on_error
        self.n_rows = 0

    def report(self, row: Row, error: str) -> None:
        """Print the error with the location of the row. Raises Stopped if it ends the run."""
        self.n_rows += 1
        print_message(f"error: {row.location}: {error}")
        if self._on_error is OnError.STOP:
            raise Stopped

    def print_summary(self) -> None:
        """Print how many rows were skipped, if any were."""
        if self.n_rows and self._on_error is OnError.SKIP:
            print_message(f"skipped {self.n_rows} row{'s' * (self.n_rows > 1)}")
