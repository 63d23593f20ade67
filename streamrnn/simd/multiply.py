"""Matrix times vector: the rows of a packed panel, each times one input, added to vectors of sums.

sums[j] = fma(inputs[k], weights[k, j], sums[j]) for k = 0, 1, ... The order over k is the order of rounding, whatever the width
(bit reproducibility, the machine law). The loop is written in LLVM's IR because its sums must stay in registers: LLVM keeps phi
nodes there, but not the tuple of a Numba loop.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.extending import intrinsic

from streamrnn.simd.arithmetic import emit_fma
from streamrnn.simd.halves import emit_half
from streamrnn.simd.memory import INT, bytes_of, emit_load, pointer
from streamrnn.simd.vector import Vec, lane_type, llvm_type, splat
from streamrnn.target.layout import CACHE_LINE


class Weights(NamedTuple):
    """How the weights of a product are stored, and what they are multiplied as.

    vec     type of a vector of sums
    stored  name of the type in which weights are stored (`Width.stored`); None: that of `vec`
    """

    vec: Vec
    stored: str | None = None

    @property
    def n_bytes(self) -> int:
        """Bytes of a vector of weights."""
        return bytes_of(self.vec) if self.stored is None else 2 * self.vec.lanes

    def emit(self, builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
        """The vector of weights at an address, converted to the type of the sums, which is exact."""
        if self.stored is None:
            return emit_load(builder, address, llvm_type(self.vec))
        single = emit_half(builder, address, self.vec.lanes, self.stored)
        return single if self.vec.dtype == types.float32 else builder.fpext(single, llvm_type(self.vec))


def emit_products(
    builder: ir.IRBuilder,
    kind: Weights,
    first: Sequence[ir.Value],
    weights: ir.Value,
    row_bytes: int,
    inputs: Sequence[ir.Value],
    count: ir.Value,
    ahead: int = 0,
) -> list[ir.Value]:
    """A loop over `count` rows of weights that adds to sums. Returns the sums, [input][vector].

    kind       of the weights
    first      the sums at the beginning, [input][vector]
    weights    address of the first row of weights
    row_bytes  bytes from one row to the next
    inputs     addresses of `count` numbers each: every weight is loaded once for all of them
    ahead      bytes by which weights are fetched before they are used; 0: not
    """
    vec, vector_bytes, n_vectors = kind.vec, kind.n_bytes, len(first) // len(inputs)
    before = builder.block
    body = builder.append_basic_block("panel.body")
    after = builder.append_basic_block("panel.after")
    builder.cbranch(builder.icmp_signed(">", count, INT(0)), body, after)

    builder.position_at_end(body)
    k = builder.phi(INT)
    row = builder.phi(INT)
    phis = [builder.phi(llvm_type(vec)) for _ in first]
    offset = builder.mul(k, INT(vec.dtype.bitwidth // 8))
    splats = [splat(builder, emit_load(builder, builder.add(x, offset), lane_type(vec.dtype)), vec) for x in inputs]
    loaded = [kind.emit(builder, builder.add(row, INT(j * vector_bytes))) for j in range(n_vectors)]
    for at in range(0, n_vectors * vector_bytes if ahead else 0, CACHE_LINE):
        emit_prefetch(builder, builder.add(row, INT(ahead + at)))
    pairs = [(x, value) for x in splats for value in loaded]
    nexts = [emit_fma(builder, vec, *pair, phi) for pair, phi in zip(pairs, phis, strict=True)]
    k_next = builder.add(k, INT(1))
    row_next = builder.add(row, INT(row_bytes))
    builder.cbranch(builder.icmp_signed("<", k_next, count), body, after)
    for phi, begin, follow in [(k, INT(0), k_next), (row, weights, row_next), *zip(phis, first, nexts, strict=True)]:
        phi.add_incoming(begin, before)
        phi.add_incoming(follow, body)

    builder.position_at_end(after)
    results = []
    for begin, follow in zip(first, nexts, strict=True):
        result = builder.phi(llvm_type(vec))
        result.add_incoming(begin, before)
        result.add_incoming(follow, body)
        results.append(result)
    return results


def emit_prefetch(builder: ir.IRBuilder, address: ir.Value) -> None:
    """Prefetch the cache line at an address, which need not exist."""
    kind, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = ir.FunctionType(ir.VoidType(), [kind, flag, flag, flag])
    reading, near, data = flag(0), flag(3), flag(1)
    prefetch = builder.module.declare_intrinsic("llvm.prefetch", [kind], function)
    builder.call(prefetch, [pointer(builder, address, ir.IntType(8)), reading, near, data])


@intrinsic(prefer_literal=True)
def multiply_panel(
    typingctx: Any, sums: types.Type, weights: types.Type, inputs: types.Type, count: types.Type, ahead: types.Type
) -> Any:
    """Add a matrix-vector product to `sums`, a tuple of vectors, input by input.

    weights  address of a packed panel, (count, len(sums), lanes), of the type of the sums
    inputs   address of `count` numbers
    ahead    a constant, as in `emit_products`
    """
    if not isinstance(sums, types.UniTuple) or not isinstance(sums.dtype, Vec) or not isinstance(ahead, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: ir.IRBuilder, sig: Any, args: Any) -> ir.Value:
        start, weights, inputs, count, _ = args
        vec, first = sums.dtype, [builder.extract_value(start, index) for index in range(sums.count)]
        row_bytes = sums.count * bytes_of(vec)
        results = emit_products(builder, Weights(vec), first, weights, row_bytes, [inputs], count, ahead.literal_value)
        return cgutils.pack_array(builder, results)

    return signature(sums, sums, types.int64, types.int64, types.int64, ahead), codegen
