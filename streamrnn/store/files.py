"""The directory that holds machine code, and what is believed of it: nothing that is not ours, whole and unaltered.

A file is a SHA-256 (32 bytes) over its key and the rest, then the name of the symbol that is called, a zero byte, and the
object. It is written to a temporary file and renamed, so that any number of processes may do so at once. No trouble with the
directory is an error: code that cannot be read is compiled, code that cannot be written is compiled again next time.
"""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

_LOCATION = "STREAMRNN_CACHE_DIR"
_HASH = 32
_LARGEST = 16 << 20  # bytes; kernels take some tens of thousands


class Code(NamedTuple):
    """A relocatable object file and the symbol in it that is called."""

    symbol: str
    object: bytes


def directory() -> Path:
    """Where code is kept: the environment variable STREAMRNN_CACHE_DIR, or the user's cache directory."""
    return Path(os.environ.get(_LOCATION) or user_cache_path("streamrnn"))


def read(key: str) -> Code | None:
    """The code kept under a key; None if there is none that can be trusted."""
    try:
        if not _is_private(directory()):
            return None
        with open(directory() / f"{key}.o", "rb") as file:
            data = file.read(_LARGEST)
    except OSError:
        return None
    digest, body = data[:_HASH], data[_HASH:]
    symbol, zero, code = body.partition(b"\0")
    if not zero or hashlib.sha256(key.encode() + body).digest() != digest:
        return None
    return Code(symbol.decode("ascii", "replace"), code)


def write(key: str, code: Code) -> None:
    """Keep code under a key, if the directory allows it."""
    body = code.symbol.encode("ascii") + b"\0" + code.object
    place = directory()
    with suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(place):
            return
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=place)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(key.encode() + body).digest() + body)
            os.replace(temporary, place / f"{key}.o")
        except OSError:
            os.unlink(temporary)
            raise


def _is_private(place: Path) -> bool:
    """Whether a directory is this user's and nobody else can write to it: what lies in it will be executed."""
    if os.name != "posix":
        return True
    status = place.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
