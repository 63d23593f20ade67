"""Loads and stores of vectors and numbers.

Addresses are integers. Nothing here checks them: the caller of a kernel has done that (the door law).
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.simd.vector import Vec, lane_type, llvm_type, scalar_of

INT = ir.IntType(64)


def pointer(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    """An address as a pointer to values of a type."""
    return builder.inttoptr(address, kind.as_pointer())


def emit_load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    """The value of a type at an address, which must be a multiple of 4."""
    load = builder.load(pointer(builder, address, kind))
    load.align = 4
    return load


def emit_store(builder: ir.IRBuilder, address: ir.Value, value: ir.Value) -> None:
    """Write a value to an address, which must be a multiple of 4."""
    builder.store(value, pointer(builder, address, value.type)).align = 4


def emit_load_int(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    """The int64 at an address."""
    return builder.load(pointer(builder, address, INT))


def bytes_of(vec: Vec) -> int:
    """Bytes of a vector."""
    return vec.lanes * vec.dtype.bitwidth // 8


@intrinsic(prefer_literal=True)
def load(typingctx: Any, address: types.Type, dtype: types.Type, lanes: types.Type) -> Any:
    """The vector of `lanes` values of a NumPy type (both constants) at an address."""
    if not isinstance(lanes, types.IntegerLiteral) or not isinstance(dtype, types.NumberClass):
        return None
    vec = Vec(dtype.dtype, lanes.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit_load(builder, args[0], llvm_type(vec))

    return signature(vec, types.int64, dtype, lanes), codegen


@intrinsic(prefer_literal=True)
def load_tuple(typingctx: Any, address: types.Type, dtype: types.Type, lanes: types.Type, count: types.Type) -> Any:
    """`count` consecutive vectors of `lanes` values of a NumPy type (all constants), from an address on."""
    if not isinstance(lanes, types.IntegerLiteral) or not isinstance(count, types.IntegerLiteral):
        return None
    vec = Vec(dtype.dtype, lanes.literal_value)
    result = types.UniTuple(vec, count.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        addresses = [builder.add(args[0], INT(index * bytes_of(vec))) for index in range(result.count)]
        return cgutils.pack_array(builder, [emit_load(builder, address, llvm_type(vec)) for address in addresses])

    return signature(result, types.int64, dtype, lanes, count), codegen


@intrinsic
def load_scalar(typingctx: Any, address: types.Type, dtype: types.Type) -> Any:
    """The number of a NumPy type at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit_load(builder, args[0], lane_type(sig.return_type))

    return signature(dtype.dtype, types.int64, dtype), codegen


@intrinsic
def load_like(typingctx: Any, address: types.Type, index: types.Type, like: types.Type) -> Any:
    """The number at an index of the array at an address. The array has the lane type of `like`."""
    dtype = scalar_of(like)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        offset = builder.mul(args[1], INT(dtype.bitwidth // 8))
        return emit_load(builder, builder.add(args[0], offset), lane_type(dtype))

    return signature(dtype, types.int64, types.int64, like), codegen


@intrinsic
def store(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write a vector or a number to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        emit_store(builder, *args)
        return context.get_dummy_value()

    return signature(types.void, types.int64, value), codegen


@intrinsic
def store_first(typingctx: Any, address: types.Type, value: types.Type, count: types.Type) -> Any:
    """Write the first `count` lanes of a vector, fewer than it has, to an address.

    It writes halves, quarters and so on, as `count` has bits. A number that is read soon is then within one store.
    """
    if not isinstance(value, Vec):
        return None

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        address, rest, count = args
        part = value.lanes // 2
        while part:
            low, high = ([index + begin for index in range(part)] for begin in (0, part))
            nothing = ir.Constant(rest.type, ir.Undefined)
            halves = [
                builder.shuffle_vector(rest, nothing, ir.Constant(ir.VectorType(ir.IntType(32), part), half))
                for half in (low, high)
            ]
            there = builder.icmp_signed("!=", builder.and_(count, INT(part)), INT(0))
            with builder.if_then(there):
                emit_store(builder, address, halves[0])
            address = builder.add(address, builder.select(there, INT(part * value.dtype.bitwidth // 8), INT(0)))
            rest = builder.select(there, halves[1], halves[0])
            part //= 2
        return context.get_dummy_value()

    return signature(types.void, types.int64, value, types.int64), codegen


@intrinsic
def load_int(typingctx: Any, address: types.Type) -> Any:
    """The int64 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit_load_int(builder, args[0])

    return signature(types.int64, types.int64), codegen


@intrinsic(prefer_literal=True)
def load_ints(typingctx: Any, address: types.Type, count: types.Type) -> Any:
    """`count` consecutive int64 (a constant), from an address on."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    result = types.UniTuple(types.int64, count.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        addresses = [builder.add(args[0], INT(8 * index)) for index in range(result.count)]
        return cgutils.pack_array(builder, [emit_load_int(builder, address) for address in addresses])

    return signature(result, types.int64, count), codegen


@intrinsic
def load_int32(typingctx: Any, address: types.Type) -> Any:
    """The int32 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return emit_load(builder, args[0], ir.IntType(32))

    return signature(types.int32, types.int64), codegen


@intrinsic
def store_int(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write an int64 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(args[1], pointer(builder, args[0], INT))
        return context.get_dummy_value()

    return signature(types.void, types.int64, types.int64), codegen


@intrinsic
def store_int32(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write an int32 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(args[1], pointer(builder, args[0], ir.IntType(32)))
        return context.get_dummy_value()

    return signature(types.void, types.int64, types.int32), codegen


@intrinsic
def store_byte(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write the lowest byte of an int64 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(builder.trunc(args[1], ir.IntType(8)), pointer(builder, args[0], ir.IntType(8)))
        return context.get_dummy_value()

    return signature(types.void, types.int64, types.int64), codegen


@intrinsic
def load_byte(typingctx: Any, address: types.Type) -> Any:
    """The byte at an address, 0 to 255, as an int64."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.zext(builder.load(pointer(builder, args[0], ir.IntType(8))), INT)

    return signature(types.int64, types.int64), codegen
