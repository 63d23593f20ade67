"""Products of small integers: rows of 8-bit weights, each times a 16-bit input, added to 32-bit sums.

Rows lie in one by twos or fours. A vector of pairs of weights times a pair of inputs in every lane, and the two products added,
is one instruction of x86-64 (vpmaddwd; with the sum, vpdpwssd). LLVM finds it in what is written here. Four weights times four
bytes without a sign, and a sum, are one of AVX-512 VNNI (vpdpbusd). Low and high bytes of the inputs then have a sum each.
Integer sums are exact, so their order does not matter.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.simd.memory import INT, emit_load, pointer
from streamrnn.simd.multiply import emit_prefetch
from streamrnn.simd.vector import Vec, llvm_type, splat
from streamrnn.target.layout import CACHE_LINE

_BYTE, _SHORT, _LONG = ir.IntType(8), ir.IntType(16), ir.IntType(32)


def emit_integer_products(
    builder: ir.IRBuilder,
    lanes: int,
    n_vectors: int,
    weights: ir.Value,
    row_bytes: int,
    inputs: Sequence[ir.Value],
    n_loads: ir.Value,
    at_once: int,
    ahead: int = 0,
) -> list[ir.Value]:
    """The sums of products of int8 weights with int16 inputs, [input][vector]: vectors of `lanes` int32.

    at_once    rows that lie in one, 2 or 4. With 4, inputs are x + 2**15, and the sums lack their correction
    weights    address of the first row, [rows in one][vector][lane][at_once]
    row_bytes  bytes from rows in one to the next
    inputs     addresses of `n_loads` times `at_once` int16; every weight is loaded once for all of them. `n_loads` is positive
    ahead      bytes by which weights are fetched before they are used; 0: not
    """
    sums, by_four = Vec(types.int32, lanes), at_once == 4
    planes = 2 if by_four else 1  # sums of each vector: with low and with high bytes
    before, body = builder.block, builder.append_basic_block("integers.body")
    builder.branch(body)
    builder.position_at_end(body)
    k, row = builder.phi(INT), builder.phi(INT)
    phis = [builder.phi(llvm_type(sums)) for _ in range(planes * n_vectors * len(inputs))]
    offset = builder.mul(k, INT(2 * at_once))
    places = [builder.add(builder.add(address, offset), INT(4 * plane)) for address in inputs for plane in range(planes)]
    emit_values, emit_weights = (_emit_bytes, _emit_bytes_of_weights) if by_four else (_emit_pair, _emit_weights)
    values = [emit_values(builder, place, sums) for place in places]
    for at in range(0, at_once * lanes * n_vectors if ahead else 0, CACHE_LINE):
        emit_prefetch(builder, builder.add(row, INT(ahead + at)))
    emit_next = _emit_dot_of_bytes if by_four else _emit_sum
    nexts = list(phis)
    for j in range(n_vectors):  # each vector of weights is loaded last, so that it needs a register for a short time
        weight = emit_weights(builder, builder.add(row, INT(at_once * lanes * j)), lanes)
        for n, value in enumerate(values):
            nexts[n * n_vectors + j] = emit_next(builder, phis[n * n_vectors + j], value, weight, lanes)
    k_next, row_next = builder.add(k, INT(1)), builder.add(row, INT(row_bytes))
    after = builder.append_basic_block("integers.after")
    builder.cbranch(builder.icmp_signed("<", k_next, n_loads), body, after)
    nothing = ir.Constant(llvm_type(sums), None)
    begins = [(k, INT(0), k_next), (row, weights, row_next), *((phi, nothing, n) for phi, n in zip(phis, nexts, strict=True))]
    for phi, begin, follow in begins:
        phi.add_incoming(begin, before)
        phi.add_incoming(follow, body)
    builder.position_at_end(after)
    if not by_four:
        return nexts
    eight = ir.Constant(llvm_type(sums), [_LONG(8)] * lanes)
    pairs = [(2 * n * n_vectors + j, (2 * n + 1) * n_vectors + j) for n in range(len(inputs)) for j in range(n_vectors)]
    return [builder.add(nexts[low], builder.shl(nexts[high], eight)) for low, high in pairs]


def _emit_pair(builder: ir.IRBuilder, address: ir.Value, sums: Vec) -> ir.Value:
    """A pair of int16 in every lane, each sign-extended to 32 bits: (2 lanes,) int32."""
    wide = ir.VectorType(_SHORT, 2 * sums.lanes)
    return builder.sext(
        builder.bitcast(splat(builder, emit_load(builder, address, _LONG), sums), wide), ir.VectorType(_LONG, 2 * sums.lanes)
    )


def _emit_weights(builder: ir.IRBuilder, address: ir.Value, lanes: int) -> ir.Value:
    """A vector of pairs of weights: (2 lanes,) int32."""
    return builder.sext(emit_load(builder, address, ir.VectorType(_BYTE, 2 * lanes)), ir.VectorType(_LONG, 2 * lanes))


def _emit_dot(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, lanes: int) -> ir.Value:
    """The products of a pair, added, in each lane: (lanes,) int32."""
    product = builder.mul(a, b, flags=["nsw"])
    undefined = ir.Constant(product.type, ir.Undefined)

    def every_second(first: int) -> ir.Value:
        indices = [_LONG(2 * lane + first) for lane in range(lanes)]
        return builder.shuffle_vector(product, undefined, ir.Constant(ir.VectorType(_LONG, lanes), indices))

    return builder.add(every_second(0), every_second(1))


def _emit_sum(builder: ir.IRBuilder, total: ir.Value, a: ir.Value, b: ir.Value, lanes: int) -> ir.Value:
    return builder.add(total, _emit_dot(builder, a, b, lanes))


def _emit_bytes(builder: ir.IRBuilder, address: ir.Value, sums: Vec) -> ir.Value:
    """Four bytes in every lane: (lanes,) int32."""
    return splat(builder, emit_load(builder, address, _LONG), sums)


def _emit_bytes_of_weights(builder: ir.IRBuilder, address: ir.Value, lanes: int) -> ir.Value:
    """A vector of fours of weights: (lanes,) int32."""
    return emit_load(builder, address, ir.VectorType(_LONG, lanes))


def _emit_dot_of_bytes(builder: ir.IRBuilder, total: ir.Value, a: ir.Value, b: ir.Value, lanes: int) -> ir.Value:
    """A sum, plus four bytes without a sign times four with one, in each lane."""
    kind = ir.FunctionType(total.type, [total.type] * 3)
    return builder.call(builder.module.declare_intrinsic(f"llvm.x86.avx512.vpdpbusd.{32 * lanes}", (), kind), [total, a, b])


@intrinsic
def plus_four_products(
    typingctx: Any, total: types.Type, word: types.Type, a: types.Type, b: types.Type, c: types.Type, d: types.Type
) -> Any:
    """A sum, plus four numbers times the bytes of a word, the lowest first: all of int32, the bytes with a sign."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        total, word, *numbers = args
        for number, above in zip(numbers, (24, 16, 8, 0), strict=True):
            weight = builder.ashr(builder.shl(word, _LONG(above)), _LONG(24))
            total = builder.add(total, builder.mul(number, weight))
        return total

    return signature(types.int32, *[types.int32] * 6), codegen


