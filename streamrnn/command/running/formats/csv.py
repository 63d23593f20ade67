"""csv: lines of numbers, separated by commas.

A line with semicolons is separated by them, and a line with tabs and no commas by tabs. Spaces around a field are allowed, and
a field may be in quotes. A first line of names is a header.
"""

import json
import re
from collections.abc import Sequence

from streamrnn.command.console import print_message
from streamrnn.command.running.formats.columns import Columns, index_of
from streamrnn.command.running.formats.lines import LineReader, quoted
from streamrnn.command.running.formats.row import Scalar
from streamrnn.errors import InputError
from streamrnn.target.packing import Array

_IMPOSSIBLE = re.compile(r"[\r\n\0]")
_TO_QUOTE = re.compile(r'[\r\n\0\t,;"]|^\s|\s$')
_QUOTED = rb'"((?:[^"]|"")*)"'
_IN_QUOTES = re.compile(_QUOTED)
#: Separator -> a field in quotes, or one without; and what ends it.
_FIELD = {
    mark: re.compile(rb"[ %s]*%s[ %s]*(%s|$)|([^%s]*)(%s|$)" % (space, _QUOTED, space, mark, mark, mark))
    for mark, space in ((b";", b"\t"), (b",", b"\t"), (b"\t", b""))
}
_NOT_TEXT = re.compile(rb"[\0-\x08\x0d-\x1a\x1c-\x1f]")
_DECIMAL_COMMA = re.compile(rb"[+-]?\d*,\d+([eE][+-]?\d+)?")
_MISSING = {"n/a", "na", "none", "null", "-", "--", "?", "."}
_NAME = re.compile(r"[^\W\d]")  # a name begins with a letter or "_"; so do "[m]" and "°C"
_NOT_OF_A_NAME = re.compile(r"^[\W_]*\d")


class CsvReader(LineReader):
    """Rows from lines such as `0.1,-2e-3`, or with a key column `sensor 7,0.1,-2e-3`.

    columns  which column is what
    """

    def __init__(self, size: int, columns: Columns = Columns()) -> None:  # noqa: B008 - it is immutable
        super().__init__(size)
        self._columns = columns
        self._indexes = {column: index for column in columns.all if (index := index_of(column)) is not None}
        self._n_columns = 0  # of each line; 0: not known, or any
        self._could_be_header = False

    def _is_header(self, line: bytes) -> bool:
        if self._columns.header is False:
            return False
        if not self._columns.header and _is_json(line):
            raise InputError("is JSON, not csv; if each line is an array of numbers, give --format jsonl")
        try:
            fields = self._fields(line)
        except InputError:
            _check_text(line)
            if self._columns.by_name or self._columns.header:
                raise
            return False
        if self._columns.by_name or self._columns.header:
            self._use_header(fields)
            return True
        if self._columns.values:
            inputs = {index_of(column) for column in self._columns.values}
        else:
            inputs = {*range(len(fields))} - {index_of(column) for column in self._columns.all}
        values = [field for index, field in enumerate(fields) if index in inputs]
        if any(_is_number(field) or self._is_number(field) for field in values):
            return False
        _check_text(line)
        self._could_be_header = True
        if not _are_names([field.decode("utf-8", "replace") for field in values]):
            return False
        self._could_be_header = False
        self._use_header(fields)
        print_message(
            f"remark: line {self._number} is read as a header, not as data: {quoted(line)}; "
            "--header or --no-header says what it is"
        )
        return True

    def _use_header(self, fields: list[bytes]) -> None:
        """Find the columns that are given by name. Raises InputError if one is missing, or the model has other inputs."""
        names = [_text(field) if self._columns.by_name else field.decode("utf-8", "backslashreplace") for field in fields]
        for column in self._columns.all:
            if column not in self._indexes:
                self._indexes[column] = _index_in(names, column)
        if self._columns.values:
            self._n_columns = len(fields)
            return
        others = {self._indexes[column] for column in self._columns.all}
        values = tuple(name for index, name in enumerate(names) if index not in others)
        inputs = self._columns.input_names
        if inputs and values != inputs:
            raise InputError(
                f"the header has {', '.join(values):.100}, but the inputs of the model are {', '.join(inputs):.100}; "
                "name the columns of these inputs in this order with --columns"
            )

    def _parse(self, line: bytes) -> tuple[str, Sequence[float], tuple[str, ...]]:
        fields = self._fields(line)
        n_columns = len(fields)
        could_be_header, self._could_be_header = self._could_be_header, False
        if self._columns.values and self._n_columns not in (0, n_columns):
            raise InputError(f"{n_columns} column{'s' * (n_columns > 1)}, but the lines before have {self._n_columns}")
        for column, index in self._indexes.items():
            if not 0 <= index < n_columns:
                what = "the key" if column == self._columns.key else "a value"
                raise InputError(f"{n_columns} column{'s' * (n_columns > 1)}, but {what} is in column {column}")
        key = ""
        if self._columns.key:
            key = _text(fields[self._indexes[self._columns.key]])
            if not key:
                raise InputError(f"column {self._columns.key} is empty; each line needs the key of its signal")
        kept = tuple(_text(fields[self._indexes[column]]) for column in self._columns.kept)
        if self._columns.values:
            self._n_columns = n_columns
            fields = [fields[self._indexes[column]] for column in self._columns.values]
        elif self._indexes:
            others = set(self._indexes.values())
            fields = [field for index, field in enumerate(fields) if index not in others]
        try:
            return key, self._numbers(fields), kept
        except InputError as error:
            hint = "; if this line names the columns, give --header" if could_be_header and not _has_blanks(fields) else ""
            if not (hint or self._has_rows or self._columns.values) and len(fields) > self._size:
                hint = f"; the model takes {self._size} of these {len(fields)} columns: name them with --columns"
            raise InputError(f"{error}{hint}") from None

    def _numbers(self, fields: list[bytes]) -> list[float]:
        if not self._columns.decimal_comma:
            return _numbers(fields)
        for index, field in enumerate(fields, 1):
            if b"." in field:
                raise InputError(f"value {index} is {quoted(field)}, which has a point, but --decimal-comma is given")
        return _numbers([field.replace(b",", b".") for field in fields])

    def _is_number(self, field: bytes) -> bool:
        return self._columns.decimal_comma and _is_number(field.replace(b",", b"."))

    def _fields(self, line: bytes) -> list[bytes]:
        """The fields of a line, without spaces around them; spaces in quotes are kept."""
        has_quotes = b'"' in line
        outside = _IN_QUOTES.sub(b"", line) if has_quotes else line
        marks = (b";", b"\t") if self._columns.decimal_comma else (b";", b",", b"\t")
        separator = next((mark for mark in marks if mark in outside), marks[1])
        if has_quotes:
            return _unquoted(line, separator)
        return [field.strip() for field in line.split(separator)]


