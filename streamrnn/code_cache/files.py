"""The directory of machine code. Only files that nobody else can have written, and that are whole and unaltered, are trusted.

A file is a SHA-256 (32 bytes) of its key and the rest, then the name of the symbol to call, a zero byte, and the object file.
It is written to a temporary file and renamed, so any number of processes may write at once.
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
KEY_DIGITS = 64
_KEY = "[0-9a-f]" * KEY_DIGITS  # as a pattern
_DAY = 86400.0  # seconds
_UNUSED = 90 * _DAY  # until a file is removed


class Code(NamedTuple):
    """A relocatable object file, and the symbol in it to call."""

    symbol: str
    object: bytes


def directory() -> Path:
    """The directory: the environment variable STREAMRNN_CACHE_DIR, or else in the user's cache directory.

    A leading "~" stands for the home directory. Raises OSError if the user has none.
    """
    named = os.environ.get(_LOCATION)
    with suppress(RuntimeError, KeyError):  # how pathlib and platformdirs say that there is no home directory
        if named:
            return Path(named).expanduser()
        from platformdirs import user_cache_path

        usual = user_cache_path("streamrnn")
        if usual.is_absolute():
            return usual
    raise FileNotFoundError(f"no home directory, and {_LOCATION} is {named or 'not set'}")


def trusted_directory() -> Path:
    """The directory, created if it is missing. Raises OSError if that fails, or if other users can write to it."""
    folder = directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(folder.stat()):
        raise PermissionError("it belongs to another user, or others can write to it")
    return folder


def read(key: str) -> Code | None:
    """The code of a key; None if there is no code that can be trusted, for whatever reason."""
    with suppress(OSError):
        folder = directory()
        path = folder / f"{key}.o"
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST and _is_private(status) and _is_private(folder.stat()):
            code = _checked(key, path.read_bytes())
            if code is not None and time.time() - status.st_mtime > _DAY:
                with suppress(OSError):
                    os.utime(path)  # in use
            return code
    return None


def keys(beginning: str) -> list[str]:
    """The keys that begin so and have a file, the newest first."""
    with suppress(OSError):
        found = [path for path in directory().glob(f"{beginning}*.o") if len(path.stem) == KEY_DIGITS]
        return [path.stem for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]
    return []


def write(key: str, code: Code) -> None:
    """Write the code of a key, and remove files that have long been unused. Raises OSError if it cannot be written."""
    import tempfile  # here: a start that compiles nothing does not need it

    folder = trusted_directory()
    body = code.symbol.encode("ascii") + b"\0" + code.object
    handle, temporary = tempfile.mkstemp(prefix=".streamrnn-", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_hash(key, body) + body)
        os.replace(temporary, folder / f"{key}.o")
    except BaseException:
        os.unlink(temporary)
        raise
    _remove_unused(folder)


def _checked(key: str, data: bytes) -> Code | None:
    digest, body = data[:_HASH], data[_HASH:]
    symbol, zero, code = body.partition(b"\0")
    if not zero or _hash(key, body) != digest:
        return None
    return Code(symbol.decode("ascii", "replace"), code)


def _hash(key: str, body: bytes) -> bytes:
    return hashlib.sha256(key.encode() + body).digest()


def _is_private(status: os.stat_result) -> bool:
    """Whether only this user or root can have written a file: it will be executed."""
    if not hasattr(os, "getuid"):  # Windows
        return True
    return status.st_uid in (os.getuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _remove_unused(folder: Path) -> None:
    """Remove code that nobody has read for 90 days, and files that killed processes have left."""
    now = time.time()
    for pattern, age in ((f"{_KEY}.o", _UNUSED), (f"{_KEY}.lock", _DAY), (".streamrnn-*.tmp", _DAY)):
        for path in folder.glob(pattern):
            with suppress(OSError):
                if now - path.lstat().st_mtime > age:
                    path.unlink()
