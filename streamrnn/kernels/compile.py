"""Compiling: from the name of a kernel to LLVM's text for this CPU."""

import importlib
from typing import Any

from numba import cfunc, types

from streamrnn.packing import Width

_ADDRESSES = [types.int64] * 4
_KERNEL = types.void(*_ADDRESSES)
_CALLBACK = types.int64(*_ADDRESSES)


def compiled(function: str, width: Width | None) -> tuple[str, str]:
    """The function at a dotted path below `streamrnn` (four int64 to one), or the kernel that a builder makes for a width.

    Returns the name of its symbol, and the optimised text.
    """
    module, _, name = f"streamrnn.{function}".rpartition(".")
    source: Any = getattr(importlib.import_module(module), name)
    if width is None:
        callback = cfunc(_CALLBACK, nopython=True, error_model="numpy")(source)
    else:
        callback = cfunc(_KERNEL, nopython=True, error_model="numpy")(source(width))
    return callback.native_name, callback.inspect_llvm()
