"""What a file seems to be, by its first bytes and its name, for messages about files of the wrong kind."""

import re
from pathlib import Path
from typing import NamedTuple

from streamrnn.regular_file import open_regular


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
    FileKind(b"RIFF", "a wav file or another RIFF file", "give --format wav if it is audio"),
    FileKind(b"fLaC", "a FLAC file"),
    FileKind(b"OggS", "an Ogg file"),
    FileKind(b"\x7fELF", "a program"),
)

#: Extension -> what a text file with it is.
_TEXTS = {".py": "a Python program", ".ipynb": "a notebook", ".nam": "a Neural Amp Modeler file", ".csv": "a table"}
_NOT_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_READ_BYTES = 4096


def kind_of(first_bytes: bytes) -> FileKind | None:
    """The kind whose signature these bytes begin with; None if there is none."""
    return next((kind for kind in _KINDS if first_bytes.startswith(kind.signature)), None)


def may_become_known(first_bytes: bytes) -> bool:
    """Whether more bytes could complete a signature."""
    return any(kind.signature.startswith(first_bytes) and kind.signature != first_bytes for kind in _KINDS)


def seems_to_be(path: Path, data: bytes | None = None) -> str:
    """What a file seems to be, if it is certain that it is no ONNX model; else "".

    data  its first bytes; None: they are read. Raises OSError if that fails
    """
    if path.is_dir():
        return "a TensorFlow SavedModel folder" if (path / "saved_model.pb").exists() else "a directory"
    if data is None:
        file, _ = open_regular(path)
        with file:
            data = file.read(_READ_BYTES)
    if data[4:8] == b"TFL3":
        return "a TensorFlow Lite model"
    if data[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        return "a pickle of Python objects"
    if kind := kind_of(data):
        return kind.name
    if data[8:10] == b'{"' or data[8:9] == b"{":
        return "an archive of streamrnn" if b"streamrnn" in data else "a safetensors file"
    if not data.strip() or _NOT_TEXT.search(data):
        return ""
    text = data.decode("utf-8", "replace")
    if "\ufffd" in text[:-1]:
        return ""
    if path.suffix.lower() in _TEXTS:
        return _TEXTS[path.suffix.lower()]
    return "a JSON file" if text.lstrip()[:1] in ("{", "[") else "a text file"
