"""The formats of signals: from bytes, in whatever pieces they arrive, to rows, and from outputs to bytes."""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from streamrnn.audio import OutputRows
from streamrnn.command.running.content import COMPRESSED_EXTENSIONS
from streamrnn.command.running.formats import csv, f32, jsonl, wav
from streamrnn.command.running.formats.columns import Columns, input_names, listed
from streamrnn.command.running.formats.row import Row, Scalar
from streamrnn.errors import InputError
from streamrnn.model import Model

__all__ = [
    "FORMATS",
    "Columns",
    "Format",
    "FormatName",
    "Reader",
    "Row",
    "Scalar",
    "check_writable",
    "format_of",
    "input_names",
    "listed",
    "max_row_bytes",
    "rows_as_they_arrive",
]


#: The most characters of a number: "-1.17549435e-38", "-2.2250738585072014e-308".
_MAX_NUMBER_CHARS = {"float32": 15, "float64": 24}


class Reader(Protocol):
    """Cuts bytes into rows of one size."""

    def feed(self, data: bytes) -> Iterator[Row]:
        """The rows that `data` completes."""

    def finish(self) -> Iterator[Row]:
        """The row of the bytes that are left at the end of the input, if any."""


class Format(NamedTuple):
    """How a signal is read and written."""

    reader: Callable[[int, Columns], Reader]  # called with the number of values of a row, and with what the columns are
    encode: Callable[..., bytes]  # called with outputs (n_steps, O), and with as many labels if there are keys
    label: Callable[..., str] | None = None  # the text of a key and of kept columns; None: the format has no text
    dtype: str = ""  # the precision of its numbers; "": any


class FormatName(StrEnum):
    """The names of the formats."""

    CSV = "csv"
    JSONL = "jsonl"
    F32 = "f32"
    WAV = "wav"


FORMATS = {
    FormatName.CSV: Format(csv.CsvReader, csv.encode, csv.label),
    FormatName.JSONL: Format(jsonl.JsonlReader, jsonl.encode, jsonl.label),
    FormatName.F32: Format(f32.F32Reader, f32.encode, dtype="float32"),
    FormatName.WAV: Format(wav.WavReader, f32.encode, dtype="float32"),
}
_EXTENSIONS = {
    ".csv": FormatName.CSV,
    ".jsonl": FormatName.JSONL,
    ".ndjson": FormatName.JSONL,
    ".f32": FormatName.F32,
    **dict.fromkeys((".wav", ".flac", ".ogg"), FormatName.WAV),  # soundfile reads all of them
}


def format_of(path: Path, default: FormatName) -> FormatName:
    """The format that the extension of a path names, or the default; "a.csv.gz" is csv."""
    if path.suffix.lower() in COMPRESSED_EXTENSIONS:
        path = path.with_suffix("")
    return _EXTENSIONS.get(path.suffix.lower(), default)


#: Extensions of files that `run` does not write.
_NOT_WRITTEN = {
    ".json": "a .json is one value; name it .jsonl for an array on each line",
    **dict.fromkeys(COMPRESSED_EXTENSIONS, "the output is not compressed; leave the extension out, or pipe it to a compressor"),
    **dict.fromkeys(
        (".npy", ".npz", ".parquet", ".feather", ".arrow", ".xls", ".xlsx", ".h5", ".hdf5", ".mat", ".flac", ".ogg", ".mp3"),
        "name it .csv, .jsonl, .f32 or .wav",
    ),
}


def check_writable(path: Path) -> None:
    """Raise InputError if the extension of an output is that of a format that is not written."""
    reason = _NOT_WRITTEN.get(path.suffix.lower())
    if reason is not None:
        raise InputError(f"{path}: {reason}; or give --output-format")


def max_row_bytes(model: Model) -> int:
    """The most bytes of the output of a step in any format, without labels: for each row "[1.5, 2]" and a line break."""
    return model.output_size * (_MAX_NUMBER_CHARS[str(model.dtype)] + len(", ")) + OutputRows.of(model).rows


def rows_as_they_arrive(reader: Reader, chunks: Iterable[bytes]) -> Iterator[Iterator[Row]]:
    """For each chunk of bytes the rows that it completes; last, the row that the end of the input completes."""
    for chunk in chunks:
        yield reader.feed(chunk)
    yield reader.finish()
