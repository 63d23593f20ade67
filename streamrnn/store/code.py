"""The way to a kernel's machine code: from memory, else from disk, else from the compiler."""

from threading import RLock

from streamrnn.packing import Width
from streamrnn.store import files, loader
from streamrnn.store.key import key_of

_addresses: dict[tuple[str, Width], int] = {}
_lock = RLock()


def address_of(function: str, width: Width) -> int:
    """Address of a compiled function.

    function  dotted path below `streamrnn` of its builder, such as "kernels.lstm.standard"
    width     what the builder is called with
    """
    with _lock:
        address = _addresses.get((function, width))
        if address is None:
            address = _addresses[function, width] = _load(function, width)
        return address


def _load(function: str, width: Width) -> int:
    key = key_of(function, width)
    code = files.read(key)
    if code is None:
        from streamrnn.kernels.compile import compiled  # here: it imports Numba

        code = loader.emit(*compiled(function, width))
        files.write(key, code)
    address = loader.load(code)
    if address == 0:
        raise RuntimeError(f"the object file of {function} has no symbol {code.symbol}")
    return address
