"""Atomic operations on int64 that threads share, for the worker threads of a pool.

All threads see all of these operations in one order (sequential consistency).
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing import signature
from numba.extending import intrinsic

_INT = ir.IntType(64)
_ORDER = "seq_cst"


@intrinsic
def load_shared(typingctx: Any, address: types.Type) -> Any:
    """The int64 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.load_atomic(builder.inttoptr(args[0], _INT.as_pointer()), _ORDER, 8)

    return signature(types.int64, types.int64), codegen


@intrinsic
def store_shared(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write an int64 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store_atomic(args[1], builder.inttoptr(args[0], _INT.as_pointer()), _ORDER, 8)
        return context.get_dummy_value()

    return signature(types.void, types.int64, types.int64), codegen


@intrinsic
def add_shared(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Add to the int64 at an address. Returns the value before."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.atomic_rmw("add", builder.inttoptr(args[0], _INT.as_pointer()), args[1], _ORDER)

    return signature(types.int64, types.int64, types.int64), codegen


@intrinsic
def swap_shared(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write an int64 to an address. Returns the value before."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.atomic_rmw("xchg", builder.inttoptr(args[0], _INT.as_pointer()), args[1], _ORDER)

    return signature(types.int64, types.int64, types.int64), codegen