def encode(outputs: Array, labels: Sequence[str] = ()) -> bytes:
    """Outputs (n_steps, O) as lines, each after its label. A number is the shortest text that reads as the same."""
    rows = (",".join(map(str, row)) for row in outputs)
    if labels:
        rows = (f"{label},{row}" for label, row in zip(labels, rows, strict=True))
    return "".join(f"{row}\n" for row in rows).encode()


def label(*fields: Scalar) -> str:
    """A key and kept fields, as the first columns. Raises InputError for a text that csv cannot contain."""
    return ",".join(_label(field if isinstance(field, str) else json.dumps(field)) for field in fields)


def _label(text: str) -> str:
    if not _TO_QUOTE.search(text):
        return text
    if _IMPOSSIBLE.search(text):
        raise InputError(f"{text!r:.40} has a line break or a zero byte, which csv cannot contain; write jsonl")
    return '"' + text.replace('"', '""') + '"'


def _numbers(fields: list[bytes]) -> list[float]:
    try:
        if b"_" not in b" ".join(fields):  # float() accepts 1_000
            return [float(field) for field in fields]
    except ValueError:
        pass
    index, field = next((index, field) for index, field in enumerate(fields, 1) if not _is_number(field))
    hint = "; if its comma is a decimal comma, give --decimal-comma" if _DECIMAL_COMMA.fullmatch(field) else ""
    if _has_blanks(fields):
        hint = "; separate numbers by commas, semicolons or tabs"
    raise InputError(f"value {index} is {quoted(field)}, which is not a number{hint}")


def _has_blanks(fields: list[bytes]) -> bool:
    """Whether a line is numbers with blanks between them."""
    parts = fields[0].split()
    return len(fields) == 1 < len(parts) and all(map(_is_number, parts))


def _unquoted(line: bytes, separator: bytes) -> list[bytes]:
    """The fields of a line with quoted fields."""
    fields = []
    field, at, ended = _FIELD[separator], 0, False
    while not ended:
        found = field.match(line, at)
        assert found is not None  # its second form matches any text
        in_quotes, end, plain, plain_end = found.groups()
        if in_quotes is None and plain.lstrip().startswith(b'"'):
            wrong = "text follows the closing quote" if _IN_QUOTES.match(plain.lstrip()) else "no closing quote"
            raise InputError(f"its quotes are wrong ({wrong})")
        fields.append(plain.strip() if in_quotes is None else in_quotes.replace(b'""', b'"'))
        at, ended = found.end(), not (plain_end if in_quotes is None else end)
    return fields


def _index_in(names: list[str], column: str) -> int:
    """The index of a column by its name in the header. Raises InputError unless exactly one has that name."""
    if names.count(column) != 1:
        found = ", ".join(map(repr, names))
        raise InputError(f"the header must have one column {column!r}, but has {found:.200}; name another, or give its number")
    return names.index(column)


def _check_text(line: bytes) -> None:
    """Raise InputError for bytes that no text has."""
    if found := _NOT_TEXT.search(line):
        raise InputError(f"has the byte 0x{found[0].hex()}, so it is not UTF-8 text; convert the input to text")


def _text(field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError:
        raise InputError(f"{quoted(field)} is not UTF-8; convert the input to UTF-8") from None


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _are_names(fields: list[str]) -> bool:
    """Whether these are the names of columns. A name may be empty, as that of an index often is, but not all of them."""
    if any(field.lower() in _MISSING or (field and not _NAME.search(field)) for field in fields):
        return False
    return any(_NAME.search(field) and not _NOT_OF_A_NAME.match(field) for field in fields)


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), list | dict)
    except (ValueError, RecursionError):
        return False
