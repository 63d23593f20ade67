"""Which column of a text format is what."""

from typing import NamedTuple

from streamrnn.model import Model


class Columns(NamedTuple):
    """The columns of an input. A column is given by its name, or by its number; the first is 1.

    key            of the key of a signal; "": none
    values         of the input values, in the order of the model; empty: all others, in their order
    kept           of what is copied to the output
    header         whether the first line of csv names the columns; None: if it has names and no number
    decimal_comma  whether the numbers of csv have a decimal comma
    input_names    the names of the model's input values, which the header of csv must have; empty: not known
    """

    key: str = ""
    values: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    header: bool | None = None
    decimal_comma: bool = False
    input_names: tuple[str, ...] = ()

    @property
    def by_name(self) -> str:
        """A column that is given by its name, so that csv needs a header; "": none."""
        return next((column for column in self.all if index_of(column) is None), "")

    @property
    def all(self) -> tuple[str, ...]:
        """All columns that are given."""
        return (*filter(None, [self.key]), *self.values, *self.kept)


def index_of(column: str) -> int | None:
    """The index of a column that is given by number; None if it is given by name."""
    return int(column) - 1 if column.isascii() and column.isdecimal() else None


def input_names(model: Model) -> tuple[str, ...]:
    """The names of the values of an input vector, as the model's notes have them. Empty: not known, or only one value."""
    source = model.notes.get("source")
    inputs = source.get("inputs") if isinstance(source, dict) else None
    if not isinstance(inputs, list) or len(inputs) != model.input_size or len(inputs) < 2:
        return ()
    names = [entry[0] for entry in inputs if isinstance(entry, list) and len(entry) == 2 and entry[1] == 1]
    return tuple(names) if len(names) == len(inputs) and all(isinstance(name, str) for name in names) else ()


def listed(columns: str) -> tuple[str, ...]:
    """The columns of an option, such as "load, temp"."""
    return tuple(column.strip() for column in columns.split(",")) if columns else ()
