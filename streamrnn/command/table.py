"""The tables that the command prints: plain columns, no lines around them.

What comes from files is printed with its escape codes and line breaks written out.
"""

from collections.abc import Collection, Iterable, Sequence

from rich.table import Table

from streamrnn.command.console import printable


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()) -> Table:
    """Rows below the names of their columns. A row may be shorter than the names.

    right  the columns that are aligned to the right, as numbers are
    """
    table = _table()
    for name in columns:
        table.add_column(printable(name), justify="right" if name in right else "left")
    return _filled(table, rows)


def name_value_table(rows: Iterable[tuple[str, str]]) -> Table:
    """A name and its value on each row, without a header; long values are wrapped in a terminal."""
    table = _table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    return _filled(table, rows)


def _table(show_header: bool = True) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=show_header)


def _filled(table: Table, rows: Iterable[Sequence[str]]) -> Table:
    for row in rows:
        table.add_row(*map(printable, row))
    return table
