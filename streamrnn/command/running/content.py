"""The content of an input by its first bytes: compressed data is expanded, and a file of another kind is refused."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain
from typing import Any, NamedTuple

from streamrnn.command.file_kinds import kind_of, may_become_known
from streamrnn.errors import InputError, MissingExtraError, StreamRNNError

#: Extensions of compressed files.
COMPRESSED_EXTENSIONS = (".gz", ".xz", ".bz2", ".zst")
_PIECE_BYTES = 1 << 10  # expanded at once: a small piece of repetitive data may become 40 MB
_CHUNK_BYTES = 1 << 16  # yielded at once, about
_LONG_SIGNATURE = 6  # bytes; raw numbers do not begin with so many by chance


class Compression(NamedTuple):
    """A way to compress data."""

    name: str
    signature: bytes
    decompressor: Callable[[], Any]  # makes an object with decompress, eof and unused_data, for one member of the file


def _zstd() -> Any:
    try:
        zstandard = import_module("zstandard")
    except ModuleNotFoundError:
        raise MissingExtraError(
            "the input is compressed with zstd, and zstandard is not installed; `pip install 'streamrnn[zstd]'` installs it"
        ) from None
    return zstandard.ZstdDecompressor().decompressobj()


_COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b\x08", lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)),
    Compression("xz", b"\xfd7zXZ\0", lzma.LZMADecompressor),
    *(Compression("bzip2", b"BZh%d1AY&SY" % level, bz2.BZ2Decompressor) for level in range(1, 10)),
    Compression("zstd", b"\x28\xb5\x2f\xfd", _zstd),
)


def plain_content(chunks: Iterable[bytes], name: str, *, text: bool) -> Iterator[bytes]:
    """The chunks of an input, expanded if they are compressed. No byte waits for others that cannot change what it is.

    name  of the input, for messages
    text  whether it should be text, and not raw numbers

    Raises StreamRNNError if compressed data is damaged or ends early, InputError for a file of another kind.
    """
    first, chunks = _first_bytes(iter(chunks), _may_be_compressed)
    compression = next((found for found in _COMPRESSIONS if first.startswith(found.signature)), None)
    if compression is not None:
        chunks = _expanded(chunks, compression, name)
    first, chunks = _first_bytes(chunks, may_become_known)
    kind = kind_of(first)
    if kind is not None and (text or len(kind.signature) >= _LONG_SIGNATURE):
        raise InputError(f"{name}: is {kind.name}, not {'UTF-8 text' if text else 'raw float32 numbers'}; {kind.remedy}")
    yield from chunks


def _first_bytes(chunks: Iterator[bytes], undecided: Callable[[bytes], bool]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, until they are decided, and all chunks."""
    first = b""
    for chunk in chunks:
        first += chunk
        if not undecided(first):
            break
    return first, chain([first] if first else [], chunks)


def _may_be_compressed(first: bytes) -> bool:
    return any(found.signature.startswith(first) and found.signature != first for found in _COMPRESSIONS)


def _expanded(chunks: Iterable[bytes], compression: Compression, name: str) -> Iterator[bytes]:
    """The data of all members of a compressed file."""
    decompressor: Any = None  # None: between two members
    for chunk in chunks:
        expanded = bytearray()
        for begin in range(0, len(chunk), _PIECE_BYTES):
            piece = chunk[begin : begin + _PIECE_BYTES]
            while piece:
                if decompressor is None:
                    piece = piece.lstrip(b"\0")  # a file may be padded with zeros
                    if not piece:
                        break
                    decompressor = compression.decompressor()
                try:
                    expanded += decompressor.decompress(piece)
                except Exception as error:  # each library has types of its own
                    if expanded:
                        yield bytes(expanded)
                    raise StreamRNNError(f"{name}: its {compression.name} data is damaged ({error}); copy it again") from None
                piece = decompressor.unused_data if decompressor.eof else b""
                if decompressor.eof:
                    decompressor = None
            if len(expanded) >= _CHUNK_BYTES:
                yield bytes(expanded)
                expanded.clear()
        if expanded:
            yield bytes(expanded)
    if decompressor is not None:
        raise StreamRNNError(f"{name}: ends in the middle of its {compression.name} data; copy it again")
