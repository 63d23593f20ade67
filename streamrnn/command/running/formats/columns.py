"""Which column of a text format is what."""

from typing import NamedTuple


class Columns(NamedTuple):
    """The columns of an input. A column is given by its name, or by its number; the first is 1.

    key     of the key of a signal; "": none
    header  whether the first line of csv names the columns; None: if it has names and no number
    """

    key: str = ""
    header: bool | None = None

    @property
    def named(self) -> bool:
        """Whether some column is given by name, so that csv needs a header."""
        return any(column and index_of(column) is None for column in (self.key,))


def index_of(column: str) -> int | None:
    """The index of a column that is given by number; None if it is given by name."""
    return int(column) - 1 if column.isascii() and column.isdecimal() else None
