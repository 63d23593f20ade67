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
from streamrnn.target.packing import BFLOAT16


class Weights(NamedTuple):
    """How the weights of a product are stored, and what they are multiplied as.

    vec     type of a vector of sums
    stored  name of the type in which weights are stored (`Width.stored`); None: that of `vec`
    """

    vec: Vec
    stored: str | None = None

    @property
    def rows_at_once(self) -> int:
        """Rows of weights that lie in one."""
        return 2 if self.stored == BFLOAT16 else 1

    @property
    def n_bytes(self) -> int:
        """Bytes of a vector of weights, of all rows that lie in one."""
        return bytes_of(self.vec) if self.stored is None else 2 * self.rows_at_once * self.vec.lanes

    def emit(self, builder: ir.IRBuilder, address: ir.Value, row: int = 0) -> ir.Value:
        """The vector of weights at an address, converted to the type of the sums, which is exact; `row` of those in one."""
        if self.stored is None:
            return emit_load(builder, address, llvm_type(self.vec))
        single = emit_half(builder, address, self.vec.lanes, self.stored, row)
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
    row_bytes  bytes from one row, or from rows in one, to the next
    inputs     addresses of `count` numbers each: every weight is loaded once for all of them
    ahead      bytes by which weights are fetched before they are used; 0: not
    """
    vec, vector_bytes, n_vectors = kind.vec, kind.n_bytes, len(first) // len(inputs)
    at_once, itemsize = kind.rows_at_once, vec.dtype.bitwidth // 8
    n_loads = count if at_once == 1 else builder.lshr(count, INT(1))

    def added(sums: Sequence[ir.Value], row: ir.Value, offset: ir.Value, part: int) -> list[ir.Value]:
        places = [builder.add(x, builder.add(offset, INT(part * itemsize))) for x in inputs]
        splats = [splat(builder, emit_load(builder, place, lane_type(vec.dtype)), vec) for place in places]
        loaded = [kind.emit(builder, builder.add(row, INT(j * vector_bytes)), part) for j in range(n_vectors)]
        pairs = [(x, value) for x in splats for value in loaded]
        return [emit_fma(builder, vec, *pair, total) for pair, total in zip(pairs, sums, strict=True)]

    before = builder.block
    body = builder.append_basic_block("panel.body")
    after = builder.append_basic_block("panel.after")
    builder.cbranch(builder.icmp_signed(">", n_loads, INT(0)), body, after)

    builder.position_at_end(body)
    k = builder.phi(INT)
    row = builder.phi(INT)
    phis = [builder.phi(llvm_type(vec)) for _ in first]
    offset = builder.mul(k, INT(at_once * itemsize))
    for at in range(0, n_vectors * vector_bytes if ahead else 0, CACHE_LINE):
        emit_prefetch(builder, builder.add(row, INT(ahead + at)))
    nexts: Sequence[ir.Value] = phis
    for part in range(at_once):
        nexts = added(nexts, row, offset, part)
    k_next = builder.add(k, INT(1))
    row_next = builder.add(row, INT(row_bytes))
    builder.cbranch(builder.icmp_signed("<", k_next, n_loads), body, after)
    for phi, begin, follow in [(k, INT(0), k_next), (row, weights, row_next), *zip(phis, first, nexts, strict=True)]:
        phi.add_incoming(begin, before)
        phi.add_incoming(follow, body)

    builder.position_at_end(after)
    results = _either(builder, vec, (first, before), (nexts, body))
    if at_once == 1:
        return results
    has_last = cgutils.is_not_null(builder, builder.and_(count, INT(1)))
    last, end = builder.append_basic_block("panel.last"), builder.append_basic_block("panel.end")
    builder.cbranch(has_last, last, end)
    builder.position_at_end(last)
    row_of_last = builder.add(weights, builder.mul(n_loads, INT(row_bytes)))
    with_last = added(results, row_of_last, builder.mul(n_loads, INT(at_once * itemsize)), 0)
    builder.branch(end)
    builder.position_at_end(end)
    return _either(builder, vec, (results, after), (with_last, last))


class Product(NamedTuple):
    """What `emit_products` takes: rows of weights, each times a number of every input, added to sums."""

    kind: Weights
    first: Sequence[ir.Value]
    weights: ir.Value
    row_bytes: int
    inputs: Sequence[ir.Value]
    count: ir.Value


def emit_products_beside(
    builder: ir.IRBuilder, one: Product, other: Product, at_once: int
) -> tuple[list[ir.Value], list[ir.Value]]:
    """Two products in one loop: `at_once` rows of one for each row of the other; then what is left of each. Returns both sums.

    No rows may lie in one (`Weights.rows_at_once`).
    """
    vec, itemsize = one.kind.vec, one.kind.vec.dtype.bitwidth // 8
    n_one, n_other = builder.sdiv(one.count, INT(at_once)), other.count
    n_both = builder.select(builder.icmp_signed("<", n_one, n_other), n_one, n_other)
    first = [*one.first, *other.first]
    before, body = builder.block, builder.append_basic_block("both.body")
    after = builder.append_basic_block("both.after")
    builder.cbranch(builder.icmp_signed(">", n_both, INT(0)), body, after)

    builder.position_at_end(body)
    k, row, other_row = (builder.phi(INT) for _ in range(3))
    phis = [builder.phi(llvm_type(vec)) for _ in first]
    of_one, of_other = phis[: len(one.first)], phis[len(one.first) :]
    for part in range(at_once):
        offset = builder.add(builder.mul(k, INT(at_once * itemsize)), INT(part * itemsize))
        of_one = _with_row(builder, one, of_one, builder.add(row, INT(part * one.row_bytes)), offset)
    of_other = _with_row(builder, other, of_other, other_row, builder.mul(k, INT(itemsize)))
    k_next, nexts = builder.add(k, INT(1)), [*of_one, *of_other]
    row_next, other_next = builder.add(row, INT(at_once * one.row_bytes)), builder.add(other_row, INT(other.row_bytes))
    builder.cbranch(builder.icmp_signed("<", k_next, n_both), body, after)
    begins = [INT(0), one.weights, other.weights, *first]
    for phi, begin, follow in zip([k, row, other_row, *phis], begins, [k_next, row_next, other_next, *nexts], strict=True):
        phi.add_incoming(begin, before)
        phi.add_incoming(follow, body)

    builder.position_at_end(after)
    both = _either(builder, vec, (first, before), (nexts, body))
    done = builder.mul(n_both, INT(at_once))
    of_one = emit_products(builder, *_rest(builder, one, both[: len(one.first)], done))
    return of_one, emit_products(builder, *_rest(builder, other, both[len(one.first) :], n_both))


def _with_row(
    builder: ir.IRBuilder, product: Product, sums: Sequence[ir.Value], row: ir.Value, offset: ir.Value
) -> list[ir.Value]:
    """The sums with the products of the row of weights at an address, and the inputs at an offset."""
    kind, n_vectors = product.kind, len(product.first) // len(product.inputs)
    vec = kind.vec
    places = [builder.add(x, offset) for x in product.inputs]
    splats = [splat(builder, emit_load(builder, place, lane_type(vec.dtype)), vec) for place in places]
    loaded = [kind.emit(builder, builder.add(row, INT(j * kind.n_bytes))) for j in range(n_vectors)]
    pairs = [(x, value) for x in splats for value in loaded]
    return [emit_fma(builder, vec, *pair, total) for pair, total in zip(pairs, sums, strict=True)]


def _rest(builder: ir.IRBuilder, product: Product, sums: Sequence[ir.Value], done: ir.Value) -> Product:
    """A product without its first rows, which have been added to sums."""
    itemsize = product.kind.vec.dtype.bitwidth // 8
    return product._replace(
        first=sums,
        weights=builder.add(product.weights, builder.mul(done, INT(product.row_bytes))),
        inputs=[builder.add(x, builder.mul(done, INT(itemsize))) for x in product.inputs],
        count=builder.sub(product.count, done),
    )


Values = tuple[Sequence[ir.Value], ir.Block]


def _either(builder: ir.IRBuilder, vec: Vec, one: Values, other: Values) -> list[ir.Value]:
    """Vectors that are those of one block or another, from which this one is reached."""
    results = []
    for value, instead in zip(one[0], other[0], strict=True):
        result = builder.phi(llvm_type(vec))
        result.add_incoming(value, one[1])
        result.add_incoming(instead, other[1])
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
