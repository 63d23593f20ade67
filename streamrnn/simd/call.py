"""Calls of C functions at addresses, from machine code."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

_INT = ir.IntType(64)


@intrinsic
def call(typingctx: Any, function: types.Type, *arguments: types.Type) -> Any:
    """Call the C function at an address with int64 arguments, and return its int64; any value, where it returns nothing."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        values = cgutils.unpack_tuple(builder, args[1])
        kind = ir.FunctionType(_INT, [_INT] * len(values))
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), values)

    return signature(types.int64, types.int64, types.StarArgTuple([types.int64] * len(arguments))), codegen
