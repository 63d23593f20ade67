"""Compiling: from the name of a function to LLVM's text for this CPU."""

import importlib
from collections.abc import Callable
from typing import Any

from numba import cfunc, types
from numba.core.errors import NumbaError

from streamrnn.errors import ModelError
from streamrnn.kernels.pool.stream import pool_kernel
from streamrnn.kernels.stream import stream_kernel
from streamrnn.recipe import OWN
from streamrnn.target.packing import Width

_SIGNATURE = types.int64(*[types.int64] * 4)

#: What makes a kernel of a recipe, by the driver that calls it.
_MAKERS = {"stream": stream_kernel, "pool": pool_kernel}


def compiled(path: str, width: Width) -> tuple[str, str]:
    """What a path stands for, for a width: a function of four int64 to one.

    A path below `streamrnn` is that of a function that builds it: "kernels.driver.run"; or that of a recipe, and what the
    kernel is for: "cells.lstm.standard/stream", "own.li_gru.1.<hash>/pool".

    Returns the name of its symbol, and the optimised text.
    """
    try:
        callback = cfunc(_SIGNATURE, nopython=True, error_model="numpy")(_builder(path)(width))
    except NumbaError as error:
        if not path.startswith("own."):
            raise
        kind = path.split(".")[1]
        raise ModelError(
            f"cell {kind!r}: the equation cannot be compiled; write it with streamrnn.functions and with + - * / ({error})"
        ) from error
    return callback.native_name, callback.inspect_llvm()


def _builder(path: str) -> Callable[[Width], Any]:
    where, _, driver = path.partition("/")
    if where.startswith("own."):
        return lambda width: _MAKERS[driver](OWN[where], width)
    module, _, name = f"streamrnn.{where}".rpartition(".")
    found: Any = getattr(importlib.import_module(module), name)
    return (lambda width: _MAKERS[driver](found, width)) if driver else found
