"""`Vec`: a Numba type that lowers to the LLVM vector `<lanes x dtype>`, with operators that work lane by lane.

A number beside a vector is converted to the lane type and copied to all lanes, so that one source text serves vectors and
scalars. No operator carries fast-math flags: what is written is what is computed (bit reproducibility, the machine law).
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.extending import models, register_model
from numba.core.imputils import lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin
from numba.np.numpy_support import from_dtype


class Vec(types.Type):
    """`lanes` values of one Numba scalar type (float32, float64, int32, int64, boolean), held in a vector register."""

    def __init__(self, dtype: types.Type, lanes: int) -> None:
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(name=f"Vec({dtype}, {lanes})")

    def with_dtype(self, dtype: types.Type) -> "Vec":
        """The vector type with as many lanes of another scalar type."""
        return Vec(dtype, self.lanes)


def numba_type(dtype: type) -> types.Type:
    """Numba's type of a NumPy type."""
    return from_dtype(np.dtype(dtype))


def lane_type(dtype: types.Type) -> ir.Type:
    """LLVM type of one lane. A boolean lane is one bit, as comparisons return it."""
    return {
        types.float32: ir.FloatType(),
        types.float64: ir.DoubleType(),
        types.int32: ir.IntType(32),
        types.int64: ir.IntType(64),
        types.boolean: ir.IntType(1),
    }[dtype]


def llvm_type(typ: types.Type) -> ir.Type:
    """LLVM type of a vector or of a scalar; a vector of one lane is a scalar to LLVM."""
    if isinstance(typ, Vec) and typ.lanes > 1:
        return ir.VectorType(lane_type(typ.dtype), typ.lanes)
    return lane_type(scalar_of(typ))


def scalar_of(typ: types.Type) -> types.Type:
    """The scalar type that a vector holds, or a scalar type itself."""
    return typ.dtype if isinstance(typ, Vec) else typ


def splat(builder: ir.IRBuilder, value: ir.Value, vec: Vec) -> ir.Value:
    """`value` in every lane."""
    kind = llvm_type(vec)
    if vec.lanes == 1:
        return value
    if isinstance(value, ir.Constant):
        return ir.Constant(kind, [value] * vec.lanes)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vec.lanes), [ir.Constant(ir.IntType(32), 0)] * vec.lanes)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), mask)


def common_vec(a: types.Type, b: types.Type) -> Vec | None:
    """The common vector type of `a` and `b`; None where neither is a vector or the two vector types differ."""
    if isinstance(a, Vec):
        return a if a == b or isinstance(b, types.Number | types.Literal) else None
    return b if isinstance(b, Vec) and isinstance(a, types.Number | types.Literal) else None


Emit = Callable[..., ir.Value]


class Target(NamedTuple):
    """A target of Numba (CPU or CUDA): how to register a type there, and how its float operators are emitted."""

    models: Any
    register_model: Callable[..., Any]
    lower_cast: Callable[..., Any]
    lower_builtin: Callable[..., Any]
    template: type
    infer_global: Callable[..., Any]
    floats: Mapping[Callable[..., Any], Emit]
    negate: Emit


def introduce_vectors(target: Target) -> None:
    """Register the vector type and its operators with a target."""
    _introduce_type(target)
    for op, emit in _INTEGERS.items():
        _introduce_operator(target, op, {False: emit})
    for op, emit in target.floats.items():
        _introduce_operator(target, op, {True: emit} | ({False: _SHARED[op]} if op in _SHARED else {}))
    for op, symbol in _COMPARISONS.items():
        _introduce_operator(target, op, _compare(symbol), types.boolean)
    _introduce_negation(target)


def _introduce_type(target: Target) -> None:
    @target.register_model(Vec)
    class Model(target.models.PrimitiveModel):  # type: ignore[name-defined]
        def __init__(self, manager: Any, vec: Vec) -> None:
            super().__init__(manager, vec, llvm_type(vec))

    @target.lower_cast(types.Number, Vec)
    def number_to_vec(context: Any, builder: ir.IRBuilder, fromty: types.Type, toty: Vec, value: ir.Value) -> ir.Value:
        return splat(builder, context.cast(builder, value, fromty, toty.dtype), toty)


def _introduce_operator(
    target: Target, op: Callable[..., Any], emit: Mapping[bool, Emit], result: types.Type | None = None
) -> None:
    """Register the operator `op`: `emit[is_float](builder, a, b)` emits it; its lanes have type `result`, or the operands'."""

    @target.infer_global(op)
    class Typing(target.template):  # type: ignore[name-defined]
        def generic(self, args: Any, kws: Any) -> Any:
            if kws or len(args) != 2 or (vec := common_vec(*args)) is None:
                return None
            if isinstance(vec.dtype, types.Float) not in emit:
                return None
            return signature(vec if result is None else vec.with_dtype(result), vec, vec)

    @target.lower_builtin(op, Vec, Vec)
    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit[isinstance(sig.args[0].dtype, types.Float)](builder, *args)


def _introduce_negation(target: Target) -> None:
    @target.infer_global(operator.neg)
    class Typing(target.template):  # type: ignore[name-defined]
        def generic(self, args: Any, kws: Any) -> Any:
            return signature(args[0], args[0]) if len(args) == 1 and isinstance(args[0], Vec) else None

    @target.lower_builtin(operator.neg, Vec)
    def lower(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return target.negate(builder, args[0])


def _compare(symbol: str) -> dict[bool, Emit]:
    return {
        True: lambda builder, a, b: (builder.fcmp_unordered if symbol == "!=" else builder.fcmp_ordered)(symbol, a, b),
        False: lambda builder, a, b: builder.icmp_signed(symbol, a, b),
    }


#: Operators of integers only, integer forms of operators that floats have too, and comparisons.
_INTEGERS: dict[Callable[..., Any], Emit] = {
    operator.and_: ir.IRBuilder.and_,
    operator.or_: ir.IRBuilder.or_,
    operator.lshift: ir.IRBuilder.shl,
    operator.rshift: ir.IRBuilder.ashr,
}
_SHARED: dict[Callable[..., Any], Emit] = {
    operator.add: ir.IRBuilder.add,
    operator.sub: ir.IRBuilder.sub,
    operator.mul: ir.IRBuilder.mul,
}
_COMPARISONS: dict[Callable[..., Any], str] = {
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}

introduce_vectors(
    Target(
        models,
        register_model,
        lower_cast,
        lower_builtin,
        AbstractTemplate,
        infer_global,
        {
            operator.add: ir.IRBuilder.fadd,
            operator.sub: ir.IRBuilder.fsub,
            operator.mul: ir.IRBuilder.fmul,
            operator.truediv: ir.IRBuilder.fdiv,
        },
        ir.IRBuilder.fneg,
    )
)


@intrinsic
def as_vector(typingctx: Any, number: types.Type) -> Any:
    """A number as a vector of one lane."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return args[0]

    return signature(Vec(number, 1), number), codegen


@intrinsic
def as_number(typingctx: Any, vector: types.Type) -> Any:
    """The number in a vector of one lane."""
    if not isinstance(vector, Vec) or vector.lanes != 1:
        return None

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return args[0]

    return signature(vector.dtype, vector), codegen
