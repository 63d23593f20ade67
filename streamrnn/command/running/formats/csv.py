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
        self._key_index = index_of(columns.key)
        self._could_be_header = False

    def _is_header(self, line: bytes) -> bool:
        if self._columns.header is False:
            return False
        if not self._columns.header and _is_json(line):
            raise InputError("is JSON, not csv; if each line is an array of numbers, give --format jsonl")
        try:
            fields = self._fields(line)
        except InputError:
            if self._columns.named or self._columns.header:
                raise
            return False
        if self._columns.named:
            self._key_index = self._index_of_column([_text(field) for field in fields])
            return True
        if self._columns.header:
            return True
        if self._key_index is not None:
            del fields[self._key_index : self._key_index + 1]
        if any(_is_number(field) for field in fields):
            return False
        if found := _NOT_TEXT.search(line):
            raise InputError(f"has the byte 0x{found[0].hex()}, so it is not UTF-8 text; convert the input to text")
        self._could_be_header = True
        if not _are_names([field.strip().decode("utf-8", "replace") for field in fields]):
            return False
        print_message(
            f"remark: line {self._number} is read as a header, not as data: {quoted(line)}; "
            "--header or --no-header says what it is"
        )
        return True

    def _parse(self, line: bytes) -> tuple[str, Sequence[float]]:
        fields = self._fields(line)
        key = ""
        if self._key_index is not None:
            if not 0 <= self._key_index < len(fields):
                raise InputError(f"{len(fields)} column{'s' * (len(fields) > 1)}, but the key is in column {self._columns.key}")
            key = _text(fields.pop(self._key_index))
            if not key:
                raise InputError(f"column {self._columns.key} is empty; each line needs the key of its signal")
        could_be_header, self._could_be_header = self._could_be_header, False
        try:
            return key, _numbers(fields)
        except InputError as error:
            hint = "; if this line names the columns, give --header" if could_be_header else ""
            raise InputError(f"{error}{hint}") from None

    def _fields(self, line: bytes) -> list[bytes]:
        """The fields of a line, without spaces around them; spaces in quotes are kept."""
        has_quotes = b'"' in line
        outside = _IN_QUOTES.sub(b"", line) if has_quotes else line
        separator = next((mark for mark in (b";", b",", b"\t") if mark in outside), b",")
        if has_quotes:
            return _unquoted(line, separator)
        return [field.strip() for field in line.split(separator)]

    def _index_of_column(self, names: list[str]) -> int:
        column = self._columns.key
        if names.count(column) != 1:
            found = ", ".join(map(repr, names))
            raise InputError(
                f"the header must have one column {column!r}, but has {found:.200}; name another, or give its number"
            )
        return names.index(column)


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


def _text(field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError:
        raise InputError(f"{quoted(field)} is not UTF-8; a key must be") from None


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
