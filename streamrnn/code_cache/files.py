"""The directory of machine code. Only files that nobody else can have written, and that are whole and unaltered, are trusted.

A file is a SHA-256 (32 bytes) of its key and the rest, then the name of the symbol to call, a zero byte, and the object file.
It is written to a temporary file and renamed, so any number of processes may write at once.
"""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streamrnn.regular_file import open_regular

_LOCATION = "STREAMRNN_CACHE_DIR"
_HASH = 32
_LARGEST = 16 << 20  # bytes; kernels take some tens of thousands
KEY_DIGITS = 64
_KEY = "[0-9a-f]" * KEY_DIGITS  # as a pattern
_DAY = 86400.0  # seconds
_UNUSED = 90 * _DAY  # until a file is removed
_MOST_LINKS = 40  # on the way to the directory, as Linux follows them


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
        try:
            from platformdirs import user_cache_path
        except ImportError:
            raise FileNotFoundError(f"platformdirs is not installed, and {_LOCATION} is not set") from None
        usual = user_cache_path("streamrnn")
        if usual.is_absolute():
            return usual
    raise FileNotFoundError(f"no home directory, and {_LOCATION} is {named or 'not set'}")


def trusted_directory() -> Path:
    """The directory, created if it is missing. Raises OSError if that fails, or if other users can change what is in it."""
    folder = directory()
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a directory")
    check_private(folder)
    return folder


def read(key: str) -> Code | None:
    """The code of a key; None if there is no code that can be trusted, for whatever reason."""
    with suppress(OSError):
        folder = directory()
        check_private(folder)
        path = folder / f"{key}.o"
        file, status = open_regular(path)
        with file:
            data = file.read(status.st_size + 1) if is_private(status) and status.st_size <= _LARGEST else b""
        code = _checked(key, data)
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


def check_private(folder: Path) -> None:
    """Raise PermissionError if another user could put a file into a folder, or put another folder in its place.

    So nobody else may write to any folder on the way to it. In a sticky one, such as /tmp, others cannot replace what is ours.
    """
    if not hasattr(os, "getuid"):  # Windows
        return
    for path, status in _way_to(folder):
        is_guarded = stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX
        if not (_is_ours(status) if is_guarded else is_private(status)):
            raise PermissionError(f"{path} belongs to another user, or others can write to it")
    if not is_private(folder.stat()):
        raise PermissionError(f"{folder} belongs to another user, or others can write to it")


def _way_to(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The folders and links through which a path leads, from the root on, and their status."""
    current, n_links = os.sep, 0
    waiting = [*folder.absolute().parts[::-1]]
    while waiting:
        entry = os.path.normpath(os.path.join(current, waiting.pop()))
        status = os.lstat(entry)
        yield entry, status
        if not stat.S_ISLNK(status.st_mode):
            current = entry
            continue
        n_links += 1
        if n_links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        waiting += Path(os.readlink(entry)).parts[::-1]


def is_private(status: os.stat_result) -> bool:
    """Whether only this user or root can write to a file or folder: what is in it will be executed."""
    return _is_ours(status) and not (hasattr(os, "getuid") and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def is_as_private(inner: os.stat_result, outer: os.stat_result) -> bool:
    """Whether nobody can write to a file or folder who cannot write to another one."""
    writable = stat.S_IWGRP | stat.S_IWOTH
    owners = inner.st_uid in (outer.st_uid, 0) and (inner.st_gid == outer.st_gid or not inner.st_mode & stat.S_IWGRP)
    return owners and not inner.st_mode & writable & ~outer.st_mode


def _is_ours(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or status.st_uid in (os.getuid(), 0)


def _remove_unused(folder: Path) -> None:
    """Remove code that nobody has read for 90 days, and files that killed processes have left."""
    now = time.time()
    for pattern, age in ((f"{_KEY}.o", _UNUSED), (f"{_KEY}.lock", _DAY), (".streamrnn-*.tmp", _DAY)):
        for path in folder.glob(pattern):
            with suppress(OSError):
                if now - path.lstat().st_mtime > age:
                    path.unlink()
