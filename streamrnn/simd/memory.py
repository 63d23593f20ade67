"""Vectors and addresses: load, store, and the panel multiply.

Addresses are integers. Nothing here checks them: what calls a kernel has done that (the door law).
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.simd.arithmetic import emit_fma
from streamrnn.simd.vector import Vec, lane_type, llvm_type, splat

_INT = ir.IntType(64)


def _pointer(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.inttoptr(address, kind.as_pointer())


def _load(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    load = builder.load(_pointer(builder, address, kind))
    load.align = 4
    return load


@intrinsic(prefer_literal=True)
def load(typingctx: Any, address: types.Type, lanes: types.Type) -> Any:
    """The vector of `lanes` (a constant) float32 values at an address."""
    if not isinstance(lanes, types.IntegerLiteral):
        return None
    vec = Vec(types.float32, lanes.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return _load(builder, args[0], llvm_type(vec))

    return signature(vec, types.int64, lanes), codegen


@intrinsic(prefer_literal=True)
def load_tuple(typingctx: Any, address: types.Type, lanes: types.Type, count: types.Type) -> Any:
    """`count` vectors of `lanes` float32 values (both constants) that lie one behind the other."""
    if not isinstance(lanes, types.IntegerLiteral) or not isinstance(count, types.IntegerLiteral):
        return None
    vec = Vec(types.float32, lanes.literal_value)
    result = types.UniTuple(vec, count.literal_value)

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        step = vec.lanes * 4
        addresses = [builder.add(args[0], _INT(index * step)) for index in range(result.count)]
        return cgutils.pack_array(builder, [_load(builder, address, llvm_type(vec)) for address in addresses])

    return signature(result, types.int64, lanes, count), codegen


@intrinsic
def load_scalar(typingctx: Any, address: types.Type) -> Any:
    """The float32 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return _load(builder, args[0], lane_type(types.float32))

    return signature(types.float32, types.int64), codegen


@intrinsic
def store(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write a vector or a float32 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        write = builder.store(args[1], _pointer(builder, args[0], args[1].type))
        write.align = 4
        return context.get_dummy_value()

    return signature(types.void, types.int64, value), codegen


@intrinsic
def load_int(typingctx: Any, address: types.Type) -> Any:
    """The int64 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.load(_pointer(builder, args[0], _INT))

    return signature(types.int64, types.int64), codegen


@intrinsic
def load_int32(typingctx: Any, address: types.Type) -> Any:
    """The int32 at an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return _load(builder, args[0], ir.IntType(32))

    return signature(types.int32, types.int64), codegen


@intrinsic
def store_int32(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write an int32 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(args[1], _pointer(builder, args[0], ir.IntType(32)))
        return context.get_dummy_value()

    return signature(types.void, types.int64, types.int32), codegen


@intrinsic
def multiply_panel(typingctx: Any, sums: types.Type, weights: types.Type, inputs: types.Type, count: types.Type) -> Any:
    """Add a matrix-vector product to `sums`, input by input: sums[j] = fma(inputs[k], weights[k, j], sums[j]).

    `weights` is the address of a packed panel, shape (count, len(sums), lanes); `inputs` that of `count` float32 values.
    The loop is built here because its sums must stay in registers, which LLVM grants to phis but not to a Numba loop.
    The order over k is the order of the rounding, whatever the vector width (the machine law).
    """
    if not isinstance(sums, types.UniTuple) or not isinstance(sums.dtype, Vec):
        return None
    vec = sums.dtype

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        start, weights, inputs, count = args
        kind, bytes_of_vec = llvm_type(vec), vec.lanes * 4
        before = builder.block
        body = builder.append_basic_block("panel.body")
        after = builder.append_basic_block("panel.after")
        first = [builder.extract_value(start, index) for index in range(sums.count)]
        builder.cbranch(builder.icmp_signed(">", count, _INT(0)), body, after)

        builder.position_at_end(body)
        k = builder.phi(_INT)
        row = builder.phi(_INT)
        phis = [builder.phi(kind) for _ in first]
        value = _load(builder, builder.add(inputs, builder.shl(k, _INT(2))), lane_type(vec.dtype))
        spread = splat(builder, value, vec)
        nexts = [
            emit_fma(builder, vec, spread, _load(builder, builder.add(row, _INT(j * bytes_of_vec)), kind), phi)
            for j, phi in enumerate(phis)
        ]
        k_next = builder.add(k, _INT(1))
        row_next = builder.add(row, _INT(sums.count * bytes_of_vec))
        builder.cbranch(builder.icmp_signed("<", k_next, count), body, after)
        for phi, begin, follow in [(k, _INT(0), k_next), (row, weights, row_next), *zip(phis, first, nexts, strict=True)]:
            phi.add_incoming(begin, before)
            phi.add_incoming(follow, body)

        builder.position_at_end(after)
        results = []
        for begin, follow in zip(first, nexts, strict=True):
            result = builder.phi(kind)
            result.add_incoming(begin, before)
            result.add_incoming(follow, body)
            results.append(result)
        return cgutils.pack_array(builder, results)

    return signature(sums, sums, types.int64, types.int64, types.int64), codegen
