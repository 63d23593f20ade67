"""Text, in whatever pieces it arrives, cut into numbered lines, which csv.py and jsonl.py parse."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from streamrnn.command.running.formats.row import Row, Scalar, checked
from streamrnn.errors import InputError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MEBIBYTE = 1 << 20
_BYTES_OF_A_NUMBER = 64  # at most


class LineReader(ABC):
    """Rows from lines that end in LF or CR LF; the last one may end without it. Blank lines are counted and skipped.

    size  the number of values of a row
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._max_bytes = _MEBIBYTE + _BYTES_OF_A_NUMBER * size
        self._rest = b""
        self._number = 0
        self._past_first_line = False
        self._has_rows = False  # a line could be used

    def feed(self, data: bytes) -> Iterator[Row]:
        """The rows of the lines that `data` completes. Raises InputError for a line without end: that is not text."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._row(line)
        if len(self._rest) > self._max_bytes:
            raise InputError(f"line {self._number + 1}: {len(self._rest)} bytes without a line break; is this --format f32?")

    def finish(self) -> Iterator[Row]:
        """The row of a last line that has no line break."""
        line, self._rest = self._rest, b""
        return self._row(line)

    @abstractmethod
    def _parse(self, line: bytes) -> tuple[str | int, Sequence[float], tuple[Scalar, ...]]:
        """The key of a line ("" if it has none), its numbers and what is kept. Raises InputError for a bad line."""

    def _is_header(self, line: bytes) -> bool:
        """Whether this line, the first that is not blank, names the columns.

        Raises InputError if it cannot be, but must, or if the input is of another format.
        """
        return False

    def _row(self, line: bytes) -> Iterator[Row]:
        self._number += 1
        if self._number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        line = line.rstrip().lstrip(b" ")  # a tab at the start comes after an empty column
        if not line:
            return
        location = f"line {self._number}"
        first, self._past_first_line = not self._past_first_line, True
        if first and self._starts_with_header(line, location):
            return
        try:
            key, values, kept = self._parse(line)
            values = checked(values, self._size, "" if self._has_rows else "; name those that it takes with --columns")
            self._has_rows = True
            yield Row(location, values, key=key, kept=kept)
        except InputError as error:
            yield Row(location, error=str(error))

    def _starts_with_header(self, line: bytes, location: str) -> bool:
        try:
            return self._is_header(line)
        except InputError as error:
            raise InputError(f"{location}: {error}") from None


def quoted(text: bytes) -> str:
    """The beginning of a text in quotes, for a message. Bytes that are not UTF-8 are escaped."""
    return repr(text.decode("utf-8", "backslashreplace")[:40])
