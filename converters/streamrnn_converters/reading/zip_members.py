"""The files in a zip file. (PKWARE APPNOTE.TXT 6.3.10)

Zip readers differ in what they believe of the many claims in such a file. So the members that are found here are all that the
rest of the program sees of it: no other library reads the file.
"""

import io
import struct
import zipfile
import zlib

from streamrnn.errors import ConversionError

_MORE_BYTES = 16 << 20  # than the file has, which its members may unpack to
_MOST_MEMBERS = 10_000
_ENTRY = b"PK\1\2"  # of the directory
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_SIGNATURE = b"PK\3\4"
_ENCRYPTED = 1


def zip_members(data: bytes) -> dict[str, memoryview]:
    """Name -> content of each file in the bytes of a zip file. What is stored uncompressed is a view of `data`.

    Raises ConversionError for a file that is damaged, unpacks to 16 MiB more than its own size, or has a name twice.
    """
    if data.count(_ENTRY) > _MOST_MEMBERS:
        raise ConversionError(f"a zip file of more than {_MOST_MEMBERS} files, which are not read")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
    except Exception as error:  # zipfile raises many types for wrong bytes
        raise ConversionError(f"not a whole zip file ({type(error).__name__}: {error}); save or copy it again") from None
    n_unpacked = sum(entry.file_size for entry in entries)
    if n_unpacked > len(data) + _MORE_BYTES:
        raise ConversionError(
            f"claims to unpack to {n_unpacked} bytes, far more than its own size of {len(data)}; save it without compression"
        )
    members: dict[str, memoryview] = {}
    for entry in entries:
        if entry.filename in members:
            raise ConversionError(f"its entry {entry.filename!r:.200} is there twice; save it again")
        members[entry.filename] = _content(memoryview(data), entry)
    return members


def _content(data: memoryview, entry: zipfile.ZipInfo) -> memoryview:
    """The content of an entry. Raises ConversionError where it is not what the directory says."""
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ConversionError(f"its entry {entry.filename!r:.200} is encrypted or compressed in an unusual way; save it again")
    header = data[entry.header_offset :][: _LOCAL_HEADER.size]
    signature, *lengths = _LOCAL_HEADER.unpack(header) if len(header) == _LOCAL_HEADER.size else (b"", 0, 0)
    begin = entry.header_offset + _LOCAL_HEADER.size + sum(lengths)
    content = data[begin : begin + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        content = memoryview(_inflated(content, entry.file_size))
    if signature != _LOCAL_SIGNATURE or len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise ConversionError(
            f"damaged: the size or the checksum of its entry {entry.filename!r:.200} is wrong; save or copy it again"
        )
    return content


def _inflated(content: memoryview, size: int) -> bytes:
    """Deflated data, at most one byte more than `size`."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)
    except zlib.error:
        return b""
