"""Compiling: from the name of a kernel to LLVM's text for this CPU."""

import importlib
from typing import Any

from numba import cfunc, types

from streamrnn.target.packing import Width

_SIGNATURE = types.int64(*[types.int64] * 4)


def compiled(builder: str, width: Width) -> tuple[str, str]:
    """What the builder at a dotted path below `streamrnn` makes for a width: a function of four int64 to one.

    Returns the name of its symbol, and the optimised text.
    """
    module, _, name = f"streamrnn.{builder}".rpartition(".")
    build: Any = getattr(importlib.import_module(module), name)
    callback = cfunc(_SIGNATURE, nopython=True, error_model="numpy")(build(width))
    return callback.native_name, callback.inspect_llvm()
