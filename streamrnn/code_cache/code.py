"""The machine code of a kernel: from memory, else from disk, else from the compiler."""

from contextlib import suppress
from threading import RLock
from typing import NamedTuple

from streamrnn.code_cache import files, loader
from streamrnn.code_cache.files import Code
from streamrnn.code_cache.key import key_of
from streamrnn.target.packing import Width


class Function(NamedTuple):
    """What names a compiled function.

    path   dotted path of its builder, below `streamrnn`, such as "kernels.lstm.standard"
    width  the builder's argument
    """

    path: str
    width: Width


_addresses: dict[Function, int] = {}
_compiled: set[Function] = set()  # by this process
_lock = RLock()


def address_of(path: str, width: Width) -> int:
    """Address of a compiled function, which `Function` describes. Compiles it if necessary."""
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
    """Bytes of a function's code on disk; None if there is no code that can be trusted."""
    code = files.read(key_of(*function))
    return None if code is None else len(code.object)


def keep(function: Function) -> int:
    """Put a function's code on disk, without loading it. Returns its bytes. Raises OSError if it cannot be written."""
    with _lock:
        code = _code_of(function)
        if size_kept(function) is None:
            files.write(key_of(*function), code)
        return len(code.object)


def _code_of(function: Function) -> Code:
    key = key_of(*function)
    return files.read(key) or _compiled_code(function, key)


def _compiled_code(function: Function, key: str) -> Code:
    from streamrnn.code_cache.compile_lock import lock_for

    with lock_for(key):
        code = files.read(key)  # another process may have compiled it meanwhile
        if code is None:
            from streamrnn.kernels.compile import compiled  # here, since it imports Numba

            code = loader.emit(*compiled(*function))
            _compiled.add(function)
            with suppress(OSError):  # then it is compiled again next time
                files.write(key, code)
    return code
