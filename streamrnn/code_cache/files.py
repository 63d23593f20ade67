"""The directory that holds machine code, and what is believed of it: nothing that is not ours, whole and unaltered.

A file is a SHA-256 (32 bytes) over its key and the rest, then the name of the symbol that is called, a zero byte, and the
object. It is written to a temporary file and renamed, so that any number of processes may do so at once.
"""

import hashlib
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_LOCATION = "STREAMRNN_CACHE_DIR"
_HASH = 32
_LARGEST = 16 << 20  # bytes; kernels take some tens of thousands
_KEY = "[0-9a-f]" * 64  # as a pattern
_DAY = 86400.0  # seconds
_UNUSED = 90 * _DAY  # until a file is removed


class Code(NamedTuple):
    """A relocatable object file and the symbol in it that is called."""

    symbol: str
    object: bytes


def directory() -> Path:
    """Where code is kept: the environment variable STREAMRNN_CACHE_DIR, or the user's cache directory.

    Raises OSError where the user has none.
    """
    if place := os.environ.get(_LOCATION):
        return Path(place)
    from platformdirs import user_cache_path

    with suppress(RuntimeError, KeyError):  # which is how it says that there is no home, or a path from where we happen to be
        usual = user_cache_path("streamrnn")
        if usual.is_absolute():
            return usual
    raise FileNotFoundError(f"no home directory, and {_LOCATION} is not set")


def trusted_directory() -> Path:
    """The directory, made if it is missing. Raises OSError where there can be none, or others could write to it."""
    place = directory()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(place.stat()):
        raise PermissionError("it belongs to another user, or others can write to it")
    return place


def read(key: str) -> Code | None:
    """The code kept under a key; None if there is none that can be trusted, for whatever reason."""
    with suppress(OSError):
        place = directory()
        path = place / f"{key}.o"
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST and _is_private(status) and _is_private(place.stat()):
            code = _checked(key, path.read_bytes())
            if code is not None and time.time() - status.st_mtime > _DAY:
                with suppress(OSError):
                    os.utime(path)  # in use
            return code
    return None


def write(key: str, code: Code) -> None:
    """Keep code under a key, and remove what has long been unused. Raises OSError where that is not possible."""
    import tempfile  # here: a warm start does without

    place = trusted_directory()
    body = code.symbol.encode("ascii") + b"\0" + code.object
    handle, temporary = tempfile.mkstemp(prefix=".streamrnn-", suffix=".tmp", dir=place)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_hash(key, body) + body)
        os.replace(temporary, place / f"{key}.o")
    except BaseException:
        os.unlink(temporary)
        raise
    _remove_unused(place)


def _checked(key: str, data: bytes) -> Code | None:
    digest, body = data[:_HASH], data[_HASH:]
    symbol, zero, code = body.partition(b"\0")
    if not zero or _hash(key, body) != digest:
        return None
    return Code(symbol.decode("ascii", "replace"), code)


def _hash(key: str, body: bytes) -> bytes:
    return hashlib.sha256(key.encode() + body).digest()


def _is_private(status: os.stat_result) -> bool:
    """Whether only this user, or root, can have written what will be executed."""
    if os.name != "posix":
        return True
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _remove_unused(place: Path) -> None:
    """Remove code that nobody has read for 90 days, and what processes that were killed have left."""
    now = time.time()
    for pattern, age in ((f"{_KEY}.o", _UNUSED), (f"{_KEY}.lock", _DAY), (".streamrnn-*.tmp", _DAY)):
        for path in place.glob(pattern):
            with suppress(OSError):
                if now - path.lstat().st_mtime > age:
                    path.unlink()
