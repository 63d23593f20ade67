"""Compiling: from the path of a kernel to LLVM's text for this CPU."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from numba import config, types
from numba.core.errors import NumbaError

from streamrnn.errors import ModelError, StreamRNNError
from streamrnn.kernels.inline import text_of
from streamrnn.kernels.pool.stream import pool_kernel
from streamrnn.kernels.stream import stream_kernel
from streamrnn.recipe import OWN, Recipe
from streamrnn.target.packing import Width

_SIGNATURE = types.int64(*[types.int64] * 4)

#: What builds the kernel of a recipe, by the driver that calls the kernel.
_MAKERS = {"stream": stream_kernel, "pool": pool_kernel}


def compiled(path: str, width: Width) -> tuple[str, str]:
    """Compile the kernel or driver at a path, for a width: a function of four int64 that returns one.

    A path names a function that builds it, "kernels.driver.run" for example; or a recipe, and the driver that calls the kernel:
    "cells.lstm.standard/stream", "own.li_gru.1.<hash>/pool". Paths begin below the package `streamrnn`. A recipe's name may be
    followed by one of its states, which is then the output: "cells.lstm.standard:c/stream".

    Returns the name of the symbol, and the optimised text of the module.
    """
    if config.DISABLE_JIT:
        raise StreamRNNError("no kernel can be compiled, since NUMBA_DISABLE_JIT is set; unset it and start again")
    try:
        return text_of(_builder(path)(width), _SIGNATURE)
    except NumbaError as error:
        if not path.startswith("own."):
            raise
        kind = path.split(".")[1]
        raise ModelError(
            f"cell {kind!r}: the equation cannot be compiled; write it with streamrnn.functions and with + - * / ({error})"
        ) from error


def recipe_of(path: str) -> Recipe:
    """The recipe that a path of a recipe's kernel names."""
    location, _, state = path.partition("/")[0].partition(":")
    recipe: Recipe = OWN[location] if location.startswith("own.") else _named(location)
    return replace(recipe, output=state) if state else recipe


def _builder(path: str) -> Callable[[Width], Any]:
    location, _, driver = path.partition("/")
    if not driver:
        builder: Callable[[Width], Any] = _named(location)
        return builder
    return lambda width: _MAKERS[driver](recipe_of(path), width)


def _named(location: str) -> Any:
    module, _, name = f"streamrnn.{location}".rpartition(".")
    return getattr(importlib.import_module(module), name)
