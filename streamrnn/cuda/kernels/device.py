"""How functions are compiled for the GPU, and what they are in Numba's simulator (NUMBA_ENABLE_CUDASIM=1)."""

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

#: Whether kernels run in the simulator: in Python, which is slow, but checks all indices.
SIMULATED = bool(config.ENABLE_CUDASIM)

if not SIMULATED:
    import streamrnn.cuda.kernels.rounding  # noqa: F401


def part(function: Function) -> Any:
    """A kernel part that moves values between arrays, and may use the indices of threads."""
    return cuda.jit(device=True)(function) if SIMULATED else cuda.jit(device=True, forceinline=True)(function)


def arithmetic(function: Function) -> Any:
    """A kernel part that computes, with numbers, and with shared and local arrays.

    The simulator cannot run it in Python, which has no fused multiply-add. It uses what Numba compiles from the same source for
    the CPU.
    """
    if SIMULATED:
        return njit(error_model=OPTIONS["error_model"], boundscheck=True)(function)
    return cuda.jit(device=True, forceinline=True)(function)


@intrinsic
def unsigned(typingctx: Any, index: types.Type) -> Any:
    """An index as uint64: Numba then adds no code for negative indices, which count from the end."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0]

    return signature(types.uint64, types.int64), codegen
