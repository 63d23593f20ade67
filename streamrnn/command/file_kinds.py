"""What a file seems to be, by its first bytes, for messages about files of the wrong kind."""

from typing import NamedTuple


class FileKind(NamedTuple):
    """A kind of file that begins with a signature."""

    signature: bytes
    name: str
    remedy: str = "save it as csv"  # for an input of `run`


_ICONV = "convert it with `iconv -t UTF-8`"
_KINDS = (
    FileKind(b"\xff\xfe\0\0", "UTF-32 text", _ICONV),
    FileKind(b"\0\0\xfe\xff", "UTF-32 text", _ICONV),
    FileKind(b"\xff\xfe", "UTF-16 text", _ICONV),
    FileKind(b"\xfe\xff", "UTF-16 text", _ICONV),
    FileKind(b"PK\x03\x04", "a zip file (as .xlsx, .npz and .pt are)"),
    FileKind(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel file"),
    FileKind(b"\x93NUMPY", "a NumPy array (.npy)", "save it with numpy.savetxt(file, array, delimiter=',')"),
    FileKind(b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    FileKind(b"PAR1\x15", "a Parquet file"),
    FileKind(b"ARROW1\0\0", "an Arrow file"),
    FileKind(b"SQLite format 3\0", "a SQLite file"),
    FileKind(b"%PDF-", "a PDF file"),
    FileKind(b"RIFF", "a wav file or another RIFF file"),
    FileKind(b"fLaC", "a FLAC file"),
    FileKind(b"OggS", "an Ogg file"),
    FileKind(b"\x7fELF", "a program"),
)


def kind_of(first_bytes: bytes) -> FileKind | None:
    """The kind whose signature these bytes begin with; None if there is none."""
    return next((kind for kind in _KINDS if first_bytes.startswith(kind.signature)), None)


def may_become_known(first_bytes: bytes) -> bool:
    """Whether more bytes could complete a signature."""
    return any(kind.signature.startswith(first_bytes) and kind.signature != first_bytes for kind in _KINDS)
