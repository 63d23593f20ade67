"""The machine code of a kernel: from memory, else from disk, else from a library compiled ahead, else from the compiler.

The logger "streamrnn" says at INFO which kernels are compiled. Its records have an attribute `compiled`: how many of these are
done, and how many there are.
"""

import time
from collections.abc import Sequence
from threading import RLock
from typing import NamedTuple

from streamrnn.code_cache import files, loader
from streamrnn.code_cache.compile_lock import lock_for
from streamrnn.code_cache.files import Code
from streamrnn.code_cache.key import beginning_of, key_of, numba_version, objects_can_be_loaded
from streamrnn.code_cache.library import address_in_library, has
from streamrnn.code_cache.unusable import no_compiler, warn_not_kept
from streamrnn.target.cpu import warn_without_fma
from streamrnn.target.packing import Width


class Function(NamedTuple):
    """What names a compiled function.

    path   dotted path of its builder, below `streamrnn`, such as "kernels.lstm.standard"
    width  the builder's argument
    """

    path: str
    width: Width


_addresses: dict[Function, int] = {}
_lock = RLock()


def address_of(path: str, width: Width) -> int:
    """Address of a compiled function, which `Function` describes. Compiles it if necessary."""
    function = Function(path, width)
    address = _addresses.get(function)
    if address is None:
        load_all([function])
        address = _addresses[function]
    return address


def load_all(functions: Sequence[Function]) -> None:
    """Load functions, for ever. Those that are neither in memory, on disk nor in a library are compiled; the log says so.

    Warns, once in a process, where code cannot be kept, and on a CPU that has no FMA. Raises MissingExtraError where Numba is
    not installed and something must be compiled.
    """
    warn_without_fma()
    with _lock:
        missing = []
        for function in dict.fromkeys(functions):
            if function not in _addresses and not _load(function, _kept(function)) and not _load_ahead(function):
                missing.append(function)
        if missing:
            _compile_all(missing)


def are_ready(functions: Sequence[Function]) -> bool:
    """Whether all functions are in memory, on disk or in a library, so that none would be compiled."""
    return all(function in _addresses or _kept(function) is not None or has(*function) for function in functions)


def size_kept(function: Function) -> int | None:
    """Bytes of a function's code on disk; None if there is no code that can be trusted."""
    code = _kept(function)
    return None if code is None else len(code.object)


def keep(function: Function) -> int:
    """Put a function's code on disk, without loading it. Returns its bytes.

    Raises OSError if it cannot be written, MissingExtraError where Numba is not installed.
    """
    if numba_version() is None:
        raise no_compiler(function.path)
    with _lock:
        code, not_kept = _compile(function)
        if not_kept is not None:
            raise not_kept
        return len(code.object)


def _kept(function: Function) -> Code | None:
    """The code of a function on disk. Without Numba, code that any version of Numba has made."""
    if not objects_can_be_loaded():
        return None
    keys = [key_of(*function)] if numba_version() else files.keys(beginning_of(*function))
    return next((code for code in map(files.read, keys) if code is not None), None)


def _load(function: Function, code: Code | None) -> bool:
    if code is not None:
        _addresses[function] = loader.load(code)
    return code is not None


def _load_ahead(function: Function) -> bool:
    address = address_in_library(*function)
    if address is not None:
        _addresses[function] = address
    return address is not None


def _compile_all(functions: Sequence[Function]) -> None:
    """Compile functions that are not on disk, load them, and keep them if possible."""
    if numba_version() is None:
        raise no_compiler(functions[0].path)
    try:
        where = f"they are kept in {files.trusted_directory()}"
    except OSError as error:
        warn_not_kept(error)
        where = "they cannot be kept"
    _say(0, len(functions), "compiling, which takes some seconds; kernels: %d; %s", len(functions), where)
    for n_done, function in enumerate(functions, 1):
        begin = time.perf_counter()
        code, not_kept = _compile(function)
        _load(function, code)
        if not_kept is not None:
            warn_not_kept(not_kept)
        _say(n_done, len(functions), "%s: ready after %.1f s", function.path, time.perf_counter() - begin)


def _compile(function: Function) -> tuple[Code, OSError | None]:
    """The code of a function, and why it could not be kept on disk."""
    key = key_of(*function)
    with lock_for(key):
        code = files.read(key)  # another process may have compiled it meanwhile
        if code is not None:
            return code, None
        from streamrnn.kernels.compile import compiled  # here, since it imports Numba

        code = loader.emit(*compiled(*function))
        try:
            files.write(key, code)
        except OSError as error:
            return code, error
        return code, None


def _say(n_done: int, n_all: int, message: str, *values: object) -> None:
    import logging  # here: a start that compiles nothing does not need it

    logging.getLogger("streamrnn").info(message, *values, extra={"compiled": (n_done, n_all)})
