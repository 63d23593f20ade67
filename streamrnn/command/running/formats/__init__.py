"""The formats in which signals arrive and leave: how bytes, as they come, become rows, and outputs become bytes."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from streamrnn.command.running.formats import csv, f32, jsonl
from streamrnn.command.running.formats.row import Row

__all__ = ["FORMATS", "LONGEST_NUMBER", "Format", "FormatName", "Reader", "Row", "format_of", "rows_as_they_arrive"]


#: Characters of a number, and what stands between two: "-1.1754944e-38, ".
LONGEST_NUMBER = 16


class Reader(Protocol):
    """Cuts bytes into rows; made for an input size."""

    def feed(self, data: bytes) -> Iterator[Row]:
        """The rows that `data` completes."""

    def finish(self) -> Iterator[Row]:
        """What the end of the input makes of bytes that are left."""


class Format(NamedTuple):
    """How a signal is read and written."""

    reader: Callable[..., Reader]  # of rows with so many values, and the column of the key where there is one
    encode: Callable[..., bytes]  # of (n_steps, O), and as many labels where there are some
    label: Callable[[str | int], str] | None = None  # of a key; None: rows have none


class FormatName(StrEnum):
    """The formats by name."""

    CSV = "csv"
    JSONL = "jsonl"
    F32 = "f32"


FORMATS = {
    FormatName.CSV: Format(csv.CsvReader, csv.encode, csv.label),
    FormatName.JSONL: Format(jsonl.JsonlReader, jsonl.encode, jsonl.label),
    FormatName.F32: Format(f32.F32Reader, f32.encode),
}
_EXTENSIONS = {".csv": FormatName.CSV, ".jsonl": FormatName.JSONL, ".ndjson": FormatName.JSONL, ".f32": FormatName.F32}


def format_of(path: Path, otherwise: FormatName) -> FormatName:
    """The format that the file's extension names, if it names one."""
    return _EXTENSIONS.get(path.suffix.lower(), otherwise)


def rows_as_they_arrive(reader: Reader, chunks: Iterable[bytes]) -> Iterator[Iterator[Row]]:
    """For each chunk of bytes the rows that it completes, and those that the end completes."""
    for chunk in chunks:
        yield reader.feed(chunk)
    yield reader.finish()
