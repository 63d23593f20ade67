"""A static library (`ar`) of one object file, with the index that linkers ask for."""

from collections.abc import Sequence

_MAGIC = b"!<arch>\n"


def static_library(object_file: bytes, member: str, symbols: Sequence[str]) -> bytes:
    """The bytes of a library: an index of its symbols, then the object file. `member` has at most 15 characters."""
    names = b"".join(symbol.encode("ascii") + b"\0" for symbol in symbols)
    index_bytes = 4 + 4 * len(symbols) + len(names)
    first = len(_MAGIC) + _HEADER_BYTES + index_bytes + index_bytes % 2  # where the object's header begins
    index = len(symbols).to_bytes(4, "big") + first.to_bytes(4, "big") * len(symbols) + names
    return _MAGIC + _member("/", index) + _member(f"{member}/", object_file)


_HEADER_BYTES = 60


def _member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode("ascii")
    assert len(header) == _HEADER_BYTES
    return header + content + b"\n" * (len(content) % 2)