@intrinsic
def larger(typingctx: Any, a: types.Type, b: types.Type) -> Any:
    """The larger of two vectors or numbers of int32, lane by lane."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        return builder.select(builder.icmp_signed(">", *args), *args)

    return signature(a, a, b), codegen


@intrinsic
def largest_lane(typingctx: Any, a: types.Type) -> Any:
    """The largest int32 of a vector."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        kind = llvm_type(sig.args[0])
        name = f"llvm.vector.reduce.smax.v{sig.args[0].lanes}i32"
        return builder.call(builder.module.declare_intrinsic(name, (), ir.FunctionType(_LONG, [kind])), args)

    return signature(types.int32, a), codegen


@intrinsic
def store_shorts(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write the lower 16 bits of each int32 of a vector, or of a number, to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        lanes = sig.args[1].lanes if isinstance(sig.args[1], Vec) else 1
        kind = ir.VectorType(_SHORT, lanes) if lanes > 1 else _SHORT
        builder.store(builder.trunc(args[1], kind), pointer(builder, args[0], kind)).align = 2
        return context.get_dummy_value()

    return signature(types.void, types.int64, value), codegen


@intrinsic
def store_fours(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write the lower 16 bits of each int32 of a vector to an address: of each four the low bytes, then the high ones."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        lanes = sig.args[1].lanes
        whole = ir.VectorType(_BYTE, 2 * lanes)
        halves = builder.bitcast(builder.trunc(args[1], ir.VectorType(_SHORT, lanes)), whole)
        order = [_LONG(8 * (n // 8) + 2 * (n % 4) + n % 8 // 4) for n in range(2 * lanes)]
        sorted_bytes = builder.shuffle_vector(halves, halves, ir.Constant(ir.VectorType(_LONG, 2 * lanes), order))
        builder.store(sorted_bytes, pointer(builder, args[0], whole)).align = 1
        return context.get_dummy_value()

    return signature(types.void, types.int64, value), codegen


@intrinsic
def store_byte(typingctx: Any, address: types.Type, value: types.Type) -> Any:
    """Write the lower 8 bits of an int32 to an address."""

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        builder.store(builder.trunc(args[1], _BYTE), pointer(builder, args[0], _BYTE)).align = 1
        return context.get_dummy_value()

    return signature(types.void, types.int64, types.int32), codegen
