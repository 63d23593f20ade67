"""Compiling: from a kernel's name and width, or a function, to the address of machine code, once per process.

Nothing is cached on disk: Numba's own cache is not safe between processes (docs/decisions/).
"""

import importlib
from collections.abc import Callable
from functools import cache
from threading import RLock
from typing import Any

from numba import cfunc, types

from streamrnn.kernels.driver import run
from streamrnn.packing import Width

_KERNEL = types.void(types.int64, types.int64, types.int64, types.int64)
_CALLBACK = types.int64(types.int64, types.int64, types.int64, types.int64)
_lock = RLock()


def kernel_address(name: str, width: Width) -> int:
    """Address of the kernel `name`, "room.variant", for vectors of a width: void (record, source, target, n_steps)."""
    with _lock:
        return int(_kernel(name, width).address)


def driver_address() -> int:
    """Address of the driver: int64 (plan, x, y, n_steps)."""
    return callback_address(run)


def callback_address(function: Callable[[int, int, int, int], int]) -> int:
    """Address of a function of four int64 that returns one, compiled."""
    with _lock:
        return int(_callback(function).address)


@cache
def _kernel(name: str, width: Width) -> Any:
    room, variant = name.split(".")
    build = getattr(importlib.import_module(f"streamrnn.kernels.{room}"), variant)
    return cfunc(_KERNEL, nopython=True, error_model="numpy")(build(width))


@cache
def _callback(function: Callable[[int, int, int, int], int]) -> Any:
    return cfunc(_CALLBACK, nopython=True, error_model="numpy")(function)
