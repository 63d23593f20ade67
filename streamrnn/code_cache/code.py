"""The way to a kernel's machine code: from memory, else from disk, else from the compiler."""

from contextlib import suppress
from threading import RLock
from typing import NamedTuple

from streamrnn.code_cache import files, loader
from streamrnn.code_cache.files import Code
from streamrnn.code_cache.key import key_of
from streamrnn.target.packing import Width


class Function(NamedTuple):
    """What is compiled as one piece.

    path   of its builder, dotted, below `streamrnn`, such as "kernels.lstm.standard"
    width  what the builder is called with
    """

    path: str
    width: Width


_addresses: dict[Function, int] = {}
_compiled: set[Function] = set()  # by this process
_lock = RLock()


def address_of(path: str, width: Width) -> int:
    """Address of a compiled function; see `Function` for what names it."""
    function = Function(path, width)
    with _lock:
        address = _addresses.get(function)
        if address is None:
            address = _addresses[function] = loader.load(_code_of(function))
        return address


def asked_for() -> list[Function]:
    """The functions whose address this process has asked for."""
    return list(_addresses)


def compiled_here() -> set[Function]:
    """The functions that this process has compiled."""
    return set(_compiled)


def size_kept(function: Function) -> int | None:
    """Bytes of a function's code on disk; None if there is none that can be trusted."""
    code = files.read(key_of(*function))
    return None if code is None else len(code.object)


def keep(function: Function) -> int:
    """Have a function's code on disk, without loading it. Returns its bytes. Raises OSError where it cannot be kept."""
    with _lock:
        code = _code_of(function)
        if size_kept(function) is None:
            files.write(key_of(*function), code)
        return len(code.object)


def _code_of(function: Function) -> Code:
    key = key_of(*function)
    return files.read(key) or _made(function, key)


def _made(function: Function, key: str) -> Code:
    from streamrnn.code_cache.compile_lock import turn

    with turn(key):
        code = files.read(key)  # another process may have made it meanwhile
        if code is None:
            from streamrnn.kernels.compile import compiled  # here: it imports Numba

            code = loader.emit(*compiled(*function))
            _compiled.add(function)
            with suppress(OSError):  # compiled again next time
                files.write(key, code)
    return code
