"""Arithmetic that works alike on vectors and scalars: fused multiply-add, selection, bits.

Each function takes vectors of one type, or scalars. A number beside a vector is copied to all lanes.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.simd.vector import Vec, common_vec, lane_type, llvm_type, scalar_of, splat

_BITS = {types.float32: types.int32, types.float64: types.int64}
_SUFFIX = {types.float32: "f32", types.float64: "f64"}


def _bits_of(typ: types.Type) -> types.Type:
    """The integer type of the same bits per lane, and as many lanes."""
    bits = _BITS[scalar_of(typ)]
    return typ.with_dtype(bits) if isinstance(typ, Vec) else bits


def _common_type(*args: types.Type) -> types.Type | None:
    """The common type of the arguments: their vector type, or the scalar type of the first. None where vector types differ."""
    vec = next((arg for arg in args if isinstance(arg, Vec)), None)
    if vec is None:
        return args[0]
    return vec if all(common_vec(vec, arg) for arg in args) else None


def overloaded_name(name: str, typ: types.Type) -> str:
    """Full name of an LLVM intrinsic for a type: llvm.fma.v8f32, llvm.fma.f32."""
    lanes = f"v{typ.lanes}" if isinstance(typ, Vec) and typ.lanes > 1 else ""
    return f"llvm.{name}.{lanes}{_SUFFIX[scalar_of(typ)]}"


def emit_fma(builder: ir.IRBuilder, typ: types.Type, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """a * b + c, rounded once."""
    kind = llvm_type(typ)
    function = builder.module.declare_intrinsic(overloaded_name("fma", typ), (), ir.FunctionType(kind, [kind] * 3))
    return builder.call(function, (a, b, c))


def emit_after(builder: ir.IRBuilder, value: ir.Value, other: ir.Value) -> ir.Value:
    """A vector of x86-64, which the compiler does not use before it has computed another. It is no instruction."""
    kind = ir.FunctionType(value.type, [value.type, other.type])
    return builder.call(ir.InlineAsm(kind, "", "=v,0,v"), [value, other])


@intrinsic
def fma(typingctx: Any, a: types.Type, b: types.Type, c: types.Type) -> Any:
    """a * b + c with one rounding."""
    typ = _common_type(a, b, c)
    if typ is None:
        return None

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit_fma(builder, sig.return_type, *args)

    return signature(typ, typ, typ, typ), codegen


@intrinsic
def select(typingctx: Any, mask: types.Type, a: types.Type, b: types.Type) -> Any:
    """`a` where the mask is true, else `b`."""
    typ = _common_type(a, b) if not isinstance(b, Vec) else _common_type(b, a)
    if isinstance(mask, Vec) and isinstance(typ, types.Float):  # of two numbers
        typ = mask.with_dtype(typ)
    if typ is None or (isinstance(mask, Vec) and not isinstance(typ, Vec)):
        return None

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.select(*args)

    return signature(typ, mask, typ, typ), codegen


@intrinsic
def in_every_lane(typingctx: Any, number: types.Type, like: types.Type) -> Any:
    """A number in every lane of a vector of the type of `like`. What is computed of it is then rounded as vectors are."""
    if not isinstance(like, Vec):
        return signature(number, number, like), lambda context, builder, sig, args: args[0]
    vec = like.with_dtype(number)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return splat(builder, args[0], vec)

    return signature(vec, number, like), codegen


@intrinsic
def absolute(typingctx: Any, a: types.Type) -> Any:
    """|a|, by clearing the sign bit."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        bits = _bits_of(sig.return_type)
        all_but_sign = ir.Constant(lane_type(scalar_of(bits)), (1 << (scalar_of(bits).bitwidth - 1)) - 1)
        mask = splat(builder, all_but_sign, bits) if isinstance(bits, Vec) else all_but_sign
        cleared = builder.and_(builder.bitcast(args[0], llvm_type(bits)), mask)
        return builder.bitcast(cleared, llvm_type(sig.return_type))

    return signature(a, a), codegen


@intrinsic
def square_root(typingctx: Any, a: types.Type) -> Any:
    """sqrt(a), rounded as IEEE 754 demands."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        kind = llvm_type(sig.return_type)
        called = overloaded_name("sqrt", sig.return_type)
        return builder.call(builder.module.declare_intrinsic(called, (), ir.FunctionType(kind, [kind])), args)

    return signature(a, a), codegen


@intrinsic
def any_lane(typingctx: Any, mask: types.Type) -> Any:
    """Whether any lane of the mask is true."""
    if not isinstance(mask, Vec):
        return None

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        kind = llvm_type(mask)
        if mask.lanes == 1:
            return args[0]
        function = ir.FunctionType(ir.IntType(1), [kind])
        name = f"llvm.vector.reduce.or.v{mask.lanes}i1"
        return builder.call(builder.module.declare_intrinsic(name, (), function), args)

    return signature(types.boolean, mask), codegen


@intrinsic
def any_first_lane(typingctx: Any, mask: types.Type, count: types.Type) -> Any:
    """Whether any of the first `count` lanes of the mask is true."""
    if not isinstance(mask, Vec):
        return None

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        lanes, bits = args[0], ir.IntType(mask.lanes)
        first = builder.sub(builder.shl(ir.IntType(64)(1), args[1]), ir.IntType(64)(1))
        found = builder.and_(builder.zext(builder.bitcast(lanes, bits), first.type), first)
        return builder.icmp_unsigned("!=", found, first.type(0))

    return signature(types.boolean, mask, types.int64), codegen


@intrinsic
def least_size(typingctx: Any, a: types.Type, least: types.Type) -> Any:
    """The lesser of `least` and of the size of `a`, in every lane: integers without sign, twice the bits of |a| and minus 1.

    Sizes have the order of |a|, but that of 0 is the largest.
    """

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        kind = args[1].type
        one = ir.Constant(kind, [1] * least.lanes) if isinstance(least, Vec) and least.lanes > 1 else ir.Constant(kind, 1)
        size = builder.sub(builder.shl(builder.bitcast(args[0], kind), one), one)
        return builder.select(builder.icmp_unsigned("<", size, args[1]), size, args[1])

    return signature(least, a, least), codegen


@intrinsic
def is_below(typingctx: Any, a: types.Type, limit: types.Type) -> Any:
    """Whether integers without sign are below a limit, a number: a mask, or for a number a boolean."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        high = splat(builder, args[1], a) if isinstance(a, Vec) else args[1]
        return builder.icmp_unsigned("<", args[0], high)

    return signature(a.with_dtype(types.boolean) if isinstance(a, Vec) else types.boolean, a, limit), codegen


@intrinsic
def to_bits(typingctx: Any, a: types.Type) -> Any:
    """The bits of floats, as integers of the same width."""
    result = _bits_of(a)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.bitcast(args[0], llvm_type(sig.return_type))

    return signature(result, a), codegen


@intrinsic
def from_bits(typingctx: Any, a: types.Type) -> Any:
    """The floats that have these integers as their bits."""
    floats = {bits: dtype for dtype, bits in _BITS.items()}[scalar_of(a)]
    result = a.with_dtype(floats) if isinstance(a, Vec) else floats

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.bitcast(args[0], llvm_type(sig.return_type))

    return signature(result, a), codegen
