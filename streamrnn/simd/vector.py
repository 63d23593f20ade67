"""`Vec`: a Numba type that lowers to the LLVM vector `<lanes x dtype>`, with operators that work lane by lane.

A number beside a vector is converted to the lane type and splatted, so that one source text serves vectors and scalars.
No operator carries fast-math flags: what is written is what is computed (the machine law).
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.extending import models, register_model
from numba.core.imputils import lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin
from numba.np.numpy_support import from_dtype


class Vec(types.Type):
    """`lanes` values of one Numba scalar type (float32, float64, int32, int64, boolean), held in a vector register."""

    def __init__(self, dtype: types.Type, lanes: int) -> None:
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(name=f"Vec({dtype}, {lanes})")

    def with_dtype(self, dtype: types.Type) -> "Vec":
        """The vector type of as many lanes of another scalar."""
        return Vec(dtype, self.lanes)


def numba_type(dtype: type) -> types.Type:
    """Numba's type of a NumPy type."""
    return from_dtype(np.dtype(dtype))


def lane_type(dtype: types.Type) -> ir.Type:
    """LLVM type of one lane; a boolean lane is one bit, as comparisons yield it."""
    return {
        types.float32: ir.FloatType(),
        types.float64: ir.DoubleType(),
        types.int32: ir.IntType(32),
        types.int64: ir.IntType(64),
        types.boolean: ir.IntType(1),
    }[dtype]


def llvm_type(typ: types.Type) -> ir.Type:
    """LLVM type of a vector or of a scalar."""
    return ir.VectorType(lane_type(typ.dtype), typ.lanes) if isinstance(typ, Vec) else lane_type(typ)


def scalar_of(typ: types.Type) -> types.Type:
    """The scalar type that a vector holds, or a scalar type itself."""
    return typ.dtype if isinstance(typ, Vec) else typ


@register_model(Vec)
class _VecModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vec: Vec) -> None:
        super().__init__(manager, vec, llvm_type(vec))


def splat(builder: ir.IRBuilder, value: ir.Value, vec: Vec) -> ir.Value:
    """`value` in every lane."""
    kind = llvm_type(vec)
    if isinstance(value, ir.Constant):
        return ir.Constant(kind, [value] * vec.lanes)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vec.lanes), [ir.Constant(ir.IntType(32), 0)] * vec.lanes)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), mask)


@lower_cast(types.Number, Vec)
@lower_cast(types.Literal, Vec)
def _number_to_vec(context: Any, builder: ir.IRBuilder, fromty: types.Type, toty: Vec, value: ir.Value) -> ir.Value:
    return splat(builder, context.cast(builder, value, fromty, toty.dtype), toty)


def common_vec(a: types.Type, b: types.Type) -> Vec | None:
    """The vector type in which `a` and `b` meet; None where neither is a vector or the two vectors differ."""
    if isinstance(a, Vec):
        return a if a == b or isinstance(b, types.Number | types.Literal) else None
    return b if isinstance(b, Vec) and isinstance(a, types.Number | types.Literal) else None


def _binary(op: Callable[..., Any], emit: dict[bool, Callable[..., Any]], result: types.Type | None = None) -> None:
    """Give vectors the operator `op`: `emit[is_float](builder, a, b)`, lanes of `result` or of the operands' type."""

    @infer_global(op)
    class Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if kws or len(args) != 2 or (vec := common_vec(*args)) is None:
                return None
            if isinstance(vec.dtype, types.Float) not in emit:
                return None
            return signature(vec if result is None else vec.with_dtype(result), vec, vec)

    @lower_builtin(op, Vec, Vec)
    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit[isinstance(sig.args[0].dtype, types.Float)](builder, *args)


def _compare(symbol: str) -> dict[bool, Callable[..., Any]]:
    return {
        True: lambda builder, a, b: (builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered)(symbol, a, b),
        False: lambda builder, a, b: builder.icmp_signed(symbol, a, b),
    }


_binary(operator.add, {True: ir.IRBuilder.fadd, False: ir.IRBuilder.add})
_binary(operator.sub, {True: ir.IRBuilder.fsub, False: ir.IRBuilder.sub})
_binary(operator.mul, {True: ir.IRBuilder.fmul, False: ir.IRBuilder.mul})
_binary(operator.truediv, {True: ir.IRBuilder.fdiv})
_binary(operator.and_, {False: ir.IRBuilder.and_})
_binary(operator.or_, {False: ir.IRBuilder.or_})
_binary(operator.lshift, {False: ir.IRBuilder.shl})
_binary(operator.rshift, {False: ir.IRBuilder.ashr})
_binary(operator.ne, _compare("!="), types.boolean)
for _op, _symbol in (operator.lt, "<"), (operator.le, "<="), (operator.gt, ">"), (operator.ge, ">="):
    _binary(_op, _compare(_symbol), types.boolean)


@infer_global(operator.neg)
class _Negate(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if len(args) == 1 and isinstance(args[0], Vec) else None


@lower_builtin(operator.neg, Vec)
def _negate(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
    return builder.fneg(args[0])
