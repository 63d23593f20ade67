"""Functions for the GPU, and what becomes of them under Numba's simulator (NUMBA_ENABLE_CUDASIM=1)."""

from collections.abc import Callable
from typing import Any

from numba import cuda, njit
from numba.core import types
from numba.core.typing import signature
from numba.cuda.core import config
from numba.extending import intrinsic

from streamrnn.kernels.inline import OPTIONS

Function = Callable[..., Any]
Kernel = Callable[..., None]

#: Kernels run in Python, a thread for each of the GPU's: slow, but with its indices checked.
SIMULATED = bool(config.ENABLE_CUDASIM)

if not SIMULATED:
    import streamrnn.cuda.kernels.rounding  # noqa: F401


def part(function: Function) -> Any:
    """A part of kernels that works on their arrays and knows their threads."""
    return cuda.jit(device=True)(function) if SIMULATED else cuda.jit(device=True, forceinline=True)(function)


def arithmetic(function: Function) -> Any:
    """A part of kernels that computes: with numbers, and with shared and local arrays.

    The simulator cannot run it in Python, whose numbers know no fused multiply-add; it takes what Numba makes of the same
    source for the CPU.
    """
    if SIMULATED:
        return njit(error_model=OPTIONS["error_model"], boundscheck=True)(function)
    return cuda.jit(device=True, forceinline=True)(function)


@intrinsic
def place(typingctx: Any, index: types.Type) -> Any:
    """An index that is not negative, and so is not looked at for being counted from the end."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0]

    return signature(types.uint64, types.int64), codegen
