"""csv: a line of numbers, with commas in between.

Semicolons or tabs separate too, in a line that has them and no commas (semicolons: commas or not), and spaces around a number
are fine. A first line without a single number is a header.
"""

from collections.abc import Sequence

from streamrnn.command.formats.lines import LineReader, quoted
from streamrnn.errors import InputError
from streamrnn.packing import Array


class CsvReader(LineReader):
    """Rows from lines such as `0.1,-2e-3`."""

    def _is_header(self, line: bytes) -> bool:
        return not any(_is_number(field) for field in _fields(line))

    def _parse(self, line: bytes) -> Sequence[float]:
        fields = _fields(line)
        try:
            if b"_" not in line:  # Python's float takes 1_000
                return [float(field) for field in fields]
        except ValueError:
            pass
        index, field = next((index, field) for index, field in enumerate(fields, 1) if not _is_number(field))
        raise InputError(f"value {index} is {quoted(field.strip())}, which is not a number")


def encode(outputs: Array) -> bytes:
    """(n_steps, O) as lines; each number the shortest text that gives the same number back."""
    return "".join(",".join(map(str, row)) + "\n" for row in outputs).encode()


def _fields(line: bytes) -> list[bytes]:
    separator = next((mark for mark in (b";", b",", b"\t") if mark in line), b",")
    return line.split(separator)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field
