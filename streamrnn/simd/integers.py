"""Products of small integers: rows of 8-bit weights, each times a 16-bit input, added to 32-bit sums.

Two rows lie in one, as pairs. A vector of pairs of weights times a pair of inputs in every lane, and the two products added,
is one instruction of x86-64 (vpmaddwd; with the sum, vpdpwssd). LLVM finds it in what is written here. Integer sums are exact,
so their order does not matter.
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
    n_pairs: ir.Value,
    ahead: int = 0,
) -> list[ir.Value]:
    """The sums of products of int8 weights with int16 inputs, [input][vector]: vectors of `lanes` int32.

    weights    address of the first row, [pair of rows][vector][lane][2]
    row_bytes  bytes from one pair of rows to the next
    inputs     addresses of `n_pairs` pairs of int16: every weight is loaded once for all of them. There is at least one pair
    ahead      bytes by which weights are fetched before they are used; 0: not
    """
    sums = Vec(types.int32, lanes)
    before, body = builder.block, builder.append_basic_block("integers.body")
    builder.branch(body)
    builder.position_at_end(body)
    k, row = builder.phi(INT), builder.phi(INT)
    phis = [builder.phi(llvm_type(sums)) for _ in range(n_vectors * len(inputs))]
    offset = builder.mul(k, INT(4))
    pairs = [_emit_pair(builder, builder.add(address, offset), sums) for address in inputs]
    loaded = [_emit_weights(builder, builder.add(row, INT(2 * lanes * j)), lanes) for j in range(n_vectors)]
    for at in range(0, 2 * lanes * n_vectors if ahead else 0, CACHE_LINE):
        emit_prefetch(builder, builder.add(row, INT(ahead + at)))
    products = [_emit_dot(builder, value, pair, lanes) for pair in pairs for value in loaded]
    nexts = [builder.add(phi, product) for phi, product in zip(phis, products, strict=True)]
    k_next, row_next = builder.add(k, INT(1)), builder.add(row, INT(row_bytes))
    after = builder.append_basic_block("integers.after")
    builder.cbranch(builder.icmp_signed("<", k_next, n_pairs), body, after)
    nothing = ir.Constant(llvm_type(sums), None)
    begins = [(k, INT(0), k_next), (row, weights, row_next), *((phi, nothing, n) for phi, n in zip(phis, nexts, strict=True))]
    for phi, begin, follow in begins:
        phi.add_incoming(begin, before)
        phi.add_incoming(follow, body)
    builder.position_at_end(after)
    return nexts


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
