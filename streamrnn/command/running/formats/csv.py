"""csv: lines of numbers, separated by commas.

A line with semicolons is separated by them, and a line with tabs and no commas by tabs. Spaces around a number are allowed. A
first line without any number is a header. With a key column, fields may be in quotes.
"""

import csv
import re
from collections.abc import Sequence

from streamrnn.command.running.formats.lines import LineReader, quoted
from streamrnn.errors import InputError
from streamrnn.target.packing import Array

_IMPOSSIBLE = re.compile(r"[\r\n\0]")
_TO_QUOTE = re.compile(r'[\r\n\0\t,;"]|^\s|\s$')


class CsvReader(LineReader):
    """Rows from lines such as `0.1,-2e-3`, or with a key column `sensor 7,0.1,-2e-3`.

    column  the key column, by number (the first is 1) or by name in the header; "": none
    """

    def __init__(self, size: int, column: str = "") -> None:
        super().__init__(size)
        self._column = column
        self._key_index = int(column) - 1 if column.isdecimal() else None

    def _is_header(self, line: bytes) -> bool:
        try:
            fields = self._fields(line)
            if self._column and self._key_index is None:
                self._key_index = self._index_of_column([_text(field) for field in fields])
                return True
        except InputError as error:
            if self._key_index is not None:
                return False
            raise InputError(f"line {self._number}: {error}") from None
        if self._key_index is not None:
            del fields[self._key_index : self._key_index + 1]
        return bool(fields) and not any(_is_number(field) for field in fields)

    def _parse(self, line: bytes) -> tuple[str, Sequence[float]]:
        fields = self._fields(line)
        key = ""
        if self._key_index is not None:
            if not 0 <= self._key_index < len(fields):
                raise InputError(f"{len(fields)} column{'s' * (len(fields) > 1)}, but the key is in column {self._column}")
            key = _text(fields.pop(self._key_index))
            if not key:
                raise InputError(f"column {self._column} is empty; each line needs the key of its signal")
        return key, _numbers(fields)

    def _fields(self, line: bytes) -> list[bytes]:
        separator = next((mark for mark in (b";", b",", b"\t") if mark in line), b",")
        if self._column and b'"' in line:
            return _unquoted(line, separator)
        return line.split(separator)

    def _index_of_column(self, names: list[str]) -> int:
        if names.count(self._column) != 1:
            found = ", ".join(map(repr, names))
            raise InputError(
                f"the header must have one column {self._column!r}, but has {found:.200}; name another, or give its number"
            )
        return names.index(self._column)


def encode(outputs: Array, labels: Sequence[str] = ()) -> bytes:
    """Outputs (n_steps, O) as lines, each after its label. A number is the shortest text that reads as the same."""
    rows = (",".join(map(str, row)) for row in outputs)
    if labels:
        rows = (f"{label},{row}" for label, row in zip(labels, rows, strict=True))
    return "".join(f"{row}\n" for row in rows).encode()


def label(key: str | int) -> str:
    """A key as a field. Raises InputError for a key that csv cannot contain."""
    text = str(key)
    if not _TO_QUOTE.search(text):
        return text
    if _IMPOSSIBLE.search(text):
        raise InputError(f"key {text!r:.40} has a line break or a zero byte, which csv cannot contain; write jsonl")
    return '"' + text.replace('"', '""') + '"'


def _numbers(fields: list[bytes]) -> list[float]:
    try:
        if b"_" not in b" ".join(fields):  # float() accepts 1_000
            return [float(field) for field in fields]
    except ValueError:
        pass
    index, field = next((index, field) for index, field in enumerate(fields, 1) if not _is_number(field))
    raise InputError(f"value {index} is {quoted(field.strip())}, which is not a number")


def _unquoted(line: bytes, separator: bytes) -> list[bytes]:
    """The fields of a line with quoted fields."""
    try:
        text = line.decode("utf-8", "surrogateescape")
        (fields,) = csv.reader([text], delimiter=separator.decode(), skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        raise InputError(f"its quotes are wrong ({error})") from None
    return [field.encode("utf-8", "surrogateescape") for field in fields]


def _text(field: bytes) -> str:
    try:
        return field.strip().decode()
    except UnicodeDecodeError:
        raise InputError(f"{quoted(field.strip())} is not UTF-8; a key must be") from None


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field
