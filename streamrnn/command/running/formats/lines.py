"""Text as it arrives, cut into numbered lines. What a line means is the business of csv.py and jsonl.py."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from streamrnn.command.running.formats.row import Row, checked
from streamrnn.errors import InputError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MEBIBYTE = 1 << 20
_ROOM_FOR_A_NUMBER = 64


class LineReader(ABC):
    """Rows from lines that end in LF or CR LF, the last one in nothing if it likes. Blank lines are counted, and passed over.

    size  values that a line has to hold
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._longest = _MEBIBYTE + _ROOM_FOR_A_NUMBER * size
        self._rest = b""
        self._number = 0
        self._begun = False

    def feed(self, data: bytes) -> Iterator[Row]:
        """The rows of the lines that `data` completes. Raises InputError for what cannot be text, a line without an end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._row(line)
        if len(self._rest) > self._longest:
            raise InputError(f"line {self._number + 1}: {len(self._rest)} bytes without a line break; is this --format f32?")

    def finish(self) -> Iterator[Row]:
        """The row of a last line that has no line break."""
        line, self._rest = self._rest, b""
        return self._row(line)

    @abstractmethod
    def _parse(self, line: bytes) -> tuple[str | int, Sequence[float]]:
        """The key of a line, "" where it has none, and its numbers. Raises InputError, saying what is wrong."""

    def _is_header(self, line: bytes) -> bool:
        """Whether this first line names the columns."""
        return False

    def _row(self, line: bytes) -> Iterator[Row]:
        self._number += 1
        if self._number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        line = line.strip()
        if not line:
            return
        first, self._begun = not self._begun, True
        if first and self._is_header(line):
            return
        place = f"line {self._number}"
        try:
            key, values = self._parse(line)
            yield Row(place, checked(values, self._size), key=key)
        except InputError as error:
            yield Row(place, error=str(error))


def quoted(text: bytes) -> str:
    """Part of a line, for a message: escaped where it is not UTF-8, and not too long."""
    return repr(text.decode("utf-8", "backslashreplace")[:40])
